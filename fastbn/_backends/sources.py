"""What kernels read: one array or a pair of them, in place, or copied block by block where that cannot be.

Where some values do not count, a NaN says so itself. Whatever else says so (masks, nodata) is looked up for one block
at a time, and the kernels get that block and marks of it (``_kernels/marks.py``).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import _threads
from .._arrays import Operand
from .._kernels.reductions import OMITTING
from .._kernels.variants import PAIRS
from .._layout import Axes, Block, View, as_numbers, blocks, direct_view, pair_view
from .._selection import Selection
from .copies import Copies

T = TypeVar("T")

STAGING_THREADS = 2  # at most: each may hold 3 MiB, and all of them together 8
_WAVE = 4  # blocks per thread whose results are held
#: The arithmetic of floats that hold the numbers, where it is another.
_OMITTED = {"byte": "narrow", "short": "narrow", "half": "narrow"}


class Source(NamedTuple):
    """One array or a pair of one shape, and how kernels compute with it."""

    arrays: tuple[np.ndarray, ...]
    arithmetic: str
    storage: np.dtype  # what kernels read
    direct: bool  # whether they can read that in place
    copies: Copies  # of blocks, where they cannot
    selection: Selection | None = None  # which values count, if not all

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.arrays[0].nbytes if len(self.arrays) == 1 else sum(array.nbytes for array in self.arrays)

    def view(self, axes: Axes) -> View | None:
        """The arrays in place, if kernels can walk them."""
        if not self.direct or (self.selection is not None and self.selection.marked):
            return None
        return direct_view(self.arrays[0], axes) if len(self.arrays) == 1 else pair_view(self.arrays, axes)

    def staged(self, axes: Axes, block: Block, last: "Staged | None" = None) -> "Staged":
        """Native copies of a block: of an array and its marks, or of a pair (x, dy).

        In a pair, what does not count has a gradient of 0. ``last`` is a block of which nothing is needed any more: its
        memory is used again (that of new blocks took half of the time of maps).
        """
        pieces = [array.transpose(axes.kept + axes.reduced)[block.where] for array in self.arrays]
        marked = self.selection is not None and self.selection.marked
        again = last is not None and last.values.shape == pieces[0].shape
        staged = last if last and again else room_for(pieces[0], len(axes.kept), self.storage)
        values, other = staged.values, staged.values
        self.copies.read(values, pieces[0])
        if len(pieces) > 1:
            other = np.empty_like(values)
            self.copies.read(other, pieces[1])
        if marked:
            assert self.selection is not None
            absent = self.selection.absent(self.arrays[0], axes, block)
            if len(pieces) > 1:
                fill(values, absent, len(axes.kept))
                np.copyto(other, 0, where=absent)
            elif self.storage.kind != "f":
                fill(values, absent, len(axes.kept))
                other = np.empty_like(values)
                np.logical_not(absent, out=other, casting="unsafe")
            else:
                other = self._marks(values, absent)
                np.copyto(values, np.nan, where=absent)  # which makes the sums ask for the marks
        return staged._replace(view=staged.view._replace(other=as_numbers(other.ravel(order="K"))))

    def _marks(self, values: np.ndarray, absent: np.ndarray) -> np.ndarray:
        """NaN where floats are absent: the values themselves, unless there are NaN that count."""
        assert self.selection is not None
        if self.selection.omit or self.arrays[0].dtype.kind != "f":
            return values
        marks = np.zeros_like(values)
        np.copyto(marks, np.nan, where=absent)
        return marks


def single(x: Operand, copies: Copies) -> Source:
    """One array."""
    return Source((x.stored,), x.arithmetic, x.storage, x.direct, copies)


def pair(x: Operand, dy: Operand, copies: Copies) -> Source:
    """The pair (x, dy), in float32 if ``dy`` is of that and x a float that it holds, else in float64."""
    narrow = dy.stored.dtype == np.float32 and x.storage in (np.float16, np.float32)
    arithmetic = "single" if narrow else "double"
    storage = PAIRS[arithmetic]
    direct = x.direct and dy.direct and x.storage == storage == dy.storage
    return Source((x.stored, dy.stored), arithmetic, storage, direct, copies, x.selection)


def waves(array: np.ndarray, axes: Axes, size: int, itemsize: int) -> Iterator[list[Block]]:
    """All blocks, of which copies have values of so many bytes, in lists of ``size``: there may be 10^5."""
    todo = blocks(array, axes, itemsize)
    while wave := list(itertools.islice(todo, size)):
        yield wave


def in_order(
    arrays: tuple[np.ndarray, ...], axes: Axes, work: Callable[[Block], T], itemsize: int = 8
) -> Iterator[tuple[Block, T]]:
    """Every block of arrays of one shape and what ``work`` makes of it, on all threads, in the order of the blocks.

    ``work`` makes copies with values of so many bytes.
    """
    for current in waves(arrays[0], axes, _WAVE * STAGING_THREADS, itemsize):
        results: list[Any] = [None] * len(current)

        def some(begin: int, end: int, current: list[Block] = current, results: list[Any] = results) -> None:
            for i in range(begin, end):
                results[i] = work(current[i])

        _threads.run(len(current), sum(array.nbytes for array in arrays), some, STAGING_THREADS)
        yield from zip(current, results, strict=True)


def omitting(x: Operand, copies: Copies) -> Source:
    """One array of which some values do not count, in a dtype that has marks."""
    arithmetic = _OMITTED.get(x.arithmetic, x.arithmetic)
    storage = x.storage if x.storage in OMITTING[arithmetic] else OMITTING[arithmetic][0]
    return Source((x.stored,), arithmetic, storage, x.direct and x.storage == storage, copies, x.selection)


def fill(values: np.ndarray, absent: np.ndarray, kept: int) -> None:
    """Replace what does not count, of an array with kept axes first, by the least of its channel that does, or by 0."""
    np.copyto(values, np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max, where=absent)
    reduced = tuple(range(kept, values.ndim))
    none = absent.all(axis=reduced, keepdims=True)
    np.copyto(values, np.where(none, values.dtype.type(0), values.min(axis=reduced, keepdims=True)), where=absent)


class Staged(NamedTuple):
    """A copy of a block, its kept axes first, and how kernels see it."""

    values: np.ndarray
    view: View


def room_for(piece: np.ndarray, kept: int, storage: np.dtype) -> Staged:
    """Room for a piece: in its order in memory (0.5 of the time) if kernels can walk that, else by channels."""
    room = np.empty_like(piece, storage)
    if direct_view(room, _kept_first(piece.shape, kept)) is None:
        room = np.empty(piece.shape, storage)
    return Staged(room, view_of(room, kept))


def view_of(room: np.ndarray, kept: int) -> View:
    """How kernels see an array for which there was room, its kept axes first."""
    view = direct_view(room, _kept_first(room.shape, kept))
    assert view is not None
    return view


def _kept_first(shape: tuple[int, ...], kept: int) -> Axes:
    sizes = shape[:kept], shape[kept:]
    return Axes(tuple(range(kept)), tuple(range(kept, len(shape))), sizes[0], *(math.prod(part) for part in sizes))
