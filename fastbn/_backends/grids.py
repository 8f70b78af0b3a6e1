"""How work on an (outer, channel, inner) array is cut into blocks of threads.

Every cut depends on sizes alone, never on the device: it fixes the bits of the result.
"""

import functools
from typing import NamedTuple

from .._cuts import Sizes
from ._cuda_machine import SIMULATED

_NARROW = 16  # inner sizes below are walked by columns, if there are rows enough ...
_ROWS = 64  # ... so many
_BLOCKS = 1024  # that shall be there at least, if there is work for them: a large GPU runs about so many at a time
# Values of a part of a channel, and rows of a part of a column, at least, if it is cut. The simulator has small arrays.
_SHARE, _SHARE_ROWS = (128, 32) if SIMULATED else (8192, 256)
_EACH = 8  # values of a thread at least, if its channel has so many, and two of what it has under way at once
_WHOLE = 16  # a part has a multiple of so many values: groups of neighbours are not cut


class Grid(NamedTuple):
    """A way to cut."""

    along_rows: bool
    length: int  # values of a line: of a channel, or rows of a column
    splits: int
    share: int  # values of a part
    together: int  # threads of a unit along rows, or columns of a block
    blocks: int
    slots: int  # parts that a channel is left in


def power(n: int, most: int) -> int:
    """The largest power of two that is at most n, from 1 to ``most``."""
    return min(most, 1 << (max(n, 1).bit_length() - 1))


@functools.lru_cache(1024)
def cut_rows(sizes: Sizes, threads: int, values: int) -> Grid:
    """Units of threads along a channel, each thread with ``values`` under way at once."""
    count = sizes.outer * sizes.inner
    splits = max(1, min(_BLOCKS // sizes.channels, count // _SHARE))
    share = -(-count // splits)
    share = -(-share // _WHOLE) * _WHOLE
    splits = -(-count // share)
    lanes = power(share // max(_EACH, 2 * values), threads)
    blocks = -(-sizes.channels * splits // (threads // lanes))
    return Grid(along_rows=True, length=count, splits=splits, share=share, together=lanes, blocks=blocks, slots=splits)


@functools.lru_cache(1024)
def cut_columns(sizes: Sizes, threads: int, values: int) -> Grid:
    """Columns side by side, and threads above each other in them."""
    columns, each = sizes.channels * sizes.inner, max(_EACH, 2 * values)
    height = power(sizes.outer // each, max(1, threads // min(columns, 32)))
    width = min(columns, threads // height)
    tiles = -(-columns // width)
    splits = max(1, min(_BLOCKS // tiles, sizes.outer // max(_SHARE_ROWS, height * each)))
    share = -(-sizes.outer // splits)
    splits = -(-sizes.outer // share)
    return Grid(False, sizes.outer, splits, share, width, tiles * splits, splits * sizes.inner)


def cut_grid(sizes: Sizes, threads: int, values: int) -> Grid:
    """The way for an array."""
    by_columns = sizes.inner < _NARROW and sizes.outer >= _ROWS and sizes.channels * sizes.inner > 1
    return (cut_columns if by_columns and sizes.channel_stride == sizes.inner else cut_rows)(sizes, threads, values)
