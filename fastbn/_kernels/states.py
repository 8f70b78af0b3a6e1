"""What a slot holds between tiles, segments and the whole channel: two ways, with the same three functions in each.

*moments*: a tile is finished at once and its count, mean and m2 are merged (float32, float64, 32- and 64-bit integers).
*totals*: exact sums stay sums until the channel is complete and are finished once, so that the result is the correctly
rounded one (integers up to 16 bits, float16).
"""

from .._algebra import divide, merge, two_prod, two_sum
from .machine import load, select, store
from .sizes import BESIDE, PITCH, WIDTH
from .sums import (
    COUNT,
    COUNTED,
    M2,
    M2_TAIL,
    MEAN,
    MEAN_TAIL,
    NAN,
    PIVOT,
    PIVOT_TAIL,
    SCALE,
    SPECIAL,
    SQUARES,
    SUM,
    SUM_2,
    SUM_3,
    TOTAL,
    add_words,
    finish,
    join_words,
)


def close_tile_moments(words, slots, terms):
    """A tile's sums become its moments."""
    finish(words, slots, terms)


def close_tile_totals(words, slots, terms):
    """A tile's sums stay sums."""


def join_moments(banks, count):
    """Merge moments with those beside them."""
    for k in range(count):
        n, m, t, s, r = merge(
            load(banks, COUNTED * PITCH + k),
            load(banks, MEAN * PITCH + k),
            load(banks, MEAN_TAIL * PITCH + k),
            load(banks, M2 * PITCH + k),
            load(banks, M2_TAIL * PITCH + k),
            load(banks, BESIDE + COUNTED * PITCH + k),
            load(banks, BESIDE + MEAN * PITCH + k),
            load(banks, BESIDE + MEAN_TAIL * PITCH + k),
            load(banks, BESIDE + M2 * PITCH + k),
            load(banks, BESIDE + M2_TAIL * PITCH + k),
        )
        store(banks, COUNTED * PITCH + k, n)
        store(banks, MEAN * PITCH + k, m)
        store(banks, MEAN_TAIL * PITCH + k, t)
        store(banks, M2 * PITCH + k, s)
        store(banks, M2_TAIL * PITCH + k, r)
    join_words(banks, SUM * PITCH, count)


def times(n, a, b, c):
    """A count times a sum in three words."""
    p, e = two_prod(n, a)
    q, f = two_prod(n, b)
    return add_words(p, e, 0.0, 0.0, q, f + n * c)


def join_wide(banks, count):
    """As ``join_moments``, for 64-bit integers: two words of a mean near 2^63 are too few for a small spread.

    The difference of the means is ``(n_a S_b - n_b S_a) / (n_a n_b)``, from the sums. The means themselves are left to
    ``close_channels``.
    """
    for k in range(count):
        m = load(banks, COUNTED * PITCH + k)
        n = load(banks, BESIDE + COUNTED * PITCH + k)
        p, q, r = times(
            -n, load(banks, SUM * PITCH + k), load(banks, SUM_2 * PITCH + k), load(banks, SUM_3 * PITCH + k)
        )
        s, t, u = times(
            m,
            load(banks, BESIDE + SUM * PITCH + k),
            load(banks, BESIDE + SUM_2 * PITCH + k),
            load(banks, BESIDE + SUM_3 * PITCH + k),
        )
        p, q, r = add_words(p, q, r, s, t, u)
        p, q = two_sum(p, q)
        p, q = two_sum(p, q + r)
        p, q = divide(p, q, m + (m == 0.0))
        p, q = divide(p, q, n + (n == 0.0))
        m, _, _, s, r = merge(
            m,
            0.0,
            0.0,
            load(banks, M2 * PITCH + k),
            load(banks, M2_TAIL * PITCH + k),
            n,
            p,
            q,
            load(banks, BESIDE + M2 * PITCH + k),
            load(banks, BESIDE + M2_TAIL * PITCH + k),
        )
        store(banks, COUNTED * PITCH + k, m)
        store(banks, M2 * PITCH + k, s)
        store(banks, M2_TAIL * PITCH + k, r)
    join_words(banks, SUM * PITCH, count)


def join_totals(banks, count):
    """Add sums to those beside them."""
    for k in range(count):
        store(banks, COUNT * PITCH + k, load(banks, COUNT * PITCH + k) + load(banks, BESIDE + COUNT * PITCH + k))
        special = load(banks, SPECIAL * PITCH + k) + load(banks, BESIDE + SPECIAL * PITCH + k)
        store(banks, SPECIAL * PITCH + k, special)
    join_words(banks, TOTAL * PITCH, count)
    join_words(banks, SQUARES * PITCH, count)


def close_channels_moments(state, channels, begin, end, words, terms):
    """Where the sum in three words is good, the mean is that sum over the count.

    Merged means have an error of 2^-104 of the largest partial mean, 1 to 3 ulp at a condition of 1e15.
    """
    for start in range(begin, end, WIDTH):
        slots = min(WIDTH, end - start)
        for row in range(SUM_3 + 1):
            for j in range(slots):
                store(words, row * PITCH + j, load(state, row * channels + start + j))
        for j in range(slots):
            s, t = two_sum(load(words, SUM * PITCH + j), load(words, SUM_2 * PITCH + j))
            s, t = two_sum(s, t + load(words, SUM_3 * PITCH + j))
            known = s - s == 0.0
            m, t = divide(s, t, load(words, COUNTED * PITCH + j))
            store(words, MEAN * PITCH + j, select(known, m, load(words, MEAN * PITCH + j)))
            store(words, MEAN_TAIL * PITCH + j, select(known, t, load(words, MEAN_TAIL * PITCH + j)))
        for row in range(MEAN, MEAN_TAIL + 1):
            for j in range(slots):
                store(state, row * channels + start + j, load(words, row * PITCH + j))
    one_nan(state, channels, begin, end)


def one_nan(state, channels, begin, end):
    """One NaN for all in the moments: its sign is the compiler's choice."""
    for row in range(MEAN, M2_TAIL + 1):
        for c in range(begin, end):
            v = state[row * channels + c]
            state[row * channels + c] = v if v == v else NAN


def close_channels_totals(state, channels, begin, end, words, terms):
    """The sums of channels ``begin`` to ``end`` become their moments."""
    for start in range(begin, end, WIDTH):
        slots = min(WIDTH, end - start)
        for j in range(slots):
            for k in range(COUNT, SPECIAL + 1):
                words[k * PITCH + j] = state[k * channels + start + j]
            words[PIVOT * PITCH + j] = 0.0
            words[PIVOT_TAIL * PITCH + j] = 0.0
            words[SCALE * PITCH + j] = 1.0
        finish(words, slots, terms)
        for j in range(slots):
            for k in range(5):
                state[k * channels + start + j] = words[k * PITCH + j]
    one_nan(state, channels, begin, end)
