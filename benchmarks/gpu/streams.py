"""Work on streams beside the default one: it follows a slow producer there, and does not wait for it unasked."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import cuda

from gpu.checks import Case, SkippedCase, run_cases
from gpu.kernels import late_copy
from gpu.libraries import Side, installed
from gpu.samples import ANSWERS, Layout, Sample, bits, make

LAYOUT = Layout("NCHW", (16, 32, 56, 56), 1)
NAPS = 200  # of a millisecond: a call takes less than one


def follows(
    library: Any,
    make_side: Callable[[], Side],
    answer: Callable[[Sample], list[Any]],
    layout: Layout,
    naps: int,
) -> str:
    """What is computed of an array that is written late has the bits of what is computed of a finished one."""
    known = make(library.put, layout, "float32")
    expected = bits(answer(known), library.get)  # everything is compiled now
    try:
        side = make_side()
    except ImportError as error:
        raise SkippedCase(str(error)) from None
    size = math.prod(layout.shape)
    target = library.put(np.full(layout.shape, -7, np.float32))
    source, flat = (library.seen(array).reshape(size) for array in (known.x, target))
    late_copy(flat, library.seen(library.put(np.zeros(size, np.float32))), 0, side.stream)  # compiles it
    cuda.synchronize()
    written = cuda.event()
    with side.current():
        late_copy(source, flat, naps, side.stream)
        written.record(side.stream)
        results = answer(
            known._replace(
                put=functools.partial(library.put, stream=side.stream),
                x=library.bound(target, side.stream),
                dy=library.bound(known.dy, side.stream),
            )
        )
        waited = written.query() if hasattr(written, "query") else None  # the simulator's events do not know
        side.stream.synchronize()
        found = bits(results, library.get)
    assert found == expected, "other values than those of a finished array"
    return {True: "waited for the producer", False: "returned while the producer ran", None: ""}[waited]


def cases(layout: Layout, naps: int) -> Iterator[Case]:
    """Each answer on each stream of each library."""
    for library in installed():
        for kind, make_side in library.sides().items():
            for name, answer in ANSWERS.items():
                yield (
                    f"{name}, {library.name}, {kind}",
                    lambda a=answer, m=make_side, lib=library: follows(lib, m, a, layout, naps),
                )


def run(options: argparse.Namespace) -> Iterator[dict]:  # noqa: ARG001
    """Follow producers."""
    return run_cases(cases(LAYOUT, NAPS))
