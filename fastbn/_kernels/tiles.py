"""The compensated method: what the lanes of a tile start with, and how their sums become the slots of its channels.

The lanes of a tile are (repeat, channel, inner) of up to ``WIDTH`` values side by side. Whatever is done per lane runs
along memory. A variant binds ``pivot_head``, ``pivot_tail``, ``sure``, ``start_quick``, ``start_careful``, ``bias``,
``join_banks``, ``TOTALS``, ``absent`` (``marks.py``), ``head`` and ``order`` (``operands.py``).
"""

from .._algebra import range_scale, two_prod
from .extremes import highest, lowest
from .folds import fold_lanes
from .machine import greater, load, store, window
from .pivots import CARRY_FACTOR, largest
from .sizes import (
    BESIDE,
    BIAS,
    JOINED,
    LANE_GREATEST,
    LANE_LEAST,
    LANE_NEAREST,
    PITCH,
    START,
    WIDTH,
    C,
    F,
    Q,
    S,
    T,
)
from .sizes import PIVOT as LANE_PIVOT
from .sizes import PIVOT_TAIL as LANE_PIVOT_TAIL
from .sums import COUNT, PIVOT, PIVOT_TAIL, SCALE, SPECIAL, WORDS, add_words, healthy


def keep_lanes(ends, lanes):
    """Nobody asks for the extremes of a lane."""


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs):
    """Clear the slots of channels that will hold ``count`` values each and choose pivots; whether all are sure."""
    low, high, near = window(ends, LANE_LEAST), window(ends, LANE_GREATEST), window(ends, LANE_NEAREST)
    all_sure = True
    for c in range(channels):
        k = slot + c
        least = low[c * inner]
        greatest = high[c * inner]
        pivot = pivot_head(least, greatest)
        lows[k] = least
        highs[k] = greatest
        for row in range(WORDS):
            slots[row * PITCH + k] = 0.0
        slots[COUNT * PITCH + k] = count
        slots[PIVOT * PITCH + k] = pivot
        slots[PIVOT_TAIL * PITCH + k] = pivot_tail(least, greatest)
        slots[SCALE * PITCH + k] = 1.0
        if not sure(near[c * inner], largest(least, greatest, pivot)):
            all_sure = False
    return all_sure


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs, quick):
    """Tell the lanes their channel's pivot, and what their sums start with."""
    for c in range(channels):
        pivot = slots[PIVOT * PITCH + slot + c]
        rest = slots[PIVOT_TAIL * PITCH + slot + c]
        span = greater(largest(lows[slot + c], highs[slot + c], pivot), 0.0)
        values = start_quick(span) if quick else start_careful(span)
        squares = bias(span)
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(acc, LANE_PIVOT + j, pivot)
                store(acc, LANE_PIVOT_TAIL + j, rest)
                store(acc, START + j, values)
                store(acc, BIAS + j, squares)


def restart_lanes(acc, lanes):
    """Begin the sums of a group of rows."""
    for j in range(lanes):
        start = load(acc, START + j)
        store(acc, S + j, start)
        store(acc, C + j, start * CARRY_FACTOR)
        store(acc, T + j, 0.0)
        store(acc, Q + j, load(acc, BIAS + j))
        store(acc, F + j, 0.0)


def gather(acc, lanes, to):
    """Put the sums of the lanes into the rows from ``to`` on: three words for the values, three for the squares."""
    for j in range(lanes):
        start = load(acc, START + j)
        store(acc, to + j, load(acc, S + j) - start)
        store(acc, to + PITCH + j, load(acc, C + j) - start * CARRY_FACTOR)
        store(acc, to + 2 * PITCH + j, load(acc, T + j))
        store(acc, to + 3 * PITCH + j, load(acc, Q + j) - load(acc, BIAS + j))
        store(acc, to + 4 * PITCH + j, load(acc, F + j))
        store(acc, to + 5 * PITCH + j, 0.0)


def fold_totals(acc, channels, inner, repeat, slots, slot):
    """Add up a channel's lanes and put them into its slot."""
    fold_lanes(acc, channels, inner, repeat)
    for row in range(6):
        for c in range(channels):
            slots[(row + 1) * PITCH + slot + c] = acc[TOTALS + row * PITCH + c]


def settle(x, y, base, pieces, step, run, acc, slots, slot, lows, highs, partials, at, channels):
    """Do the sums of a channel again where the fast way could not."""
    if not healthy(slots[PITCH + slot], lows[slot], highs[slot]):
        rescue(x, y, base, pieces, step, run, slots, slot, lows, highs)


def rescue(x, y, base, pieces, stride, run, words, slot, least, greatest):
    """Sums of ``pieces`` runs of one channel with any values: scaled, infinities and NaN set apart."""
    magnitude = 0.0
    special = 0.0
    low, high = least[slot], greatest[slot]
    for i in range(pieces):
        for j in range(run):
            v = load(x, base + i * stride + j)
            if absent(v, load(y, base + i * stride + j)):
                continue
            d = head(v)
            if d - d != 0.0:
                special += d
            else:
                magnitude = greater(magnitude, abs(d))
            low, high = lowest(low, order(v)), highest(high, order(v))
    scale = range_scale(magnitude)
    s, c, t = 0.0, 0.0, 0.0
    q, f, g = 0.0, 0.0, 0.0
    for i in range(pieces):
        for j in range(run):
            v = load(x, base + i * stride + j)
            d = head(v)
            if d - d == 0.0 and not absent(v, load(y, base + i * stride + j)):
                d *= scale
                p, e = two_prod(d, d)
                s, c, t = add_words(s, c, t, d, 0.0, 0.0)
                q, f, g = add_words(q, f, g, p, e, 0.0)
    words[PITCH + slot] = s
    words[2 * PITCH + slot] = c
    words[3 * PITCH + slot] = t
    words[4 * PITCH + slot] = q
    words[5 * PITCH + slot] = f
    words[6 * PITCH + slot] = g
    words[SPECIAL * PITCH + slot] = special
    words[PIVOT * PITCH + slot] = 0.0
    words[PIVOT_TAIL * PITCH + slot] = 0.0
    words[SCALE * PITCH + slot] = scale
    least[slot] = low
    greatest[slot] = high


def pick(x, y, base, rows, stride, lanes, rest, width, inner, acc, ends, partials, at, channels):
    """No value was left out."""


def join(into, i, i_row, part, j, j_row, count, banks):
    """Join ``count`` states to as many others, whose rows are ``i_row`` and ``j_row`` apart.

    This is done in ``banks`` with a constant pitch: elsewhere compilers do not see that the rows are apart, and merges
    that are not vectorized took a third of the time of a wide table.
    """
    for first in range(0, count, WIDTH):
        some = min(WIDTH, count - first)
        for row in range(JOINED):
            for k in range(some):
                store(banks, row * PITCH + k, load(into, i + row * i_row + first + k))
                store(banks, BESIDE + row * PITCH + k, load(part, j + row * j_row + first + k))
        join_banks(banks, some)
        for row in range(JOINED):
            for k in range(some):
                store(into, i + row * i_row + first + k, load(banks, row * PITCH + k))


def join_slots(slots, distance, count, banks):
    """The first ``count`` slots take those at a distance."""
    join(slots, 0, PITCH, slots, distance, PITCH, count, banks)


def put_slots(turn, partials, at, channels, slots, count, banks):
    """Slots begin the state of a segment, or are joined to it."""
    if turn == 0:
        for row in range(ROWS_OF_STATE):
            for k in range(count):
                partials[at + row * channels + k] = slots[row * PITCH + k]
    else:
        join(partials, at, channels, slots, 0, PITCH, count, banks)
