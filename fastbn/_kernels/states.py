"""What a slot holds between tiles, segments and the whole channel: two ways, with the same three functions in each.

*moments*: a tile is finished at once and its count, mean and m2 are merged (float32, float64, 32- and 64-bit integers).
*totals*: exact sums stay sums until the channel is complete and are finished once, so that the result is the correctly
rounded one (integers up to 16 bits, float16).
"""

from .._algebra import divide, merge, two_prod, two_sum
from .machine import load
from .sizes import PITCH, WIDTH
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
    SUM,
    SUM_2,
    SUM_3,
    add_words,
    finish,
    join_sums,
)


def close_tile_moments(words, slots, terms):
    """A tile's sums become its moments."""
    finish(words, slots, terms)


def close_tile_totals(words, slots, terms):
    """A tile's sums stay sums."""


def join_moments(into, i, i_row, part, j, j_row, count):
    """Merge ``count`` slots of moments into as many others."""
    for k in range(count):
        a = i + k
        b = j + k
        (
            into[a],
            into[a + i_row],
            into[a + 2 * i_row],
            into[a + 3 * i_row],
            into[a + 4 * i_row],
        ) = merge(
            into[a],
            into[a + i_row],
            into[a + 2 * i_row],
            into[a + 3 * i_row],
            into[a + 4 * i_row],
            load(part, b),
            part[b + j_row],
            part[b + 2 * j_row],
            part[b + 3 * j_row],
            part[b + 4 * j_row],
        )
        add_sum(into, a, i_row, part, b, j_row)


def add_sum(into, a, i_row, part, b, j_row):
    """The sum of the values, in three words, takes that of another part."""
    into[a + SUM * i_row], into[a + SUM_2 * i_row], into[a + SUM_3 * i_row] = add_words(
        into[a + SUM * i_row],
        into[a + SUM_2 * i_row],
        into[a + SUM_3 * i_row],
        part[b + SUM * j_row],
        part[b + SUM_2 * j_row],
        part[b + SUM_3 * j_row],
    )


def times(n, a, b, c):
    """A count times a sum in three words."""
    p, e = two_prod(n, a)
    q, f = two_prod(n, b)
    return add_words(p, e, 0.0, 0.0, q, f + n * c)


def join_wide(into, i, i_row, part, j, j_row, count):
    """As ``join_moments``, for 64-bit integers: two words of a mean near 2^63 are too few for a small spread.

    The difference of the means is ``(n_a S_b - n_b S_a) / (n_a n_b)``, from the sums. The means themselves are left to
    ``close_channels``.
    """
    for k in range(count):
        a = i + k
        b = j + k
        m = into[a]
        n = load(part, b)
        p, q, r = times(-n, into[a + SUM * i_row], into[a + SUM_2 * i_row], into[a + SUM_3 * i_row])
        s, t, u = times(m, part[b + SUM * j_row], part[b + SUM_2 * j_row], part[b + SUM_3 * j_row])
        p, q, r = add_words(p, q, r, s, t, u)
        p, q = two_sum(p, q)
        p, q = two_sum(p, q + r)
        p, q = divide(p, q, m + (m == 0.0))
        p, q = divide(p, q, n + (n == 0.0))
        into[a], _, _, into[a + M2 * i_row], into[a + M2_TAIL * i_row] = merge(
            m,
            0.0,
            0.0,
            into[a + M2 * i_row],
            into[a + M2_TAIL * i_row],
            n,
            p,
            q,
            part[b + M2 * j_row],
            part[b + M2_TAIL * j_row],
        )
        add_sum(into, a, i_row, part, b, j_row)


join_totals = join_sums


def close_channels_moments(state, channels, begin, end, words, terms):
    """Where the sum in three words is good, the mean is that sum over the count.

    Merged means have an error of 2^-104 of the largest partial mean, 1 to 3 ulp at a condition of 1e15.
    """
    for c in range(begin, end):
        s, t = two_sum(state[SUM * channels + c], state[SUM_2 * channels + c])
        s, t = two_sum(s, t + state[SUM_3 * channels + c])
        if s - s == 0.0:
            m, t = divide(s, t, state[COUNTED * channels + c])
            state[MEAN * channels + c] = m
            state[MEAN_TAIL * channels + c] = t
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
