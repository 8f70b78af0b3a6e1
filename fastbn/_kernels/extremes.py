"""Extremes of lanes folded into those of channels, and of tiles and segments joined. A variant binds ``nearest``."""

from .machine import greater, lesser, load, store, window
from .sizes import LANE_GREATEST, LANE_LEAST, LANE_NEAREST


def join_ends(low, high, near, channels, inner, distance, count):
    """Extremes of a channel's first ``count`` lanes take those of the lanes at a distance."""
    for c in range(channels):
        for j in range(c * inner, c * inner + count):
            store(low, j, lesser(load(low, j + distance), load(low, j)))
            store(high, j, greater(load(high, j + distance), load(high, j)))
            store(near, j, nearest(load(near, j + distance), load(near, j)))


def fold_extremes(channels, inner, repeat, ends):
    """Leave a channel's extremes in its first lane."""
    low, high, near = window(ends, LANE_LEAST), window(ends, LANE_GREATEST), window(ends, LANE_NEAREST)
    lanes = channels * inner
    size = repeat
    while size > 1:
        half = (size + 1) // 2
        join_ends(low, high, near, 1, lanes, half * lanes, (size - half) * lanes)
        size = half
    size = inner
    while size > 1:
        half = (size + 1) // 2
        join_ends(low, high, near, channels, inner, half, size - half)
        size = half


def lowest(a, b):
    """The smaller, or NaN if there is one."""
    return b if a == a and not b >= a else a


def highest(a, b):
    """The larger, or NaN if there is one."""
    return b if a == a and not b <= a else a


def join_extremes(least, greatest, i, low, high, j, count):
    """Fold ``count`` slots of extremes into as many others."""
    for k in range(count):
        store(least, i + k, lowest(load(least, i + k), load(low, j + k)))
        store(greatest, i + k, highest(load(greatest, i + k), load(high, j + k)))


def positive_zero(v):
    """The value, but +0 for -0."""
    return v if v != 0 else v - v
