"""Which values of an array count: NaN, masks, nodata and weights. Nothing of the size of the data is ever made."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._arrays import Operand, two_words
from ._layout import Axes, Block


class Nodata(NamedTuple):
    """Values that stand for nothing, of the shape of the kept axes, in the dtype of the data."""

    value: np.ndarray
    given: np.ndarray  # bool: an integer channel may have none

    def found(self, piece: np.ndarray, block: Block) -> np.ndarray:
        """Where a piece of the data, its kept axes first, has them."""
        one_each = (..., *[np.newaxis] * (piece.ndim - len(block.kept)))
        value, given = (array[block.kept][one_each] for array in (self.value, self.given))
        found = np.asarray(piece == value)
        if not given.all():
            found &= given
        if piece.dtype.kind == "f" and np.isnan(value).any():
            found |= np.isnan(piece) & np.isnan(value)
        return found


class Selection(NamedTuple):
    """What does not count, and how much the rest does. Arrays have the shape of the data, by broadcasting."""

    omit: bool  # a NaN does not
    where: np.ndarray | None = None  # only where this is True a value does
    mask: np.ndarray | None = None  # where this is True it does not
    nodata: Nodata | None = None
    weights: np.ndarray | None = None
    scale: float = 1.0  # power of two that brings the largest weight near to 1

    @property
    def marked(self) -> bool:
        """Whether more is asked than what the values say themselves."""
        return any(part is not None for part in self[1:5])

    def with_an_axis(self) -> "Selection":
        """The same of data without axes, seen as a row of one value."""
        return self._map(lambda part: part.reshape(1))

    def select(self, where: tuple[slice, ...], axes: Axes) -> "Selection":
        """The same of a piece of the data, cut along kept axes."""
        kept = tuple(where[axis] for axis in axes.kept)
        nodata = self.nodata and Nodata(*(array[kept] for array in self.nodata))
        return self._map(lambda part: part[where])._replace(nodata=nodata)

    def _map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Selection":
        """The same with what has the shape of the data changed."""
        of_data = {"where": self.where, "mask": self.mask, "weights": self.weights}
        changed: dict[str, Any] = {name: function(part) for name, part in of_data.items() if part is not None}
        return self._replace(**changed)

    def absent(self, array: np.ndarray, axes: Axes, block: Block) -> np.ndarray:
        """What does not count of a block of the data, its kept axes first (bool); not to be written to."""
        order = axes.kept + axes.reduced
        piece = array.transpose(order)[block.where]
        parts = [] if self.nodata is None else [self.nodata.found(piece, block)]
        if self.where is not None:
            room = np.empty_like(piece, np.bool_)
            parts.append(np.logical_not(self.where.transpose(order)[block.where], out=room))
        if self.mask is not None:
            parts.append(self.mask.transpose(order)[block.where])
        if self.weights is not None:
            room = np.empty_like(piece, np.bool_)
            parts.append(np.equal(self.weights.transpose(order)[block.where], 0, out=room))
        if self.omit and piece.dtype.kind == "f":
            parts.append(np.isnan(piece))
        return functools.reduce(np.logical_or, parts)

    def weigh(self, axes: Axes, block: Block, room: np.ndarray) -> None:
        """Put the scaled weights of a block into an array of float64."""
        assert self.weights is not None
        np.multiply(
            self.weights.transpose(axes.kept + axes.reduced)[block.where], self.scale, out=room, dtype=room.dtype
        )


class Kept(NamedTuple):
    """What the output of a map holds where something does not count."""

    selection: Selection
    values: np.ndarray  # of the shape of the kept axes

    def put(self, result: np.ndarray, absent: np.ndarray, block: Block) -> None:
        """Write it into the result of a block, its kept axes first."""
        if not absent.any():
            return
        one_each = (..., *[np.newaxis] * (result.ndim - len(block.kept)))
        np.copyto(result, self.values[block.kept][one_each], where=absent, casting="same_kind")


def kept_nodata(x: Operand, output: np.dtype) -> Kept | None:
    """Nodata keep their value where the output dtype can hold it, else they become NaN."""
    nodata = None if x.selection is None else x.selection.nodata
    if nodata is None:
        return None
    with np.errstate(all="ignore"):
        head, tail = two_words(nodata.value)
        value = (head + tail).astype(output).astype(np.float64)
        held = (value - head == tail) & np.isfinite(value) | (value == head) & (tail == 0.0)
    return Kept(Selection(omit=False, nodata=nodata), np.where(held, value, np.nan))
