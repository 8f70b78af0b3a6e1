"""How kernels know that a value does not count, and what stands for it or for nothing at all.

Marks are in the second array: NaN for a float that does not count (so floats may be their own marks), 0 for a 64-bit
integer. What does not count has no part in the extremes: it is NaN itself, or a value of its channel that does count.
"""

from .machine import store
from .sizes import LANE_GREATEST, LANE_LEAST, LANE_NEAREST

INFINITY = float("inf")


def absent_nan(v, w):
    """A NaN is absent."""
    return w != w


def absent_marked(v, w):
    """What is marked with 0 is absent."""
    return w == 0


def absent_never(v, w):
    """Every value counts."""
    return False


def filler_zero(least, greatest):
    """What the exact method takes everything about."""
    return 0


def filler_least(least, greatest):
    """What 64-bit integers are taken about."""
    return least


def vacate_floats(ends, j):
    """Extremes of nothing."""
    store(ends, LANE_LEAST + j, INFINITY)
    store(ends, LANE_GREATEST + j, -INFINITY)
    store(ends, LANE_NEAREST + j, INFINITY)


def vacate_integers(ends, j):
    """Stay those of what the block was filled with, which is a value of its channel that counts elsewhere, or 0."""
