"""Arrays that start one element after an aligned address have the bits of those that start there, in every layout."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import contract
import fastbn
import oracle
from gpu.checks import Case, run_cases
from gpu.libraries import Numba
from gpu.samples import DTYPES, Layout, Sample, bits, every, host_data, make

#: Odd lengths of rows, so that no row but the first is aligned, too; more values than one thread takes.
LAYOUTS = (
    Layout("NCHW", (8, 5, 27, 37), 1),
    Layout("NCHW, short", (300, 3, 7, 7), 1),
    Layout("channels last", (8, 27, 37, 5), -1),
    Layout("table", (9999, 33), 1),
    Layout("one long channel", (1, 1, 123_457), 1),
    Layout("even rows", (16, 8, 32, 32), 1),
)
EXACT = Layout("NCHW", (4, 3, 33, 35), 1)


def moved(array: np.ndarray, by: int) -> Any:
    """A copy on the device that starts so many elements after the start of an allocation."""
    padded = np.concatenate([np.zeros(by, array.dtype), array.reshape(-1)])
    return Numba().put(padded)[by:].reshape(array.shape)


def same_bits(layout: Layout, dtype: str, answer: Callable[[Sample], list[Any]]) -> None:
    """From any start."""
    get = Numba().get
    aligned = bits(answer(make(Numba().put, layout, dtype)), get)
    for by in (1, 2, 3):
        sample = make(lambda array, by=by: moved(array, by), layout, dtype)
        assert bits(answer(sample), get) == aligned, f"other bits from element {by} on"


def same_bits_into(layout: Layout, dtype: str) -> None:
    """Into any start, from another."""
    library, values = Numba(), host_data(layout, dtype)[0]
    expected = library.get(fastbn.zscore(library.put(values), layout.axis)).tobytes()
    for source, target in ((0, 1), (1, 0), (1, 3), (1, 1)):
        out = moved(np.zeros_like(values), target)
        fastbn.zscore(moved(values, source), layout.axis, out=out)
        assert library.get(out).tobytes() == expected, f"other bits from element {source} into element {target}"


def right_everywhere(layout: Layout, dtype: str) -> None:
    """Statistics are within their bounds of the exact ones, walked along rows and along columns, from any start."""
    values = host_data(layout, dtype)[0]
    exact = oracle.channel_moments(values, layout.axis)
    for array, axis in ((values, layout.axis), (np.ascontiguousarray(np.moveaxis(values, layout.axis, -1)), -1)):
        for by in (0, 1):
            contract.assert_statistics(fastbn.channel_stats(moved(array, by), axis), exact, dtype)


def cases(layouts: tuple[Layout, ...], exact: Layout) -> Iterator[Case]:
    """Each answer about each layout and dtype, results that are given, and the bounds."""
    for name, *what in every(layouts):
        yield name, lambda what=what: same_bits(*what)
    for layout in layouts:
        for dtype in DTYPES:
            yield (
                f"zscore, out=, {layout.name} {layout.shape} {dtype}",
                lambda layout=layout, dtype=dtype: same_bits_into(layout, dtype),
            )
    for dtype in DTYPES:
        yield f"channel_stats, any layout, {dtype}", lambda dtype=dtype: right_everywhere(exact, dtype)


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Compare everything; quickly, of the first layouts."""
    return run_cases(cases(LAYOUTS[:2] if options.quick else LAYOUTS, EXACT))
