"""What kernels walk on a device: arrays where they are, or, where they cannot or values are absent, copies of pieces.

A copy has its kept axes first and no gaps, so that kernels see it as (1, channel, inner).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .._cuts import Sizes
from .._devices import OnDevice, Place, empty, upload
from .._layout import Axes, Block, blocks, direct_view
from .._selection import Selection
from ._cuda_machine import Kernel, Launches
from .cuda_kernels import ALONE, F8, MOST_BLOCKS, U1, fill, keep, mark, mark_nodata, stage, unstage, weigh

_RANK = 4  # axes that kernels walk
_CHUNK = 1 << 13  # numbers
_PIECE = 1 << 26  # bytes of a copy at most, unless one value of each channel has more


def address_of(array: np.ndarray) -> int:
    """Of its first element."""
    return int(array.__array_interface__["data"][0])


class Walk(NamedTuple):
    """Two arrays of one geometry (or one, twice) as kernels take them."""

    x: np.ndarray
    y: np.ndarray
    sizes: Sizes
    order: tuple[int, ...]  # of axes in memory: two walks meet the same elements if they have the same

    def beside(self, values: int) -> bool:
        """Whether all lines are made of groups of so many neighbours: depends on the layout alone."""
        outer, channels, inner, stride, jump = self.sizes
        steps = (inner, stride if outer > 1 else 0, jump if channels > 1 else 0)
        return all(step % values == 0 for step in steps)

    def aligned(self, values: int) -> bool:
        """Whether a group can be loaded at once, if groups are neighbours."""
        return all(address_of(array) % (values * array.itemsize) == 0 for array in (self.x, self.y))


def walk_of(arrays: tuple[np.ndarray, ...], axes: Axes) -> Walk | None:
    """Arrays of one shape where they are, if kernels can walk them together."""
    views = [direct_view(array, axes) for array in arrays]
    if any(view is None for view in views):
        return None
    first, last = views[0], views[-1]
    assert first is not None
    assert last is not None
    if first.order != last.order or first.cut.sizes != last.cut.sizes:
        return None
    return Walk(first.flat, last.flat, first.cut.sizes, first.order)


class Group(NamedTuple):
    """Pieces that have the same channels."""

    kept: tuple[slice, ...]
    channels: int
    pieces: list[Block]


def groups_of(array: np.ndarray, axes: Axes, itemsize: int) -> Iterator[Group]:
    """Cut an array into pieces, copies of which have ``itemsize`` bytes per value."""
    cut = blocks(array, axes, itemsize, _PIECE)
    for kept, pieces in itertools.groupby(cut, key=lambda block: block.kept):
        some = list(pieces)
        yield Group(kept, some[0].channels, some)


def merged_axes(piece: np.ndarray) -> tuple[list[int], list[int]]:
    """Sizes and strides, in elements, without axes that need none of their own; filled up to four."""
    lengths: list[int] = []
    strides: list[int] = []
    for size, step in zip(piece.shape, piece.strides, strict=True):
        stride = step // piece.itemsize
        if size == 1:
            continue
        if strides and strides[-1] == stride * size:
            lengths[-1], strides[-1] = lengths[-1] * size, stride
        else:
            lengths.append(size)
            strides.append(stride)
    fill_up = max(0, _RANK - len(lengths))
    return [1] * fill_up + lengths, [0] * fill_up + strides


class Stage:
    """Copies beside an array; copies of pieces for the same purpose take the same room, one after the other."""

    def __init__(self, place: Place, launches: Launches) -> None:
        self._place = place
        self._launches = launches
        self._rooms: dict[tuple[str, np.dtype], OnDevice] = {}
        self._chunk: OnDevice | None = None
        self._taken = 0

    def scratch(self, *shape: int) -> OnDevice:
        """Float64 numbers that nobody keeps after the call; small ones are parts of one allocation."""
        size = math.prod(shape)
        if size > _CHUNK // 4:
            return empty(shape, F8, self._place)
        if self._chunk is None or self._taken + size > _CHUNK:
            self._chunk, self._taken = empty((_CHUNK,), F8, self._place), 0
        part: np.ndarray = self._chunk[self._taken : self._taken + size]
        self._taken += size
        return part.reshape(shape)  # type: ignore[return-value]

    def room(self, purpose: str, size: int, dtype: np.dtype) -> OnDevice:
        """Memory for a piece: what was there before is no longer needed when kernels write to it."""
        room = self._rooms.get((purpose, dtype))
        if room is None or room.size < size:
            room = self._rooms[purpose, dtype] = empty((size,), dtype, self._place)
        part: OnDevice = room[:size]  # type: ignore[assignment]
        return part

    def _each(self, kernel: Kernel, size: int, *arguments: object) -> None:
        self._launches.add(kernel, min(-(-size // ALONE), MOST_BLOCKS), ALONE, *arguments)

    def _strided(
        self,
        kernel: Kernel,
        piece: np.ndarray,
        dense: tuple[np.ndarray, ...],
        more: Callable[[int], tuple[object, ...]] = lambda _: (),
        first: int = 0,
    ) -> None:
        """Launch a kernel on a piece, from element ``first`` of a whole one on, and on dense arrays of its elements."""
        lengths, strides = merged_axes(piece)
        if len(lengths) <= _RANK:
            geometry = (*lengths[1:], *strides, piece.size)
            self._each(kernel, piece.size, piece, *geometry, *dense, *more(first))
            return
        axis = next(a for a, n in enumerate(piece.shape) if n > 1)
        size = piece.size // piece.shape[axis]
        for k in range(piece.shape[axis]):
            part = piece[(0,) * axis + (k,)]
            here = slice(k * size, (k + 1) * size)
            self._strided(kernel, part, tuple(array[here] for array in dense), more, first + k * size)

    @staticmethod
    def _piece(array: np.ndarray, axes: Axes, block: Block) -> np.ndarray:
        piece: np.ndarray = array.transpose(axes.kept + axes.reduced)[block.where]
        return piece

    def dense(self, piece: np.ndarray, storage: np.dtype, copy: np.dtype) -> OnDevice:
        """Numbers in another dtype, in C order, flat."""
        made = empty((piece.size,), copy, self._place)
        self.into(piece, storage, made)
        return made

    def into(self, piece: np.ndarray, storage: np.dtype, made: np.ndarray) -> None:
        """The same, into an array in C order."""
        self._strided(stage(storage, made.dtype), piece, (made.reshape(-1),))

    def spread(self, copy: np.ndarray, dtype: np.dtype, piece: np.ndarray) -> None:
        """The way back."""
        self._strided(unstage(dtype, piece.dtype), piece, (copy.reshape(-1),))

    def vector(self, numbers: Any) -> OnDevice:
        """Numbers of channels as float64 on the device, in C order."""
        if isinstance(numbers, OnDevice):
            made = self.scratch(*numbers.shape)
            self.into(numbers, numbers.dtype, made)
            return made
        some = np.array(numbers, np.float64, order="C", ndmin=1)
        bits = some.view(np.int64).reshape(-1)
        if some.size == 0 or not (bits == bits[0]).all():
            return upload(some, self._place)
        # Of one number for all, as most gamma and beta, nothing is copied: CUDA graphs can hold such calls.
        return self.filled(self.scratch(*some.shape), float(some.flat[0]))

    def filled(self, made: OnDevice, number: float) -> OnDevice:
        """One number everywhere."""
        self._each(fill(F8), made.size, made, made.size, number)
        return made

    def copy(self, purpose: str, array: np.ndarray, axes: Axes, block: Block, storage: np.dtype) -> OnDevice:
        """A piece of an array, flat."""
        made = self.room(purpose, block.size, storage)
        self.into(self._piece(array, axes, block), storage, made)
        return made

    def put(self, copy: np.ndarray, dtype: np.dtype, out: np.ndarray, axes: Axes, block: Block) -> None:
        """A flat copy of results into a piece of the output."""
        self.spread(copy, dtype, self._piece(out, axes, block))

    def marks(self, x: np.ndarray, selection: Selection, axes: Axes, block: Block) -> OnDevice:
        """What counts of a piece."""
        piece = self._piece(x, axes, block)
        marks = self.room("marks", piece.size, U1)
        self._each(fill(U1), piece.size, marks, piece.size, 1)
        said = [("true", selection.where), ("false", selection.mask), ("true", selection.weights)]
        if selection.omit:
            said.append(("numbers", x))
        for keeps, array in said:
            if array is not None:
                told = self._piece(_as_numbers(array), axes, block)
                self._strided(mark(keeps, told.dtype), told, (marks,))
        if selection.nodata is not None:
            value, given = (np.ascontiguousarray(part[block.kept]).reshape(-1) for part in selection.nodata)
            numbers = upload(value, self._place), upload(given.view(U1), self._place)
            per = block.size // block.channels
            self._strided(mark_nodata(piece.dtype), piece, (marks,), lambda first: (*numbers, per, first))
        return marks

    def weights(self, selection: Selection, axes: Axes, block: Block, marks: OnDevice) -> OnDevice:
        """Scaled weights of a piece, 0 where a value does not count."""
        assert selection.weights is not None
        piece = self._piece(_as_numbers(selection.weights), axes, block)
        made = self.room("weights", piece.size, F8)
        self._strided(weigh(piece.dtype), piece, (made, marks), lambda _: (selection.scale,))
        return made

    def keep(self, copy: OnDevice, marks: OnDevice, values: np.ndarray, block: Block) -> None:
        """Give what does not count of a copy the value of its channel."""
        given = self.vector(values[block.kept]).reshape(-1)
        self._each(keep(copy.dtype), copy.size, copy, marks, given, block.size // block.channels, copy.size)


def _as_numbers(array: np.ndarray) -> np.ndarray:
    return array.view(U1) if array.dtype.kind == "b" else array


def sizes_of_copies(size: int, channels: int) -> Sizes:
    """Of flat copies of a piece of so many values."""
    inner = size // channels
    return Sizes(1, channels, inner, channels * inner, inner)


def walk_of_copies(x: np.ndarray, y: np.ndarray, channels: int) -> Walk:
    """Two flat copies of a piece."""
    return Walk(x, y, sizes_of_copies(x.size, channels), ())
