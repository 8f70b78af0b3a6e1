"""What the methods of the public classes are called on, and their arguments that functions do not have."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import watched
from arguments import (
    ARGUMENTS,
    JUNK,
    Case,
    data,
    known_quantiles,
    known_stats,
    one_of,
    seen,
    some_number,
    some_quantiles,
    some_stats,
)

import fastbn

LEFT_OUT = ("moments", "pending", "plot")  # the first two are for the package itself; the last needs matplotlib
_SHARED = Path("/dev/shm")  # noqa: S108 - where saving costs no disk; only a folder of our own is made in it
FOLDER = tempfile.TemporaryDirectory(prefix="fastbn-calls-", dir=_SHARED if _SHARED.is_dir() else None)


def several(one: Callable[[Case], Any]) -> Callable[[Case], Any]:
    """A list of some."""
    return lambda case: [one(case) for _ in range(case.rng.randint(0, 3))]


def index(case: Case) -> Any:
    return case.rng.choice(
        (0, -1, slice(None), slice(0, 1), [0], [0, 0], (), "c0", ["c1", "c0"], np.array([0]), 5, (0, 0), [True])
    )


def names(case: Case) -> Any:
    size = case.vectors[0] if len(case.vectors) == 1 else 3
    return case.rng.choice((None, [f"n{i}" for i in range(size)], ["a"] * size, "abc"))


def numbers(case: Case) -> Any:
    return (
        case.read(case.vectors, case.rng.choice(("f8", "f4", "u1", "i8", "?")))
        if case.rng.random() < 0.6
        else case.rng.choice((0, 3, 5.0))
    )


def path(case: Case) -> Any:
    name = case.rng.choice(("a.json", "b.json", "c.json", "none/a.json", "", "\0", "x" * 300, "."))
    return f"{FOLDER.name}/{name}" if case.rng.random() < 0.8 else Path(FOLDER.name, "a.json")


def damaged(record: Any, rng: random.Random) -> Any:
    """A record with one thing in it replaced, removed or doubled."""
    if isinstance(record, dict) and record and rng.random() < 0.9:
        key = rng.choice(list(record))
        left = {k: v for k, v in record.items() if k != key}
        return left if rng.random() < 0.1 else left | {key: damaged(record[key], rng)}
    if isinstance(record, list) and record and rng.random() < 0.7:
        at = rng.randrange(len(record))
        return record[:at] + [damaged(record[at], rng)] * rng.choice((1, 1, 1, 0, 2)) + record[at + 1 :]
    return rng.choice((*JUNK, "NaN", "-Infinity", "0x1", "-0x" + "f" * 900, 2**53 + 1, 1e999, [], [[]]))


def record_of(one: Callable[[Case], Any]) -> Callable[[Case], Any]:
    """What `to_dict` makes, as a rule damaged."""

    def record(case: Case) -> Any:
        made = one(case).to_dict()
        return made if case.rng.random() < 0.1 else damaged(made, case.rng)

    return record


def state(case: Case) -> Any:
    """The state of a layer."""
    size = case.vectors[0] if len(case.vectors) == 1 else 3
    arrays = {name: case.read((size,), case.dtype()) for name in ("weight", "bias", "running_mean", "running_var")}
    made = arrays | {"num_batches_tracked": case.rng.choice((0, 3, np.array(2), -1, 1.5, 2**63, 10**30, np.nan))}
    return made if case.rng.random() < 0.5 else damaged(made, case.rng)


METHOD_ARGUMENTS: dict[str, Callable[[Case], Any]] = ARGUMENTS | {
    "ChannelStats.others": some_stats, "ChannelStats.parts": several(some_stats), "ChannelStats.d":
    record_of(some_stats), "ChannelQuantiles.others": some_quantiles, "ChannelQuantiles.d": record_of(some_quantiles),
    "BatchNorm.d": state, "BatchNorm.batches": several(data), "BatchNorm.mode": one_of(True, False),
    "BatchNorm.channel_axis": one_of(1, 1, 0, -1), "index": index, "names": names, "path": path, "shape": one_of((),
    3, (2, 3), 0, [2]), "count": numbers, "mean": numbers, "var": numbers, "min": numbers, "max": numbers,
}  # fmt: skip


def layer(case: Case) -> fastbn.BatchNorm:
    """A layer for the data, which has seen some, perhaps."""
    rng = case.rng
    size = case.vectors[0] if len(case.vectors) == 1 and case.vectors[0] else 3
    axis = case.axis[0] if isinstance(case.axis, tuple) and len(case.axis) == 1 else case.axis
    axis = axis if isinstance(axis, int) else 1
    made = fastbn.BatchNorm(
        size, channel_axis=axis, momentum=rng.choice((None, 0.1, 1.0)), affine=rng.random() < 0.8,
        track_running_stats=rng.random() < 0.8, convention=rng.choice(("torch", "keras")), dtype=rng.choice(("f2",
        "f4", "f8")),
    )  # fmt: skip
    if rng.random() < 0.7 and len(case.vectors) == 1 and case.vectors[0] and case.shape:
        batch = watched.given(case.shape, "f4", 0).array
        if batch.size > size:
            made(batch)
    return made


OBJECTS: dict[str, Callable[[Case], Any]] = {
    "ChannelStats": lambda case: seen(case, known_stats(case.vectors, some_number(case, 21))),
    "ChannelQuantiles": lambda case: seen(case, known_quantiles(case.vectors, some_number(case, 12))),
    "BatchNorm": layer,
}
