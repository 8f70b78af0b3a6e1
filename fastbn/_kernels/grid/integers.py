"""From float64 to integers: to the nearest, ties to even, stopping at their ends; NaN gives 0.

A variant binds FLOOR and BEYOND (the least integer, and the least float64 that is too large), LEAST and GREATEST (both
ends as integers) and ``as_whole`` (their type).
"""

from .rules import nearest


def to_integer(v):
    """The nearest integer there is, and 0 for NaN."""
    r = nearest(v)
    if r >= BEYOND:
        return GREATEST
    if r < FLOOR:
        return LEAST
    return as_whole(r if r == r else 0.0)
