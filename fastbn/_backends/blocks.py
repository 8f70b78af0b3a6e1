"""Arrays that cannot be walked in place: NumPy copies them block by block, and kernels work on the copies."""

import itertools
from collections.abc import Iterator

import numpy as np

from .._layout import Axes, Block, View, direct_view


def waves(todo: Iterator[Block], size: int) -> Iterator[list[Block]]:
    """Lists of so many blocks: an array may have 10^5 of them."""
    while wave := list(itertools.islice(todo, size)):
        yield wave


def staged(piece: np.ndarray, storage: np.dtype, channels: int) -> View:
    """A contiguous native copy of a block whose first axes are the kept ones."""
    copy = np.empty(piece.shape, storage)
    np.copyto(copy, piece, casting="same_kind")
    return as_channels(copy, channels)


def as_channels(block: np.ndarray, channels: int) -> View:
    count = block.size // channels
    view = direct_view(block.reshape(channels, count), Axes((0,), (1,), (channels,), channels, count))
    assert view is not None
    return view
