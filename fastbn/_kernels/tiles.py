"""One tile from extremes to sums: what its lanes start with, and how they are folded into the slots of its channels.

The lanes of a tile are (repeat, channel, inner) of up to ``WIDTH`` values side by side. Whatever is done per lane runs
along memory; folds go by halves, so that they are vectorized too (one lane after the other took a sixth of a tile's
time). A variant binds ``pivot_head``, ``pivot_tail``, ``nearest``, ``sure``, ``start_quick``, ``start_careful`` and
``bias``.
"""

from .machine import greater, lesser, load, store, window
from .pivots import CARRY_FACTOR, largest
from .sizes import BIAS, OTHERS, PITCH, START, TOTALS, C, F, Q, S, T
from .sizes import PIVOT as LANE_PIVOT
from .sizes import PIVOT_TAIL as LANE_PIVOT_TAIL
from .sums import COUNT, PIVOT, PIVOT_TAIL, SCALE, WORDS, add_words


def start_extremes(x, base, channels, inner, repeat, low, high, near):
    """Extremes begin with their channel's first value."""
    for r in range(repeat):
        for c in range(channels):
            v = load(x, base + c * inner)
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(low, j, v)
                store(high, j, v)
                store(near, j, v)


def join_ends(low, high, near, at, distance, count):
    """Extremes of ``count`` lanes take those of the lanes at a distance."""
    for j in range(at, at + count):
        store(low, j, lesser(load(low, j + distance), load(low, j)))
        store(high, j, greater(load(high, j + distance), load(high, j)))
        store(near, j, nearest(load(near, j + distance), load(near, j)))


def fold_extremes(channels, inner, repeat, low, high, near):
    """Leave a channel's extremes in its first lane."""
    lanes = channels * inner
    for r in range(1, repeat):
        join_ends(low, high, near, 0, r * lanes, lanes)
    size = inner
    while size > 1:
        half = (size + 1) // 2
        for c in range(channels):
            join_ends(low, high, near, c * inner, half, size - half)
        size = half


def start_slots(channels, inner, count, slots, slot, low, high, near, lows, highs):
    """Clear the slots of channels that will hold ``count`` values each and choose pivots; whether all are sure."""
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
    """Give the lanes their channel's pivot and beginnings."""
    for c in range(channels):
        pivot = slots[PIVOT * PITCH + slot + c]
        rest = slots[PIVOT_TAIL * PITCH + slot + c]
        span = largest(lows[slot + c], highs[slot + c], pivot)
        values = start_quick(span) if quick else start_careful(span)
        squares = bias(span)
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                acc[S + j] = values
                acc[C + j] = values * CARRY_FACTOR
                acc[T + j] = 0.0
                acc[Q + j] = squares
                acc[F + j] = 0.0
                acc[LANE_PIVOT + j] = pivot
                acc[LANE_PIVOT_TAIL + j] = rest
                acc[START + j] = values
                acc[BIAS + j] = squares


def clear_totals(acc, lanes):
    """No sums yet."""
    for row in range(6):
        for j in range(lanes):
            store(acc, TOTALS + row * PITCH + j, 0.0)


def add_others(acc, count):
    """Add to the totals of ``count`` lanes what lies beside them: three words for the values, three for the squares."""
    for row in range(0, 6 * PITCH, 3 * PITCH):
        for j in range(row, row + count):
            a, b, c = add_words(
                load(acc, TOTALS + j),
                load(acc, TOTALS + PITCH + j),
                load(acc, TOTALS + 2 * PITCH + j),
                load(acc, OTHERS + j),
                load(acc, OTHERS + PITCH + j),
                load(acc, OTHERS + 2 * PITCH + j),
            )
            store(acc, TOTALS + j, a)
            store(acc, TOTALS + PITCH + j, b)
            store(acc, TOTALS + 2 * PITCH + j, c)


def gather(acc, lanes):
    """Add the sums of the lanes to their totals."""
    for j in range(lanes):
        start = load(acc, START + j)
        store(acc, OTHERS + j, load(acc, S + j) - start)
        store(acc, OTHERS + PITCH + j, load(acc, C + j) - start * CARRY_FACTOR)
        store(acc, OTHERS + 2 * PITCH + j, load(acc, T + j))
        store(acc, OTHERS + 3 * PITCH + j, load(acc, Q + j) - load(acc, BIAS + j))
        store(acc, OTHERS + 4 * PITCH + j, load(acc, F + j))
        store(acc, OTHERS + 5 * PITCH + j, 0.0)
    add_others(acc, lanes)


def join_lanes(acc, distance, count):
    """Totals of ``count`` lanes take those of the lanes at a distance."""
    for row in range(0, 6 * PITCH, PITCH):
        for j in range(row, row + count):
            store(acc, OTHERS + j, load(acc, TOTALS + distance + j))
    add_others(acc, count)


def fold_totals(acc, channels, inner, repeat, slots, slot):
    """Add up a channel's lanes and put them into its slot."""
    lanes = channels * inner
    for r in range(1, repeat):
        join_lanes(acc, r * lanes, lanes)
    size = inner
    while size > 1:
        half = (size + 1) // 2
        for c in range(channels):
            join_lanes(window(acc, c * inner), half, size - half)
        size = half
    for row in range(6):
        for c in range(channels):
            slots[(row + 1) * PITCH + slot + c] = acc[TOTALS + row * PITCH + c * inner]
