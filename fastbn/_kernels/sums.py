"""From sums to moments: joining sums, the finish of a tile, and the rescue of one which the fast way cannot do.

A slot is described by rows of a buffer: COUNT, then six sums (``accumulate.py``), then SPECIAL (0, an infinity or
NaN, added to the mean), PIVOT (what was subtracted before summing) and SCALE (the power of two that the values were
multiplied by).
"""

from .._algebra import add, divide, fast_two_sum, range_scale, two_prod, two_sum
from .accumulate import WIDTH
from .machine import greater, load

COUNT, SPECIAL = 0, 7
PIVOT, PIVOT_TAIL, SCALE = 8, 9, 10
WORDS = 11  # rows of a slot
TERMS = 14  # rows of scratch for the finish
SWEEPS = 5  # of VecSum: leaves 2^-106 of a result that cancelled by up to 2^159

COUNTED, MEAN, MEAN_TAIL, M2, M2_TAIL = 0, 1, 2, 3, 4  # rows of a state


def add_sums(s, c, q, f, g, h, t, d, r, k, u, m):
    """Six sums plus six sums; rounding errors go to the second word of each pair."""
    s, e = two_sum(s, t)
    c = c + (e + d)
    q, e = two_sum(q, r)
    f = f + (e + k)
    g, e = two_sum(g, u)
    h = h + (e + m)
    return s, c, q, f, g, h


def join_sums(into, i, i_row, part, j, j_row, count):
    """Add ``count`` slots of sums to as many others."""
    for k in range(count):
        a = i + k
        b = j + k
        into[a] += part[b]
        (
            into[a + i_row],
            into[a + 2 * i_row],
            into[a + 3 * i_row],
            into[a + 4 * i_row],
            into[a + 5 * i_row],
            into[a + 6 * i_row],
        ) = add_sums(
            into[a + i_row],
            into[a + 2 * i_row],
            into[a + 3 * i_row],
            into[a + 4 * i_row],
            into[a + 5 * i_row],
            into[a + 6 * i_row],
            part[b + j_row],
            part[b + 2 * j_row],
            part[b + 3 * j_row],
            part[b + 4 * j_row],
            part[b + 5 * j_row],
            part[b + 6 * j_row],
        )
        into[a + SPECIAL * i_row] += part[b + SPECIAL * j_row]


def finish(words, slots, terms):
    """Turn the sums of each slot into count, mean and m2, the last two in two words.

    ``m2 = (n Q - S^2) / n``: every product splits exactly in two, the 14 terms are added by five sweeps of two_sum,
    so the cancellation costs nothing. ``mean = pivot + S / n``.
    """
    for j in range(slots):
        n = words[j]
        s, c = fast_two_sum(words[WIDTH + j], words[2 * WIDTH + j])
        words[WIDTH + j] = s
        words[2 * WIDTH + j] = c
        for k in range(4):
            p, e = two_prod(n, words[(3 + k) * WIDTH + j])
            terms[2 * k * WIDTH + j] = e
            terms[(2 * k + 1) * WIDTH + j] = p
        p, e = two_prod(c, -c)
        terms[8 * WIDTH + j] = e
        terms[9 * WIDTH + j] = p
        p, e = two_prod(s, -2.0 * c)
        terms[10 * WIDTH + j] = e
        terms[11 * WIDTH + j] = p
        p, e = two_prod(s, -s)
        terms[12 * WIDTH + j] = e
        terms[13 * WIDTH + j] = p
    for _ in range(SWEEPS):
        for k in range(1, TERMS):
            for j in range(slots):
                a, e = two_sum(terms[k * WIDTH + j], terms[(k - 1) * WIDTH + j])
                terms[k * WIDTH + j] = a
                terms[(k - 1) * WIDTH + j] = e
    for j in range(slots):
        rest = terms[j]
        for k in range(1, TERMS - 1):
            rest += terms[k * WIDTH + j]
        a, e = fast_two_sum(terms[(TERMS - 1) * WIDTH + j], rest)
        n = words[j]
        special = words[SPECIAL * WIDTH + j]
        scale = words[SCALE * WIDTH + j]
        v, t = divide(greater(a, 0.0), e if a > 0.0 else 0.0, n)
        words[M2 * WIDTH + j] = v / scale / scale + (special - special)
        words[M2_TAIL * WIDTH + j] = t / scale / scale
        m, t = divide(words[WIDTH + j], words[2 * WIDTH + j], n)
        pivot, rest = fast_two_sum(words[PIVOT * WIDTH + j], words[PIVOT_TAIL * WIDTH + j])
        m, t = add(pivot, rest, m, t)
        words[MEAN * WIDTH + j] = m / scale + special
        words[MEAN_TAIL * WIDTH + j] = t / scale


def healthy(s, least, greatest):
    """Whether sums of these values can be trusted: no NaN or infinity, squares within the range of float64."""
    if s - s != 0.0:
        return False
    magnitude = greater(1.0 * greatest, -1.0 * least)
    return magnitude == 0.0 or range_scale(magnitude) == 1.0


def rescue(x, base, pieces, stride, run, words, slot, least, greatest):
    """Sums of ``pieces`` runs of one channel with any values: scaled, infinities and NaN set apart."""
    magnitude = 0.0
    special = 0.0
    low = load(x, base)
    high = low
    for i in range(pieces):
        for j in range(run):
            v = load(x, base + i * stride + j)
            d = 1.0 * v
            if d - d != 0.0:
                special += d
            else:
                magnitude = greater(magnitude, abs(d))
            if low == low and not v >= low:
                low = v
            if high == high and not v <= high:
                high = v
    scale = range_scale(magnitude)
    s, c, q, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(pieces):
        for j in range(run):
            d = 1.0 * load(x, base + i * stride + j)
            if d - d == 0.0:
                d *= scale
                p, e = two_prod(d, d)
                s, c, q, f, g, h = add_sums(s, c, q, f, g, h, d, 0.0, p, 0.0, e, 0.0)
    words[WIDTH + slot] = s
    words[2 * WIDTH + slot] = c
    words[3 * WIDTH + slot] = q
    words[4 * WIDTH + slot] = f
    words[5 * WIDTH + slot] = g
    words[6 * WIDTH + slot] = h
    words[SPECIAL * WIDTH + slot] = special
    words[SCALE * WIDTH + slot] = scale
    least[slot] = low
    greatest[slot] = high
