"""The commands. Each checks everything it can before it reads data, and no output appears unless all went well."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from fastbn import channel_quantiles, channel_stats, show_config
from fastbn._version import __version__

from ._channels import Statistics
from ._errors import require
from ._files import atomic_output, check_output
from ._inputs import Input, check_unread, look, title_of
from ._measure import Reading, ignore, rehearse
from ._normalize import run_denormalize, run_normalize
from ._records import load, provenance, save
from .formats import readable


def run_stats(args: Namespace) -> None:
    """Compute the statistics of files; print, save and draw them."""
    _measure(args, partial(channel_stats, method=args.method), lambda reading: reading.stats(args.method))


def run_quantiles(args: Namespace) -> None:
    """Compute quantiles of files; print, save and draw them."""
    q = tuple(args.quantiles)
    _measure(args, partial(channel_quantiles, q=q), lambda reading: reading.quantiles(q))


def run_merge(args: Namespace) -> None:
    """Merge saved statistics."""
    check_output(args.output, overwrite=args.overwrite)
    first, *others = [load(path) for path in args.inputs]
    merged = first.merge(*others)
    source = {"fastbn": __version__, "command": "merge", "inputs": [str(path) for path in args.inputs]}
    with atomic_output(args.output, overwrite=args.overwrite) as scratch:
        save(merged, scratch, source)
    _show(args, merged)


def run_info(args: Namespace) -> None:
    """Show versions, backends, threads and formats; or what files hold."""
    inputs = look(args.inputs, args.choice) if args.inputs else []
    if args.json:
        config = {**(show_config(mode="dicts") or {}), "formats": dict(readable())}
        record = {"command": args.command, "inputs": [item.record() for item in inputs]} if inputs else config
        print(json.dumps(record, allow_nan=False))
    elif inputs:
        for item in inputs:
            print(item.listing())
    else:
        show_config()
        print("formats: " + ", ".join(name if remedy is None else f"{name} ({remedy})" for name, remedy in readable()))


def run_demo(args: Namespace) -> None:
    """Do the whole job on real data."""
    from ._demo import demo  # of no use to the other commands

    if args.json:
        print(json.dumps(demo(args.output, lambda _: None), allow_nan=False))
    else:
        demo(args.output, partial(print, flush=True))


def run_bench(args: Namespace) -> None:
    """Compare with other libraries."""
    from . import _bench

    _bench.run_bench(args)


def run_completion(args: Namespace) -> None:
    """Print what makes a shell complete commands."""
    from . import _completion

    _completion.run_completion(args)


COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "demo": run_demo,
    "stats": run_stats,
    "quantiles": run_quantiles,
    "normalize": run_normalize,
    "denormalize": run_denormalize,
    "merge": run_merge,
    "info": run_info,
    "bench": run_bench,
    "completion": run_completion,
}


def _measure(args: Namespace, fit: Callable[..., Any], measured: Callable[[Reading], Any]) -> None:
    inputs = look(args.inputs, args.choice)
    rehearse(inputs, fit, args.missing)
    outs = [out for out in (args.output, args.plot) if out is not None]
    check_unread(outs, inputs)
    for out in outs:
        check_output(out, overwrite=args.overwrite)
    if args.plot is not None:
        require("matplotlib.figure", "matplotlib", "--plot")
    if args.dry_run:
        _say_inputs(args, inputs)
        return
    sample = None
    if args.plot is not None:
        from ._pictures import Sample

        sample = Sample(inputs[0].fields)
    stats = measured(Reading(inputs, args.memory, args.missing, ignore if sample is None else sample.see))
    with ExitStack() as outputs:  # both are made before the first appears under its name
        if args.output is not None:
            scratch = outputs.enter_context(atomic_output(args.output, overwrite=args.overwrite))
            save(stats, scratch, provenance(args, inputs))
        if sample is not None:
            scratch = outputs.enter_context(atomic_output(args.plot, overwrite=args.overwrite))
            sample.draw(stats, scratch, form=args.plot.suffix[1:].lower(), title=title_of(inputs))
    _show(args, stats)


def _say_inputs(args: Namespace, inputs: Sequence[Input]) -> None:
    """What would be read."""
    records = [item.record() for item in inputs]
    if args.json:
        print(json.dumps({"command": args.command, "dry_run": True, "inputs": records}, allow_nan=False))
        return
    for item in inputs:
        print(f"would read {item}")


def _show(args: Namespace, stats: Statistics) -> None:
    print(json.dumps(stats.to_dict(), allow_nan=False) if args.json else repr(stats))
