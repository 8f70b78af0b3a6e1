"""Cutting arrays into tiles, along the blocks in which a file holds them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

Index = tuple[slice, ...]


def cut(shape: Sequence[int], axes: Sequence[int], limit: int, blocks: Sequence[int] | None = None) -> Iterator[Index]:
    """Cut an array of this shape into tiles of at most `limit` elements, along `axes` alone, the first of them first.

    An axis is cut only when one index of the axes before it is still too large. With all axes, slowest first, each
    tile is therefore one run of memory, and the tiles follow each other there. With fewer axes a tile can be larger
    than `limit`: it is never cut along the other ones. An array without elements is one tile.

    Where the file holds blocks of a shape, a tile is made of whole ones, and is at least one of them.
    """
    edges = (
        [1] * len(shape) if blocks is None else [max(1, min(edge, n)) for edge, n in zip(blocks, shape, strict=True)]
    )
    counts = [-(-length // edge) for length, edge in zip(shape, edges, strict=True)]
    steps = {axis: max(1, counts[axis]) for axis in axes}
    lengths = list(shape)
    for axis in axes:
        size = math.prod(lengths)
        if size <= limit:
            break
        lengths[axis] = edges[axis]  # what one block of this axis takes
        steps[axis] = max(1, min(counts[axis], limit // math.prod(lengths)))
        lengths[axis] *= steps[axis]
    starts = [range(0, max(1, shape[axis]), steps[axis] * edges[axis]) for axis in axes]
    for corner in itertools.product(*starts):
        index = [slice(0, length) for length in shape]
        for axis, start in zip(axes, corner, strict=True):
            index[axis] = slice(start, min(start + steps[axis] * edges[axis], shape[axis]))
        yield tuple(index)


def extent(index: Index) -> tuple[int, ...]:
    """The shape of a tile."""
    return tuple(part.stop - part.start for part in index)
