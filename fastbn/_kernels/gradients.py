"""The sums of the backward pass as a method of the walks: of ``dy`` and of ``dy (x - mean)`` per channel.

The pair is (x, dy). Lanes sum in two words each (Ogita, Rump, Oishi 2005: Sum2 and Dot2); folds take three. A state is
laid out as a slot is: the mean comes in its PIVOT and PIVOT_TAIL, before the reduction starts.
"""

from .._algebra import add, multiply
from .machine import load, store
from .sizes import LANE_GREATEST, LANE_LEAST, PITCH
from .sums import COUNT, PIVOT, PIVOT_TAIL, SPECIAL

SUM, SUM_2, SUM_3, PRODUCT, PRODUCT_2, PRODUCT_3 = 1, 2, 3, 4, 5, 6


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs, partials, at, total):
    """Clear the slots, and put in what the state says is to be subtracted."""
    for c in range(channels):
        k = slot + c
        store(lows, k, load(ends, LANE_LEAST + c * inner))
        store(highs, k, load(ends, LANE_GREATEST + c * inner))
        slots[COUNT * PITCH + k] = count
        slots[SPECIAL * PITCH + k] = 0.0
        slots[PIVOT * PITCH + k] = partials[at + PIVOT * total + c]
        slots[PIVOT_TAIL * PITCH + k] = partials[at + PIVOT_TAIL * total + c]
    return True


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
