"""The same call gives the same bits, a hundred times."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from gpu.checks import Case, run_cases
from gpu.libraries import Numba
from gpu.samples import LAYOUTS, Layout, Sample, bits, every, make

REPEATS = 100
QUICK = 10


def same_bits(repeats: int, layout: Layout, dtype: str, answer: Callable[[Sample], list[Any]]) -> None:
    """Nothing differs from what came first."""
    library = Numba()
    sample = make(library.put, layout, dtype)
    first = bits(answer(sample), library.get)
    for k in range(1, repeats):
        assert bits(answer(sample), library.get) == first, f"call {k + 1} gave other bits than the first"


def cases(layouts: tuple[Layout, ...], repeats: int) -> Iterator[Case]:
    """Each answer about each layout and dtype."""
    for name, *what in every(layouts):
        yield name, lambda what=what: same_bits(repeats, *what)


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Repeat everything."""
    return run_cases(cases(LAYOUTS, QUICK if options.quick else REPEATS))
