"""From float64 to integers: to the nearest, ties to even, stopping at their ends; NaN gives 0.

A variant binds FLOOR and BEYOND (the least integer, and the least float64 that is too large), LEAST and GREATEST (both
ends as integers) and ``as_whole`` (their type).
"""

UNIT = 2.0**51  # beyond, every float64 that matters here is whole ...
ROUNDER = 1.5 * 2.0**52  # ... and below, adding this and taking it away rounds


def nearest(v):
    """The nearest whole number, ties to even."""
    return (v + ROUNDER) - ROUNDER if abs(v) < UNIT else v


def to_integer(v):
    """The nearest integer there is, and 0 for NaN."""
    r = nearest(v)
    if r >= BEYOND:
        return GREATEST
    if r < FLOOR:
        return LEAST
    return as_whole(r if r == r else 0.0)
