"""Tile kernels: rows of lanes walked in order, each lane with extremes or sums of its own.

They take ``DEPTH`` rows at a time, so that what a lane holds stays in registers that long: four at a time took 0.5 to
0.7 of the time of one at a time. A variant binds ``DEPTH``, and ``nearest``, ``order`` (``operands.py``) and ``absent``
(``marks.py``) or ``step`` (``steps.py``), ``rows`` and ``spacing`` (``rows.py``).
"""

from .machine import greater, lesser, load, medium, prefetch, select, store, window
from .sizes import (
    FLOOR,
    LANE_GAPS,
    LANE_GREATEST,
    LANE_LEAST,
    LANE_NEAREST,
    LANE_ONE,
    PIVOT,
    PIVOT_OF_PAIRS,
    PIVOT_TAIL,
    READ,
    C,
    F,
    G,
    H,
    K,
    Q,
    R,
    S,
    T,
)


def survey(x, base, groups, stride, lanes, low, high, near):
    """Extremes of every lane over ``groups * DEPTH`` rows."""
    for i in range(groups):
        at = base + i * DEPTH * stride
        for j in range(lanes):
            least, greatest, smallest = load(low, j), load(high, j), load(near, j)
            for k in range(DEPTH):
                v = order(load(x, at + k * stride + j))
                least = lesser(v, least)
                greatest = greater(v, greatest)
                smallest = nearest(v, smallest)
            store(low, j, least)
            store(high, j, greatest)
            store(near, j, smallest)


def survey_gaps(x, y, base, groups, stride, lanes, ends):
    """The same, and how many values are absent."""
    for i in range(groups):
        at = base + i * DEPTH * stride
        for j in range(lanes):
            least, greatest = load(ends, LANE_LEAST + j), load(ends, LANE_GREATEST + j)
            smallest = load(ends, LANE_NEAREST + j)
            gaps, one = load(ends, LANE_GAPS + j), load(ends, LANE_ONE + j)
            for k in range(DEPTH):
                v, w = load(x, at + k * stride + j), load(y, at + k * stride + j)
                least = lesser(v, least)
                greatest = greater(v, greatest)
                smallest = nearest(v, smallest)
                gaps = select(absent(v, w), gaps + one, gaps)
            store(ends, LANE_LEAST + j, least)
            store(ends, LANE_GREATEST + j, greatest)
            store(ends, LANE_NEAREST + j, smallest)
            store(ends, LANE_GAPS + j, gaps)


def accumulate(x, y, base, groups, stride, lanes, acc, ahead):
    """Sums of every lane over ``groups * DEPTH`` rows.

    Each row asks for the row of the next tile, ``ahead`` elements on, so that memory works while the sums are formed
    (without it, 1.4 times the time for float64 from memory).
    """
    for i in range(groups):
        at = base + i * DEPTH * stride
        for k in range(DEPTH):
            prefetch(x, at + k * stride + ahead, lanes)
        values, apart = rows(x, at, stride, lanes, DEPTH, window(acc, READ)), spacing(stride)
        for j in range(lanes):
            pivot, pivot_tail = load(acc, PIVOT + j), load(acc, PIVOT_TAIL + j)
            s, c, t = load(acc, S + j), load(acc, C + j), load(acc, T + j)
            q, f = load(acc, Q + j), load(acc, F + j)
            for k in range(DEPTH):
                s, c, t, q, f = step(load(values, k * apart + j), pivot, pivot_tail, s, c, t, q, f)
            store(acc, S + j, s)
            store(acc, C + j, c)
            store(acc, T + j, t)
            store(acc, Q + j, q)
            store(acc, F + j, f)


def accumulate_exact(x, y, base, groups, stride, lanes, acc, ahead):
    """The same for the nine words of the exact method (``exact_steps.py``)."""
    for i in range(groups):
        at = base + i * DEPTH * stride
        for k in range(DEPTH):
            prefetch(x, at + k * stride + ahead, lanes)
        values, apart = rows(x, at, stride, lanes, DEPTH, window(acc, READ)), spacing(stride)
        for j in range(lanes):
            floor = load(acc, FLOOR + j)
            s, c, t = load(acc, S + j), load(acc, C + j), load(acc, T + j)
            q, f, h = load(acc, Q + j), load(acc, F + j), load(acc, H + j)
            g, r, w = load(acc, G + j), load(acc, R + j), load(acc, K + j)
            for k in range(DEPTH):
                s, c, t, q, f, h, g, r, w = step(load(values, k * apart + j), floor, s, c, t, q, f, h, g, r, w)
            store(acc, S + j, s)
            store(acc, C + j, c)
            store(acc, T + j, t)
            store(acc, Q + j, q)
            store(acc, F + j, f)
            store(acc, H + j, h)
            store(acc, G + j, g)
            store(acc, R + j, r)
            store(acc, K + j, w)


def accumulate_bytes(x, y, base, groups, stride, lanes, acc, ahead):
    """Sums of every lane over ``groups * DEPTH`` rows of 8-bit integers, the rows of a group in int32.

    Twice as many of them fit a register (float32 took 1.3 times the time, for they have to be converted).
    """
    for i in range(groups):
        at = base + i * DEPTH * stride
        for k in range(DEPTH):
            prefetch(x, at + k * stride + ahead, lanes)
        for j in range(lanes):
            s = medium(0)
            q = medium(0)
            for k in range(DEPTH):
                d = medium(load(x, at + k * stride + j))
                s = medium(s + d)
                q = medium(q + d * d)
            store(acc, S + j, load(acc, S + j) + s)
            store(acc, Q + j, load(acc, Q + j) + q)


def accumulate_shorts(x, y, base, groups, stride, lanes, acc, ahead):
    """Sums of every lane over ``groups * DEPTH`` rows of 16-bit integers: exact in one word, squares less than 2^41."""
    for i in range(groups):
        at = base + i * DEPTH * stride
        for k in range(DEPTH):
            prefetch(x, at + k * stride + ahead, lanes)
        for j in range(lanes):
            s, q = load(acc, S + j), load(acc, Q + j)
            for k in range(DEPTH):
                d = 1.0 * load(x, at + k * stride + j)
                s += d
                q += d * d
            store(acc, S + j, s)
            store(acc, Q + j, q)


def accumulate_pairs(x, y, base, groups, stride, lanes, acc, ahead):
    """Two sums over pairs of every lane (``short_product``, ``product``, ``weighted``), each in three words."""
    for i in range(groups):
        at = base + i * DEPTH * stride
        for k in range(DEPTH):
            prefetch(x, at + k * stride + ahead, lanes)
            prefetch(y, at + k * stride + ahead, lanes)
        for j in range(lanes):
            pivot = load(acc, PIVOT_OF_PAIRS + j)
            s, c, t = load(acc, S + j), load(acc, C + j), load(acc, T + j)
            q, f, h = load(acc, Q + j), load(acc, F + j), load(acc, H + j)
            for k in range(DEPTH):
                v, w = load(x, at + k * stride + j), load(y, at + k * stride + j)
                s, c, t, q, f, h = step(v, w, pivot, s, c, t, q, f, h)
            store(acc, S + j, s)
            store(acc, C + j, c)
            store(acc, T + j, t)
            store(acc, Q + j, q)
            store(acc, F + j, f)
            store(acc, H + j, h)
