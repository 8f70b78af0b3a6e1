"""Sums in float32, for GPUs that are slow at float64; in place of ``steps.py``, for float16 and float32.

(s, c, t) take the values and (q, f, g) their squares, each with the rounding errors of the word before; after 64 values
they are added to float64 words. Where all values have one sign and lie within a factor 2 of each other, squares are
multiples of 2^-46 of the largest, and 64 of them, with all errors, fit three words of 24 bits: nothing is lost. Else at
most 2^-47 of the largest square is, where 64 are as large (docs/design.md). A value takes 27
(float16) or 34 (float32) additions and products in float32, and 0.7 in float64.
"""

from numpy import float32, float64

from ..._algebra import two_sum
from ..sums import add_words

ZERO, ONE = float32(0.0), float32(1.0)
NOTHING = (ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
TOGETHER = 64  # values between two additions to float64
DOWN, UP, FAR_UP = float32(2.0**-84), float32(2.0**70), float32(2.0**120)
LARGE, SMALL, TINY = 2.0**55, 2.0**-40, 2.0**-95


def two_prod_single(a, b):
    """Product of two float32 and its rounding error."""
    p = a * b
    return p, float32(float64(a) * float64(b) - float64(p))


def half(v, w, centre, tail, scale, sums):
    """(s, c, t) += v; (q, f, g) += v*v, which float32 holds."""
    s, c, t, q, f, g, ss, cc, tt, qq, ff, gg = sums
    s, e = two_sum(s, v)
    c, e = two_sum(c, e)
    q, a = two_sum(q, v * v)
    f, a = two_sum(f, a)
    return s, c, t + e, q, f, g + a, ss, cc, tt, qq, ff, gg


def single(v, w, centre, tail, scale, sums):
    """(s, c, t) += v; (q, f, g) += v*v."""
    s, c, t, q, f, g, ss, cc, tt, qq, ff, gg = sums
    d = v * scale
    s, e = two_sum(s, d)
    c, e = two_sum(c, e)
    p, b = two_prod_single(d, d)
    q, a = two_sum(q, p)
    f, a = two_sum(f, a)
    f, b = two_sum(f, b)
    return s, c, t + e, q, f, g + (a + b), ss, cc, tt, qq, ff, gg


def widen(sums):
    """Add what float32 has to the float64 words."""
    s, c, t, q, f, g, ss, cc, tt, qq, ff, gg = sums
    ss, cc, tt = add_words(ss, cc, tt, float64(s), float64(c), float64(t))
    qq, ff, gg = add_words(qq, ff, gg, float64(q), float64(f), float64(g))
    return ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ss, cc, tt, qq, ff, gg


def pack(sums):
    """The words of a slot."""
    _, _, _, _, _, _, s, c, t, q, f, g = widen(sums)
    return s, c, t, q, f, g, 0.0, 0.0, 0.0


def centre(state, groups, group):
    """Nothing is subtracted, and values are multiplied in float32: a conversion takes as long as float64."""
    return 0.0, 0.0, ONE


def scale(size):
    """What brings values up to this size to where float32 holds their squares, and the errors of these."""
    if not size > 0.0:
        return ONE
    if size > LARGE:
        return DOWN
    if size < TINY:
        return FAR_UP
    return UP if size < SMALL else ONE
