"""What kernels read: one array or a pair of them, in place, or copied block by block where that cannot be."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .._arrays import Operand
from .._kernels.variants import PAIRS
from .._layout import Axes, Block, View, blocks, direct_view, pair_view


class Source(NamedTuple):
    """One array or a pair of one shape, and how kernels compute with it."""

    arrays: tuple[np.ndarray, ...]
    arithmetic: str
    storage: np.dtype  # what kernels read
    direct: bool  # whether they can read that in place

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays)

    def view(self, axes: Axes) -> View | None:
        """The arrays in place, if kernels can walk them."""
        if not self.direct:
            return None
        return direct_view(self.arrays[0], axes) if len(self.arrays) == 1 else pair_view(self.arrays, axes)

    def staged(self, axes: Axes, block: Block) -> View:
        """Contiguous native copies of a block."""
        order = axes.kept + axes.reduced
        copies = []
        for array in self.arrays:
            piece = array.transpose(order)[block.where]
            copy = np.empty(piece.shape, self.storage)
            with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
                np.copyto(copy, piece, casting="same_kind")
            copies.append(copy)
        view = as_channels(copies[0], block.channels)
        return view._replace(other=copies[-1].reshape(-1))

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
    return Source((x.stored, dy.stored), arithmetic, storage, direct)


def as_channels(block: np.ndarray, channels: int) -> View:
    """A contiguous block whose first axes are the kept ones."""
    count = block.size // channels
    view = direct_view(block.reshape(channels, count), Axes((0,), (1,), (channels,), channels, count))
    assert view is not None
    return view
