"""What one value does to the sums of its thread.

(s, c, t) take the values, (q, f, h) their squares, (g, r, k) what a float64 square does not hold. Nothing is subtracted
before: where squares cancel, all values have one sign and are within a factor 2 of each other, and then these words
hold the sums exactly (docs/design.md). Additions in float64 per value; while one comes from memory, a GPU that is good
at them has 16 (H200, float32) to 31 (float64) of them:

* whole [0]: integers up to 16 bits, whose sums int64 holds.
* half [8]: float16; the values' sum is exact, and so are the squares'.
* single [14]: float32; squares are exact.
* double [27]: float64 and 32-bit integers.
* wide [74]: 64-bit integers, in two parts.
"""

from numpy import float64, int64

from ..._algebra import two_prod, two_sum
from ..operands import head_wide, low_bits
from ..steps import add_product, add_word

NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
NOTHING_WHOLE = (int64(0), int64(0))


def whole(v, w, centre, tail, scale, sums):
    """s += v; q += v*v."""
    s, q = sums
    d = int64(v)
    return s + d, q + d * d


def half(v, w, centre, tail, scale, sums):
    """s += v; (q, f) += v*v."""
    s, c, t, q, f, h, g, r, k = sums
    d = float64(v)
    q, a = two_sum(q, d * d)
    return s + d, c, t, q, f + a, h, g, r, k


def single(v, w, centre, tail, scale, sums):
    """(s, c) += v; (q, f) += v*v."""
    s, c, t, q, f, h, g, r, k = sums
    d = float64(v)
    s, e = two_sum(s, d)
    q, a = two_sum(q, d * d)
    return s, c + e, t, q, f + a, h, g, r, k


def double(v, w, centre, tail, scale, sums):
    """(s, c, t) += v; (q, f) + (g, r) += v*v."""
    s, c, t, q, f, h, g, r, k = sums
    d = float64(v) * scale
    s, c, t = add_word(s, c, t, d)
    p, b = two_prod(d, d)
    q, a = two_sum(q, p)
    g, b = two_sum(g, b)
    return s, c, t, q, f + a, h, g, r + b, k


def wide(v, w, centre, tail, scale, sums):
    """(s, c, t) += d + e; (q, f, h) += (d + e)^2, with d a multiple of 2^11 and e the rest."""
    s, c, t, q, f, h, g, r, k = sums
    d, e = float64(head_wide(v)), float64(low_bits(v))
    s, c, t = add_product(s, c, t, d, e)
    p, b = two_prod(d, d)
    q, f, h = add_product(q, f, h, p, b)
    p, b = two_prod(2.0 * d, e)
    q, f, h = add_product(q, f, h, p, b)
    q, f, h = add_word(q, f, h, e * e)
    return s, c, t, q, f, h, g, r, k
