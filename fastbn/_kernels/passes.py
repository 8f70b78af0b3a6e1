"""The two passes over a tile in which every value counts: extremes, then sums.

A variant binds ``survey_deep`` and ``survey_single``, and a quick and a careful form of the sums, each for ``DEPTH``
rows at a time and for one, ``start_complete`` (the method's ``start_slots``) and ``order`` (``operands.py``).
"""

from .extremes import fold_extremes as fold_ends
from .machine import load, store, window
from .sizes import LANE_GREATEST, LANE_LEAST, LANE_NEAREST


def expected(ends):
    """Nothing is absent."""
    return False


def suspicious(acc, channels):
    """Nothing is absent."""
    return False


def remember(ends, channels, gapped):
    """Nothing is absent."""


def start_extremes(x, y, base, apart, pieces, step, run, channels, inner, repeat, ends, gapped):
    """Extremes begin with the first value of their channel, the channels being ``apart`` from each other in memory."""
    for r in range(repeat):
        for c in range(channels):
            v = order(load(x, base + c * apart))
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(ends, LANE_LEAST + j, v)
                store(ends, LANE_GREATEST + j, v)
                store(ends, LANE_NEAREST + j, v)


def survey(x, y, base, rows, stride, lanes, rest, ends, gapped):
    """Extremes of the lanes over ``rows`` full rows and ``rest`` values of one more."""
    low, high, near = window(ends, LANE_LEAST), window(ends, LANE_GREATEST), window(ends, LANE_NEAREST)
    deep = rows - rows % DEPTH
    survey_deep(x, base, deep // DEPTH, stride, lanes, low, high, near)
    survey_single(x, base + deep * stride, rows - deep, stride, lanes, low, high, near)
    if rest:
        survey_single(x, base + rows * stride, 1, 0, rest, low, high, near)


def fold_extremes(channels, inner, repeat, ends, gapped):
    """Leave a channel's extremes in its first lane."""
    fold_ends(channels, inner, repeat, ends)


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs, gapped):
    """As the method does."""
    return start_complete(channels, inner, repeat, count, slots, slot, ends, lows, highs)


def accumulate(x, y, base, rows, stride, lanes, rest, acc, ahead, quick, ends, gapped):
    """Sums of the lanes over ``rows`` full rows and ``rest`` values of one more."""
    deep = rows - rows % DEPTH
    if quick:
        quick_deep(x, y, base, deep // DEPTH, stride, lanes, acc, ahead)
        quick_single(x, y, base + deep * stride, rows - deep, stride, lanes, acc, ahead)
        if rest:
            quick_single(x, y, base + rows * stride, 1, 0, rest, acc, ahead)
    else:
        careful_deep(x, y, base, deep // DEPTH, stride, lanes, acc, ahead)
        careful_single(x, y, base + deep * stride, rows - deep, stride, lanes, acc, ahead)
        if rest:
            careful_single(x, y, base + rows * stride, 1, 0, rest, acc, ahead)
