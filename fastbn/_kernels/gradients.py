"""The sums of the backward pass as a method of the walks: of ``dy`` and of ``dy (x - mean)`` per channel.

The pair is (x, dy). As in the compensated method, sums start above all their terms, which the extremes of a tile tell;
where that would leave the range of float64, or something is not finite, they start at 0 (``steps.py``). Folds take
three words. A state is laid out as a slot is: the mean comes in its PIVOT and PIVOT_TAIL, before the reduction starts.
A slot's SCALE holds the largest size in ``dy``.
"""

from .._algebra import add, leading, multiply
from .machine import load, store
from .pivots import BIAS_FACTOR, CARRY_FACTOR, START_FACTOR, largest
from .sizes import BIAS, LANE_GREATEST, LANE_LEAST, LANE_NEAREST, PITCH, START, C, F, Q, S, T
from .sizes import PIVOT as LANE_PIVOT
from .sums import COUNT, PIVOT, PIVOT_TAIL, SCALE, SPECIAL

SUM, SUM_2, SUM_3, PRODUCT, PRODUCT_2, PRODUCT_3 = 1, 2, 3, 4, 5, 6
LOW, HIGH = 2.0**-800, 2.0**960  # of values and of products that sums may start above


def within(v):
    """Whether a sum may start above values of this size."""
    return v == 0.0 or (v >= LOW and v <= HIGH)


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs, partials, at, total):
    """Clear the slots and put in what the state says is to be subtracted; whether all sums may start above."""
    quick = True
    for c in range(channels):
        k = slot + c
        least, greatest = load(ends, LANE_LEAST + c * inner), load(ends, LANE_GREATEST + c * inner)
        store(lows, k, least)
        store(highs, k, greatest)
        pivot, size = partials[at + PIVOT * total + c], 1.0 * load(ends, LANE_NEAREST + c * inner)
        slots[COUNT * PITCH + k] = count
        slots[SPECIAL * PITCH + k] = 0.0
        slots[PIVOT * PITCH + k] = pivot
        slots[PIVOT_TAIL * PITCH + k] = partials[at + PIVOT_TAIL * total + c]
        slots[SCALE * PITCH + k] = size
        if not within(size) or not within(size * largest(least, greatest, pivot)):
            quick = False
    return quick


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs, quick):
    """Give the lanes their channel's mean and beginnings."""
    for c in range(channels):
        pivot = slots[PIVOT * PITCH + slot + c]
        size = slots[SCALE * PITCH + slot + c]
        values, products = 0.0, 0.0
        if quick:
            values = START_FACTOR * leading(size)
            products = BIAS_FACTOR * (size * largest(lows[slot + c], highs[slot + c], pivot))
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(acc, S + j, values)
                store(acc, C + j, values * CARRY_FACTOR)
                store(acc, T + j, 0.0)
                store(acc, Q + j, products)
                store(acc, F + j, 0.0)
                store(acc, LANE_PIVOT + j, pivot)
                store(acc, START + j, values)
                store(acc, BIAS + j, products)


def settle(x, base, pieces, step, run, acc, slots, slot, lows, highs, partials, at, channels):
    """No sum is done again."""


def close_channels(state, channels, begin, end, words, terms):
    """Sums in two words, the second with the tail of the mean taken off."""
    for c in range(begin, end):
        s, t = add(state[SUM * channels + c], state[SUM_2 * channels + c], state[SUM_3 * channels + c], 0.0)
        q, f = add(state[PRODUCT * channels + c], state[PRODUCT_2 * channels + c], state[PRODUCT_3 * channels + c], 0.0)
        p, e = multiply(s, t, -state[PIVOT_TAIL * channels + c])
        q, f = add(q, f, p, e)
        state[SUM * channels + c] = s
        state[SUM_2 * channels + c] = t
        state[PRODUCT * channels + c] = q
        state[PRODUCT_2 * channels + c] = f
