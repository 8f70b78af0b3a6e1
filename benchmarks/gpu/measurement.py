"""Every operation on every shape and dtype, beside PyTorch and CuPy where they are installed, and beside a copy.

With PyTorch, data are its tensors, so that all sides take memory for results from the same pool; without, they are
Numba's arrays, and results go to ``out``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpu import libraries, operations, timing, traffic
from gpu.operations import Call, Make
from gpu.samples import Layout

REPETITIONS = 50
QUICK = 10


def sides(layout: Layout, dtype: str) -> dict[str, dict[str, Make]]:
    """What is to be measured of a shape: operation -> name -> a way to a call."""
    torch, cupy = libraries.torch(), libraries.cupy()
    data = operations.data(torch or libraries.Numba(), layout, dtype)
    makers = operations.ours(data)
    found = {operation: {"fastbn": makers[operation]} for operation in traffic.operations(layout)}
    theirs: list[dict[str, dict[str, Make]]] = []
    if torch is not None:
        theirs.append(operations.of_torch(data))
    if cupy is not None:
        theirs.append(operations.of_cupy(operations.data(cupy, layout, dtype)))
    for library in theirs:
        for operation in found:
            found[operation] |= library.get(operation, {})
    return found


def prepared(makers: dict[str, Make]) -> tuple[dict[str, Call], dict[str, str]]:
    """Calls that work, after two that are not counted; what the others said."""
    calls: dict[str, Call] = {}
    errors: dict[str, str] = {}
    for name, make in makers.items():
        try:
            call = make()
            for _ in range(2):
                call()
        except Exception as error:  # noqa: BLE001 - what a library does not do is left out
            errors[name] = f"{type(error).__name__}: {error}"
        else:
            calls[name] = call
    return calls, errors


def rows(clock: Any, layouts: tuple[Layout, ...], dtypes: tuple[str, ...], repetitions: int) -> Iterator[dict]:
    """A row for each shape, dtype and operation."""
    for layout in layouts:
        for dtype in dtypes:
            itemsize = np.dtype(dtype).itemsize
            about = {"shape": layout.name, "sizes": layout.shape, "axis": layout.axis, "dtype": dtype}
            if traffic.bytes_held(layout, itemsize) > libraries.free_memory() / 2:
                yield about | {"skipped": "does not fit into half of the memory"}
                continue
            for operation, makers in sides(layout, dtype).items():
                calls, errors = prepared(makers)
                clock.wait()
                times = timing.alternating(clock, calls, repetitions)
                moved = traffic.bytes_moved(operation, layout, itemsize)
                yield about | {"operation": operation, "bytes": moved, "times": times, "errors": errors}


def small_rows(clock: Any, repetitions: int) -> Iterator[dict]:
    """The same for tiny arrays, with the cost on the host."""
    done: set[str] = set()
    for layout in traffic.SMALL:
        for operation, makers in sides(layout, "float32").items():
            if operation in done:
                continue
            done.add(operation)
            calls, errors = prepared(makers)
            times = timing.alternating(clock, calls, repetitions)
            host = {name: timing.host_seconds(clock, call, repetitions) for name, call in calls.items()}
            about = {"shape": layout.name, "sizes": layout.shape, "dtype": "float32", "operation": operation}
            yield about | {"times": times, "host": host, "errors": errors}


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Measure; quickly, float32 and some shapes, with a few repetitions."""
    repetitions = QUICK if options.quick else REPETITIONS
    layouts, dtypes = (traffic.QUICK, ("float32",)) if options.quick else (traffic.SHAPES, traffic.DTYPES)
    clock = timing.Clock()
    moved, copy = timing.copy_call(libraries.free_memory())
    copy()
    times = timing.alternating(clock, {"copy": copy}, repetitions)["copy"]
    del copy
    found: dict[str, Any] = {
        "copy": {"bytes": moved, "times": times, "bytes per second": moved / times["median"]},
        "library": "torch" if libraries.torch() else "numba",
        "ok": True,
        "small": [],
        "rows": [],
    }
    some = (("small", small_rows(clock, repetitions)), ("rows", rows(clock, layouts, dtypes, repetitions)))
    for kind, measured in some:
        for row in measured:
            found[kind].append(row)
            found["ok"] &= "fastbn" not in row.get("errors", {})
            print(f"{row['shape']} {row['dtype']}: {row.get('operation', row.get('skipped'))}", flush=True)
            yield found
