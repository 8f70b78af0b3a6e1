"""The sums of the backward pass as a method of the walks: of ``dy`` and of ``dy (x - mean)`` per channel.

The pair is (x, dy). Lanes of float64 and folds sum in three words (Ogita, Rump, Oishi 2005: SumK and DotK): with two,
the errors of a lane's 257 terms, added plainly, reached 2^-91 of the sum of sizes where runs of equal terms cancelled
each other. A tile has a pivot as in the compensated method, so every difference from it is exact; ``settle`` puts the
mean in its place. A state is laid out as a slot is: the mean comes in its PIVOT and PIVOT_TAIL, before the reduction
starts.
"""

from .._algebra import two_prod, two_sum
from .machine import load, store
from .sizes import PITCH, PIVOT_OF_PAIRS
from .sums import PIVOT, PIVOT_TAIL, add_words

SUM, SUM_2, SUM_3, PRODUCT, PRODUCT_2, PRODUCT_3 = 1, 2, 3, 4, 5, 6


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs, quick):
    """Tell the lanes their channel's pivot."""
    for r in range(repeat):
        for c in range(channels):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(acc, PIVOT_OF_PAIRS + j, slots[PIVOT * PITCH + slot + c])


def restart_lanes(acc, lanes):
    """Clear the lanes' six words."""
    for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
        for j in range(row, row + lanes):
            store(acc, j, 0.0)


def gather(acc, lanes, to):
    """Put the six words of the lanes into the rows from ``to`` on."""
    for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
        for j in range(row, row + lanes):
            store(acc, to + j, load(acc, j))


def settle(x, y, base, pieces, step, run, acc, slots, slot, lows, highs, partials, at, channels):
    """``sum(dy (x - mean)) = sum(dy (x - pivot)) - (mean - pivot) sum(dy)`` for the slot of one channel."""
    mean, tail = partials[at + PIVOT * channels], partials[at + PIVOT_TAIL * channels]
    h, e = two_sum(slots[PIVOT * PITCH + slot], -mean)
    e -= tail
    s, t = slots[SUM * PITCH + slot], slots[SUM_2 * PITCH + slot]
    if h != 0.0 or e != 0.0:
        p, r = two_prod(h, s)
        q, u = two_prod(h, t)
        v, w = two_prod(e, s)
        q, z = two_sum(q, v)
        a, b, c = add_words(
            slots[PRODUCT * PITCH + slot],
            slots[PRODUCT_2 * PITCH + slot],
            slots[PRODUCT_3 * PITCH + slot],
            p,
            r,
            0.0,
        )
        a, b, c = add_words(a, b, c, 0.0, q, z + (u + w) + (h * slots[SUM_3 * PITCH + slot] + e * t))
        slots[PRODUCT * PITCH + slot] = a
        slots[PRODUCT_2 * PITCH + slot] = b
        slots[PRODUCT_3 * PITCH + slot] = c
    slots[PIVOT * PITCH + slot] = mean
    slots[PIVOT_TAIL * PITCH + slot] = tail


def two_words(a, b, c):
    """Three words, of which the first may have cancelled, as two; errors of a sum that is not finite mean nothing."""
    s, t = two_sum(a, b)
    s, t = two_sum(s, t + c)
    return (s, t) if a - a == 0.0 else (a, 0.0)


def close_channels(state, channels, begin, end, words, terms):
    """Sums in two words."""
    for row in range(SUM, PRODUCT + 1, PRODUCT - SUM):
        for c in range(row * channels + begin, row * channels + end):
            state[c], state[c + channels] = two_words(state[c], state[c + channels], state[c + 2 * channels])
