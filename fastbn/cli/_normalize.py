"""``fastbn normalize`` and ``fastbn denormalize``: files in, files out."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastbn import (
    channel_quantiles,
    channel_stats,
    denormalize,
    minmax_scale,
    minmax_unscale,
    normalize,
    robust_scale,
)
from fastbn._backends import chosen
from fastbn._printable import printable
from fastbn._records import plain
from fastbn._scalars import check_quantile_range
from fastbn._version import __version__

from ._channels import Channels
from ._errors import JobError, require
from ._files import atomic_output, check_free, check_output, check_space
from ._inputs import Input, check_outside, check_unread, is_one, look, refuse_doubles, title_of
from ._journal import Journal, journal_of
from ._measure import Reading, ignore, rehearse
from ._records import aligned, digest, load, read_back
from ._transform import Target, Transform, Writing
from .formats import companions, named

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


def run_normalize(args: Namespace) -> None:
    """Normalize files by their own statistics or by saved ones."""
    _run(args, FORWARD[args.method])


def run_denormalize(args: Namespace) -> None:
    """Undo a normalization."""
    _run(args, BACKWARD[args.method])


def _run(args: Namespace, function: Transform) -> None:
    inputs = look(args.inputs, args.choice)
    transform = partial(function, dtype=args.dtype, **args.options)
    fit, q = _fit(args)
    targets = _targets(args, inputs, rehearse(inputs, fit, args.missing, transform))
    stats = None if args.stats is None else _given_stats(args, inputs, transform)
    if stats is None and args.method == "batchnorm" and _values(inputs) == 1:
        raise JobError(f"{inputs[0].path}: batch normalization needs more than one value per channel")
    if args.plot is not None:
        check_unread([args.plot], inputs)
        check_output(args.plot, overwrite=args.overwrite)
        require("matplotlib.figure", "matplotlib", "--plot")
    careful = args.in_place or len(targets) > 1
    several = not is_one(args.inputs)
    _check_outputs(args, targets, several)
    journal_path = _journal_path(args, targets, several)
    if args.dry_run:
        _say(args, targets, would=True)
        return
    sample = None
    if args.plot is not None:
        from ._pictures import Sample

        sample = Sample(inputs[0].fields)
    with _directories(targets), Journal(journal_path, _job(args, targets), resume=args.resume) as journal:
        _refuse_existing(args, targets, journal)
        watch = ignore if sample is None else sample.see
        if stats is None and journal.said.stats is not None:
            stats = read_back(journal.said.stats)
        elif stats is None:
            reading = Reading(inputs, args.memory, args.missing, watch)
            stats = reading.stats("compensated") if q is None else reading.quantiles(q)
            watch = ignore
            journal.note_stats(stats.to_dict(), always=careful)
        Writing(
            transform, stats, args.missing, args.memory, args.overwrite or args.in_place, careful, journal, watch
        ).write(targets)
    if sample is not None:
        with atomic_output(args.plot, overwrite=args.overwrite) as scratch:
            title = f"{title_of(inputs)}: {args.method}"
            sample.draw_both(stats, transform, scratch, form=args.plot.suffix[1:].lower(), title=title)
    _say(args, targets, would=False)


@contextmanager
def _directories(targets: Sequence[Target]) -> Iterator[None]:
    """Make the directories of the outputs; if the block fails, those that are empty go again."""
    parents = {target.out.parent for target in targets}
    wanted = {directory for parent in parents for directory in (parent, *parent.parents) if not directory.exists()}
    made = sorted(wanted)
    for directory in made:
        directory.mkdir(exist_ok=True)
    try:
        yield
    except BaseException:
        for directory in reversed(made):
            with suppress(OSError):
                directory.rmdir()
        raise


def _fit(args: Namespace) -> tuple[Callable[..., Any], tuple[float, ...] | None]:
    """What a method takes from files of which no statistics are given; the quantiles, if these are it."""
    if args.method != "robust":
        return channel_stats, None
    lo, hi = check_quantile_range(args.options.get("quantile_range", QUARTILES))
    q = (lo, 0.5, hi)
    return partial(channel_quantiles, q=q), q


def _values(inputs: Sequence[Input]) -> int:
    """Values of each channel, of the field that has the fewest."""
    return min(sum(item.fields[k].axes.values for item in inputs) for k in range(len(inputs[0].fields)))


def _given_stats(args: Namespace, inputs: Sequence[Input], transform: Transform) -> Any:
    """Saved statistics, of which it is seen on a single value that the transform can use them."""
    loaded = load(args.stats)
    stats = aligned(loaded, args.stats, inputs[0])
    channels = Channels(inputs[0].fields)
    for number, field in enumerate(channels.fields):
        if not math.prod(field.axes.shape):
            continue
        sample = np.zeros((1,) * len(field.shape), field.dtype)
        key = (number, ((0, 1),) * len(field.axes.kept))
        transform(sample, stats=channels.part(stats, key), channel_axis=field.channel_axis)
    return stats


def _targets(args: Namespace, inputs: Sequence[Input], dtypes: Sequence[tuple[np.dtype[Any], ...]]) -> list[Target]:
    """Where each input goes."""
    several = not is_one(args.inputs)
    outs = [item.path if args.in_place else args.output / item.name if several else args.output for item in inputs]
    return [Target(number, *parts) for number, parts in enumerate(zip(inputs, outs, dtypes, strict=True))]


def _check_outputs(args: Namespace, targets: Sequence[Target], several: bool) -> None:
    """Refuse outputs that must not, or cannot, be written."""
    if several and not args.in_place and args.output.exists() and not args.output.is_dir():
        raise JobError(f"{args.output}: not a directory, and there are several files to write")
    inputs = [target.input for target in targets]
    if args.in_place:
        refuse_doubles(inputs)
    else:
        check_unread([target.out for target in targets], inputs)
        check_outside(args.output, args.inputs)
    for target in targets:
        form, promised = target.input.format, named(target.out)
        if promised is not None and promised.name != form and not args.in_place:
            raise JobError(f"{target.out}: the name of a {promised.name} file, and the output will be {form}, as IN is")
        overwrite = args.overwrite or args.in_place or args.resume
        if target.out.parent.is_dir() or not several:
            check_output(target.out, overwrite=overwrite, directory=target.input.directory)
        for path in companions(form, target.out):
            check_free(path, overwrite)
    check_space(targets[0].out, sum(target.input.needs(target.dtypes) for target in targets))


def _refuse_existing(args: Namespace, targets: Sequence[Target], journal: Journal) -> None:
    """Refuse outputs that are there already, but for those of the job that is gone on with."""
    for target in targets:
        if target.number not in journal.said.done and not journal.said.usable(target.number):
            check_free(target.out, args.overwrite or args.in_place)


def _journal_path(args: Namespace, targets: Sequence[Target], several: bool) -> Path:
    if args.in_place and several and args.inputs[0].is_dir():
        return journal_of(args.inputs[0], directory=True)
    if several and not args.in_place:
        return journal_of(args.output, directory=True)
    return journal_of(targets[0].out, directory=False)


def _job(args: Namespace, targets: Sequence[Target]) -> dict[str, Any]:
    """What has to be the same for a journal to be of use."""
    return {
        "fastbn": __version__,
        "backend": chosen(),
        "command": args.command,
        "method": args.method,
        "options": args.options,
        "dtype": args.dtype,
        "stats": None if args.stats is None else digest(args.stats),
        "memory": args.memory,
        "nodata": plain(args.missing.nodata),
        "nan_policy": args.missing.nan_policy,
        "choice": args.choice._asdict(),
        "in_place": args.in_place,
        "files": [[str(target.input.path), str(target.out)] for target in targets],
        "identities": [target.input.identity for target in targets],
    }


def _say(args: Namespace, targets: Sequence[Target], *, would: bool) -> None:
    """What was done, or would be."""
    if args.json:
        files = [
            {"input": target.input.record(), "output": str(target.out), "dtypes": [str(d) for d in target.dtypes]}
            for target in targets
        ]
        record = {"command": args.command, "method": args.method, "dry_run": would, "files": files}
        print(json.dumps(record, allow_nan=False))
        return
    for target in targets:
        dtypes = ", ".join(sorted({str(dtype) for dtype in target.dtypes}))
        what = f"{target.out} ({dtypes}): {args.command}, {args.method}, of {target.input}"
        print(printable(f"would write {what}" if would else what))
