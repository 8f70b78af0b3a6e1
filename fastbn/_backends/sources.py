"""What kernels read: one array or a pair of them, in place, or copied block by block where that cannot be.

Where some values do not count, a NaN says so itself. Whatever else says so (masks, nodata) is looked up for one block
at a time, and the kernels get that block and marks of it (``_kernels/marks.py``).
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import _threads
from .._arrays import Operand
from .._kernels.reductions import OMITTING
from .._kernels.variants import PAIRS
from .._layout import Axes, Block, View, blocks, direct_view, pair_view
from .._selection import Selection

T = TypeVar("T")

_WAVE = 4  # blocks per thread whose results are held
_OMITTED = {"byte": "narrow"}  # the arithmetic of floats that hold the integers, where it is another


class Source(NamedTuple):
    """One array or a pair of one shape, and how kernels compute with it."""

    arrays: tuple[np.ndarray, ...]
    arithmetic: str
    storage: np.dtype  # what kernels read
    direct: bool  # whether they can read that in place
    selection: Selection | None = None  # which values count, if not all

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays)

    def view(self, axes: Axes) -> View | None:
        """The arrays in place, if kernels can walk them."""
        if not self.direct or (self.selection is not None and self.selection.marked):
            return None
        return direct_view(self.arrays[0], axes) if len(self.arrays) == 1 else pair_view(self.arrays, axes)

    def staged(self, axes: Axes, block: Block) -> View:
        """Contiguous native copies of a block: of an array and its marks, or of a pair (x, dy).

        In a pair, what does not count has a gradient of 0.
        """
        copies = [self._copy(array, axes, block) for array in self.arrays]
        if self.selection is not None and self.selection.marked:
            absent = self.selection.absent(self.arrays[0], axes, block).reshape(block.channels, -1)
            if not absent.any():
                copies.append(_no_marks(self.storage, copies[0].size) if len(copies) == 1 else copies.pop())
            elif len(copies) > 1:
                fill(copies[0], absent)
                np.copyto(copies[1], 0, where=absent)
            elif self.storage.kind == "f":
                copies.append(np.where(absent, np.nan, np.zeros((), self.storage)))
                np.copyto(copies[0], np.nan, where=absent)  # which makes the sums ask for the marks
            else:
                fill(copies[0], absent)
                copies.append((~absent).astype(self.storage))
        view = as_channels(copies[0])
        return view._replace(other=copies[-1].reshape(-1))

    def _copy(self, array: np.ndarray, axes: Axes, block: Block) -> np.ndarray:
        piece = array.transpose(axes.kept + axes.reduced)[block.where]
        copy = np.empty(piece.shape, self.storage)
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
            np.copyto(copy, piece, casting="same_kind")
        return copy.reshape(block.channels, -1)

    def waves(self, axes: Axes, size: int) -> Iterator[list[Block]]:
        """All blocks, in lists of so many: an array may have 10^5 of them."""
        todo = blocks(self.arrays[0], axes)
        while wave := list(itertools.islice(todo, size)):
            yield wave


def single(x: Operand) -> Source:
    """One array."""
    return Source((x.stored,), x.arithmetic, x.storage, x.direct)


def pair(x: Operand, dy: Operand) -> Source:
    """The pair (x, dy), in the dtype of ``dy`` where float32 holds both, else in float64."""
    narrow = dy.stored.dtype == np.float32 and x.storage == np.float32
    arithmetic = "single" if narrow else "double"
    storage = PAIRS[arithmetic]
    direct = x.direct and dy.direct and x.storage == storage == dy.storage
    return Source((x.stored, dy.stored), arithmetic, storage, direct, x.selection)


def in_order(source: Source, axes: Axes, work: Callable[[Block], T]) -> Iterator[tuple[Block, T]]:
    """Every block and what ``work`` makes of it, on all threads, in the order of the blocks."""
    for current in source.waves(axes, _WAVE * _threads.get_num_threads()):
        results: list[Any] = [None] * len(current)

        def some(begin: int, end: int, current: list[Block] = current, results: list[Any] = results) -> None:
            for i in range(begin, end):
                results[i] = work(current[i])

        _threads.run(len(current), source.nbytes, some)
        yield from zip(current, results, strict=True)


def omitting(x: Operand) -> Source:
    """One array of which some values do not count, in a dtype that has marks."""
    arithmetic = _OMITTED.get(x.arithmetic, x.arithmetic)
    storage = x.storage if x.storage in OMITTING[arithmetic] else OMITTING[arithmetic][0]
    return Source((x.stored,), arithmetic, storage, x.direct and x.storage == storage, x.selection)


@functools.cache
def _no_marks(storage: np.dtype, size: int) -> np.ndarray:
    """Marks of a block in which everything counts."""
    marks = np.zeros(size, storage) if storage.kind == "f" else np.ones(size, storage)
    marks.setflags(write=False)
    return marks


def fill(values: np.ndarray, absent: np.ndarray) -> None:
    """Replace what does not count of (channels, values) by the channel's first value that does, or by 0."""
    if absent.any():
        rows = np.arange(len(values))
        first = absent.argmin(axis=1)
        filler = np.where(absent[rows, first], 0, values[rows, first]).astype(values.dtype)
        np.copyto(values, filler[:, np.newaxis], where=absent)


def as_channels(block: np.ndarray) -> View:
    """A contiguous block (channels, values)."""
    channels, count = block.shape
    view = direct_view(block, Axes((0,), (1,), (channels,), channels, count))
    assert view is not None
    return view
