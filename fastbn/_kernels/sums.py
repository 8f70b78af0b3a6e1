"""From sums to moments: joining sums, and the finish of a tile.

A slot is described by rows of a buffer: COUNT, then the sum and the sum of squares in three words each, then SPECIAL
(0, an infinity or NaN, added to the mean), PIVOT (what was subtracted before summing) and SCALE (the power of two
that the values were multiplied by).
"""

from .._algebra import add, divide, fast_two_sum, range_scale, two_prod, two_sum
from .machine import greater, load, store
from .sizes import BESIDE, PITCH

COUNT, TOTAL, SQUARES, SPECIAL = 0, 1, 4, 7
PIVOT, PIVOT_TAIL, SCALE = 8, 9, 10
WORDS = 11  # rows of a slot
TERMS = 12  # rows of scratch for the finish
NAN = float("nan")
SWEEPS = 5  # of VecSum: leaves 2^-106 of a result that cancelled by up to 2^159

# Rows of a state; the last three are the sum of the values in three words (NaN if it was scaled or is not finite).
COUNTED, MEAN, MEAN_TAIL, M2, M2_TAIL, SUM, SUM_2, SUM_3 = 0, 1, 2, 3, 4, 5, 6, 7


def add_words(a, b, c, d, e, f):
    """Three words plus three words; only what falls below the third is rounded."""
    a, r = two_sum(a, d)
    b, t = two_sum(b, e)
    b, r = two_sum(b, r)
    return a, b, c + (f + (t + r))


def join_words(banks, row, count):
    """Add to ``count`` sums in three words, from a row on, those beside them."""
    for j in range(row, row + count):
        a, b, c = add_words(
            load(banks, j),
            load(banks, PITCH + j),
            load(banks, 2 * PITCH + j),
            load(banks, BESIDE + j),
            load(banks, BESIDE + PITCH + j),
            load(banks, BESIDE + 2 * PITCH + j),
        )
        store(banks, j, a)
        store(banks, PITCH + j, b)
        store(banks, 2 * PITCH + j, c)


def split_terms(words, slots, terms):
    """``n Q - S^2`` of each slot as a sum of twelve float64 numbers: every product splits exactly in two."""
    for j in range(slots):
        n = load(words, j)
        s, c = fast_two_sum(words[PITCH + j], words[2 * PITCH + j])
        for k in range(3):
            p, e = two_prod(n, words[(4 + k) * PITCH + j])
            terms[2 * k * PITCH + j] = e
            terms[(2 * k + 1) * PITCH + j] = p
        p, e = two_prod(c, -c)
        terms[6 * PITCH + j] = e
        terms[7 * PITCH + j] = p
        p, e = two_prod(s, -2.0 * c)
        terms[8 * PITCH + j] = e
        terms[9 * PITCH + j] = p
        p, e = two_prod(s, -s)
        terms[10 * PITCH + j] = e
        terms[11 * PITCH + j] = p


def sweep(slots, terms):
    """Add the terms up, each rounding error taking the place of a term (VecSum)."""
    for k in range(1, TERMS):
        for j in range(slots):
            a, e = two_sum(terms[k * PITCH + j], terms[(k - 1) * PITCH + j])
            terms[k * PITCH + j] = a
            terms[(k - 1) * PITCH + j] = e


def finish(words, slots, terms):
    """Turn the sums of each slot into count, mean and m2, the last two in two words.

    ``mean = pivot + S / n``. ``m2 = (n Q - S^2) / n``, its terms added by five sweeps: cancellation costs nothing.
    """
    split_terms(words, slots, terms)
    for _ in range(SWEEPS):
        sweep(slots, terms)
    for j in range(slots):
        rest = terms[j]
        for k in range(1, TERMS - 1):
            rest += terms[k * PITCH + j]
        a, e = fast_two_sum(terms[(TERMS - 1) * PITCH + j], rest)
        count = words[j]
        n = count + (count == 0.0)
        special = words[SPECIAL * PITCH + j]
        scale = words[SCALE * PITCH + j]
        v, r = divide(greater(a, 0.0), e if a > 0.0 else 0.0, n)
        s, c, t = words[PITCH + j], words[2 * PITCH + j], words[3 * PITCH + j]
        words[M2 * PITCH + j] = v / scale / scale + (special - special)
        words[M2_TAIL * PITCH + j] = r / scale / scale
        m, r = fast_two_sum(s, c + t)
        m, r = divide(m, r, n)
        pivot, rest = fast_two_sum(words[PIVOT * PITCH + j], words[PIVOT_TAIL * PITCH + j])
        m, r = add(pivot, rest, m, r)
        words[MEAN * PITCH + j] = m / scale + special
        words[MEAN_TAIL * PITCH + j] = r / scale
        p, e = two_prod(count, pivot)  # of nothing, there is a pivot as well
        s, c, t = add_words(s, c, t, p, e, 0.0)
        p, e = two_prod(count, rest)
        s, c, t = add_words(s, c, t, p, e, 0.0)
        words[SUM * PITCH + j] = s + (special - special) if scale == 1.0 else NAN
        words[SUM_2 * PITCH + j] = c
        words[SUM_3 * PITCH + j] = t


def healthy(s, least, greatest):
    """Whether sums of these values can be trusted: no NaN or infinity, squares within the range of float64."""
    if s - s != 0.0:
        return False
    magnitude = greater(1.0 * greatest, -1.0 * least)
    return magnitude <= 0.0 or range_scale(magnitude) == 1.0
