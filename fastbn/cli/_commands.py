"""The commands. Each checks everything it can before it reads data, and no output appears unless all went well."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fastbn import (
    ChannelQuantiles,
    ChannelStats,
    channel_quantiles,
    channel_stats,
    denormalize,
    minmax_scale,
    minmax_unscale,
    normalize,
    robust_scale,
    show_config,
)
from fastbn._files import read_record
from fastbn._histogram import has_histogram
from fastbn._quantile_records import FORMAT
from fastbn._scalars import check_quantile_range

from ._errors import JobError, require
from ._files import atomic_output, check_output, check_space
from ._npy import open_npy, write_npy
from ._stream import Fit, Statistics, Stream, Transform

BATCH_NORM_EPS = 1e-5  # as in `batch_norm`
QUARTILES = (25.0, 75.0)  # as in `robust_scale`
FORWARD: Mapping[str, Transform] = {
    "zscore": normalize,
    "minmax": minmax_scale,
    "batchnorm": partial(normalize, eps=BATCH_NORM_EPS),
    "robust": robust_scale,
}
BACKWARD: Mapping[str, Transform] = {
    "zscore": denormalize,
    "minmax": minmax_unscale,
    "batchnorm": partial(denormalize, eps=BATCH_NORM_EPS),
}


def run_stats(args: Namespace) -> None:
    """Compute the statistics of a file; print, save and draw them."""
    stream = Stream(open_npy(args.input), args.channel_axis, args.memory)
    fit = partial(channel_stats, method=args.method, **_missing(args))
    stream.rehearse(fit)
    for out in (args.output, args.plot):
        if out is not None:
            check_output(out, overwrite=args.overwrite)
    if args.plot is not None:
        require("matplotlib.figure", "matplotlib", "--plot")
    stats = stream.measure(fit)
    with ExitStack() as outputs:  # both are made before the first appears under its name
        if args.output is not None:
            stats.save(outputs.enter_context(atomic_output(args.output, overwrite=args.overwrite)))
        if args.plot is not None:
            scratch = outputs.enter_context(atomic_output(args.plot, overwrite=args.overwrite))
            _draw(stats, scratch, format=args.plot.suffix[1:].lower(), title=args.input.name)
    _show(args, stats)


def run_quantiles(args: Namespace) -> None:
    """Compute quantiles of a file; print and save them."""
    stream = Stream(open_npy(args.input), args.channel_axis, args.memory)
    fit = partial(channel_quantiles, q=args.quantiles, **_missing(args))
    stream.rehearse(fit)
    if args.output is not None:
        check_output(args.output, overwrite=args.overwrite)
    quantiles = _measure_quantiles(stream, fit)
    if args.output is not None:
        with atomic_output(args.output, overwrite=args.overwrite) as scratch:
            quantiles.save(scratch)
    _show(args, quantiles)


def run_normalize(args: Namespace) -> None:
    """Normalize a file by its own statistics or by saved ones."""
    _transform(args, FORWARD[args.method])


def run_denormalize(args: Namespace) -> None:
    """Undo a normalization."""
    _transform(args, BACKWARD[args.method])


def run_merge(args: Namespace) -> None:
    """Merge saved statistics."""
    check_output(args.output, overwrite=args.overwrite)
    first, *others = [_load(path) for path in args.inputs]
    merged = first.merge(*others)
    with atomic_output(args.output, overwrite=args.overwrite) as scratch:
        merged.save(scratch)
    print(repr(merged))


def run_info(args: Namespace) -> None:
    """Show versions, backends and threads."""
    if args.json:
        print(json.dumps(show_config(mode="dicts"), allow_nan=False))
    else:
        show_config()


def run_demo(args: Namespace) -> None:
    """Do the whole job on real data."""
    from ._demo import demo  # of no use to the other commands

    demo(args.output)


COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "demo": run_demo,
    "stats": run_stats,
    "quantiles": run_quantiles,
    "normalize": run_normalize,
    "denormalize": run_denormalize,
    "merge": run_merge,
    "info": run_info,
}


def _transform(args: Namespace, function: Transform) -> None:
    """Read IN, write OUT."""
    source = open_npy(args.input)
    stream = Stream(source, args.channel_axis, args.memory)
    transform = partial(function, channel_axis=args.channel_axis, dtype=args.dtype, **args.options)
    fit = _fit(args)
    dtype = stream.rehearse(fit, transform)
    check_output(args.output, overwrite=args.overwrite)
    check_space(args.output, source.array.size * dtype.itemsize)
    stats = None if args.stats is None else _load(args.stats)
    if stats is not None and stats.shape != stream.axes.shape:
        raise JobError(
            f"{args.stats}: statistics of channels {stats.shape}, but {args.input} has channels {stream.axes.shape} "
            f"(shape {source.array.shape}, channel axis {args.channel_axis})"
        )
    if stats is not None:
        stream.try_on(transform, stats)
    if stats is None and args.method == "batchnorm" and stream.axes.values == 1:
        raise JobError(f"{args.input}: batch normalization needs more than one value per channel")
    with atomic_output(args.output, overwrite=args.overwrite) as scratch:
        if stats is None:
            stats = _measure_quantiles(stream, fit) if args.method == "robust" else stream.measure(fit)
        pieces = stream.transform(transform, stats, dtype)
        write_npy(scratch, source.array.shape, dtype, source.order, pieces)
    print(f"{args.output}: {args.command} {args.input} ({args.method}), {dtype} of shape {source.array.shape}")


def _missing(args: Namespace) -> dict[str, Any]:
    """The options that say what does not count."""
    return {"nodata": args.nodata, "nan_policy": args.nan_policy}


def _fit(args: Namespace) -> Fit:
    """What a method takes from a file of which no statistics are given."""
    if args.method != "robust":
        return channel_stats
    lo, hi = check_quantile_range(args.options.get("quantile_range", QUARTILES))
    return partial(channel_quantiles, q=(lo, 0.5, hi))


def _measure_quantiles(stream: Stream, fit: Fit) -> Statistics:
    """Piece by piece, where a histogram can be kept."""
    counted = has_histogram(stream.source.array.dtype)
    quantiles: Statistics = stream.measure(fit) if counted else stream.measure_at_once(fit)
    return quantiles


def _load(path: Path) -> Any:
    """Statistics or quantiles, whichever a file holds."""
    record = read_record(path)
    quantiles = isinstance(record, dict) and record.get("format") == FORMAT
    return (ChannelQuantiles if quantiles else ChannelStats).load(path)


def _show(args: Namespace, stats: Statistics) -> None:
    print(json.dumps(stats.to_dict(), allow_nan=False) if args.json else repr(stats))


def _draw(stats: ChannelStats, out: Path, *, format: str, title: str) -> None:  # noqa: A002 - savefig's name
    axes = stats.plot()
    axes.set_title(title)
    axes.figure.savefig(out, format=format, dpi=150)
