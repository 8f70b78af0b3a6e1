"""Cutting an array into pieces that fit a memory budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

Index = tuple[slice, ...]


def chunks(shape: Sequence[int], axes: Sequence[int], limit: int) -> Iterator[Index]:
    """Cut an array of this shape into pieces of at most `limit` elements, along `axes` alone, the first of them first.

    An axis is cut only when one index of the axes before it is still too large. With all axes, slowest first, each
    piece is therefore one run of memory, and the pieces follow each other there. With fewer axes a piece can be larger
    than `limit`: it is never cut along the other ones. An array without elements is one piece.
    """
    steps = {axis: max(1, shape[axis]) for axis in axes}
    size = math.prod(shape)
    for axis in axes:
        if size <= limit:
            break
        size //= shape[axis]
        steps[axis] = max(1, min(shape[axis], limit // size))
        size *= steps[axis]
    starts = [range(0, max(1, shape[axis]), steps[axis]) for axis in axes]
    for corner in itertools.product(*starts):
        index = [slice(0, length) for length in shape]
        for axis, start in zip(axes, corner, strict=True):
            index[axis] = slice(start, min(start + steps[axis], shape[axis]))
        yield tuple(index)
