"""Scalar formulas: error-free transformations, double-double arithmetic, moments and their merge.

Everything here is plain arithmetic without branches on data, written once. It runs on floats and on NumPy vectors as
it stands; a backend compiles the same source with four names bound to what suits a machine (``_kernels/machine.py``):
``two_prod`` and ``multiply_add`` (one fused multiply-add instead of 17 or 24 operations), ``sqrt`` and ``select``.

A number in two words is written ``(head, tail)``: ``head + tail`` is its value and ``head`` is that value rounded to
float64.

Sources: Dekker 1971; Knuth, TAOCP 2, 4.2.2; Ogita, Rump, Oishi 2005 (two_sum, two_prod, VecSum); Chan, Golub, LeVeque
1983 (merge).
"""

from numpy import sqrt
from numpy import where as select

_SPLITTER = 134217729.0  # 2^27 + 1
_LEADING = 4503599627370497.0  # 2^52 + 1
_NAN = float("nan")
_BELOW_ONE = 1.0 - 2.0**-53
_HUGE = 2.0**480  # beyond these two, squares or their errors would leave the range of float64 ...
_TINY = 2.0**-400
_DOWN = 2.0**-600  # ... so such values are scaled by these exact powers first
_UP = 2.0**600
_ROOT_FLOOR = 2.0**-900  # below, the error of a square is no longer a float64: take the root of 2^600 times as much
_ROOT_DROP = 2.0**-300


def two_sum(a, b):
    """Sum and its exact rounding error."""
    s = a + b
    z = s - a
    return s, (a - (s - z)) + (b - z)


def fast_two_sum(a, b):
    """As ``two_sum``, for ``abs(a) >= abs(b)`` or ``a == 0``."""
    s = a + b
    return s, b - (s - a)


def two_prod(a, b):
    """Product and its exact rounding error (exact while the product is at least 2^-969)."""
    p = a * b
    t = _SPLITTER * a
    ah = t - (t - a)
    al = a - ah
    t = _SPLITTER * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def multiply_add(a, b, c):
    """``a*b + c`` rounded once (here but for near ties; a backend's own form has to be exact)."""
    p, e = two_prod(a, b)
    s, f = two_sum(p, c)
    return s + (f + e)


def leading(v):
    """The largest power of two that is not larger than v >= 0 (Rump, "Accurate floating-point summation", 2008)."""
    q = _LEADING * v
    return abs(q - _BELOW_ONE * q)


def finite_or_zero(v):
    """Replace an infinite or NaN correction by 0: the head then already says inf or NaN."""
    return select(v - v == 0.0, v, 0.0)


def add(ah, al, bh, bl):
    """Sum of two double-doubles, relative error 2^-105."""
    s, e = two_sum(ah, bh)
    t, f = two_sum(al, bl)
    s, e = fast_two_sum(s, e + t)
    return fast_two_sum(s, e + f)


def multiply(ah, al, b):
    """Double-double times float64."""
    p, e = two_prod(ah, b)
    return fast_two_sum(p, e + al * b)


def multiply_words(ah, al, bh, bl):
    """Double-double times double-double."""
    p, e = two_prod(ah, bh)
    return fast_two_sum(p, e + (ah * bl + al * bh))


def divide(ah, al, b):
    """Double-double by float64; exact where the quotient fits two words (so that ties round as they should)."""
    q = ah / b
    p, e = two_prod(q, b)
    r, t = add(ah, al, -p, -e)
    c = finite_or_zero((r + t) / b)
    s = q + c
    return s, finite_or_zero(c - (s - q))


def divide_words(ah, al, bh, bl):
    """Double-double by double-double."""
    q = ah / bh
    p, e = multiply(bh, bl, q)
    r, t = add(ah, al, -p, -e)
    c = finite_or_zero((r + t) / bh)
    s = q + c
    return s, finite_or_zero(c - (s - q))


def root(ah, al):
    """Square root of a double-double (one Newton step from the float64 root)."""
    lift = select(ah < _ROOT_FLOOR, _UP, 1.0)
    drop = select(ah < _ROOT_FLOOR, _ROOT_DROP, 1.0)
    s = sqrt(ah * lift)
    p, e = two_prod(s, s)
    c = finite_or_zero((((ah * lift - p) - e) + al * lift) / (2.0 * s + (s == 0.0)))
    t = s + c
    return t * drop, finite_or_zero(c - (t - s)) * drop


def range_scale(magnitude):
    """Power of two that brings a magnitude to where squares and their errors are normal; 1 for almost all data."""
    return select(magnitude > _HUGE, _DOWN, select(magnitude < _TINY, _UP, 1.0))


def merge(na, ah, al, sh, sl, nb, bh, bl, th, tl):
    """Counts, means and sums of squared deviations (m2) of two parts -> those of the union."""
    n, _, m, t, s, r = merge_weighted(na, 0.0, ah, al, sh, sl, nb, 0.0, bh, bl, th, tl)
    return n, m, t, s, r


def merge_weighted(na, nl, ah, al, sh, sl, nb, ml, bh, bl, th, tl):
    """The same for weights in two words in place of counts.

    With ``d = mean_b - mean_a``: ``mean = mean_a + d nb/n`` and ``m2 = m2_a + m2_b + d^2 na nb/n`` (Chan, Golub,
    LeVeque), in double-double. ``nb == 0`` leaves the first part as it is, bit for bit. Infinite means add as IEEE
    numbers do.
    """
    n, rest = add(na, nl, nb, ml)
    scale = range_scale(abs(ah) + abs(bh))
    ah = ah * scale
    al = al * scale
    bh = bh * scale
    bl = bl * scale
    dh, dl = add(bh, bl, -ah, -al)
    gh, gl = multiply_words(dh, dl, nb, ml)
    gh, gl = divide_words(gh, gl, n + (n == 0.0), rest)
    mh, m_tail = add(ah, al, gh, gl)
    ph, pl = multiply_words(gh, gl, dh, dl)
    ph, pl = multiply_words(ph, pl, na, nl)
    ph = ph / scale / scale
    pl = pl / scale / scale
    qh, ql = add(sh, sl, th, tl)
    qh, ql = add(qh, ql, ph, pl)
    plain_mean = ah + bh
    plain_m2 = sh + th + ph
    regular = plain_mean - plain_mean == 0.0
    bounded = plain_m2 - plain_m2 == 0.0
    return (
        n,
        rest,
        select(regular, mh / scale, plain_mean),
        select(regular, m_tail / scale, 0.0),
        select(bounded, qh, plain_m2),
        select(bounded, ql, 0.0),
    )


def variance(n, sh, sl, ddof):
    """m2 / (n - ddof) in two words; NaN where ``n <= ddof``."""
    free = n - ddof
    return divide(sh, sl, select(free > 0.0, free, _NAN))


def affine(head, tail, pivot, pivot_tail, scale, scale_tail, shift, shift_tail, folded, _unused):
    """``(x - pivot) scale + shift`` for values in one word and outputs up to float32, where the caller rounds.

    ``folded`` is ``shift - pivot_tail scale``.
    """
    return (head - pivot) * scale + folded


def affine_words(head, tail, pivot, pivot_tail, scale, scale_tail, shift, shift_tail, _unused, _unused_too):
    """``(x - pivot) scale + shift`` for float64 output: everything in two words, rounded once (0.5 ulp)."""
    t, te = two_sum(head, -pivot)
    te = te + (tail - pivot_tail)
    p, pe = two_prod(t, scale)
    pe = pe + (t * scale_tail + te * scale)
    s, e = two_sum(p, shift)
    return s + finite_or_zero(e + (pe + shift_tail))


def affine_wide(head, tail, pivot, pivot_tail, scale, scale_tail, shift, shift_tail, _unused, _unused_too):
    """As ``affine_words``, for values in two words: their tails do not cancel exactly."""
    t, te = two_sum(head, -pivot)
    r, re = two_sum(tail, -pivot_tail)
    t, e = two_sum(t, r)
    return affine_words(t, te + (e + re), 0.0, 0.0, scale, scale_tail, shift, shift_tail, 0.0, 0.0)


def gradient(x, dy, mean, mean_tail, slope, tilt, offset, _unused, _unused_too, _unused_as_well):
    """``slope dy + tilt (x - mean) + offset``, and one NaN for all: which of two comes out is the compiler's choice."""
    v = slope * dy + (tilt * ((x - mean) - mean_tail) + offset)
    return select(v == v, v, _NAN)


def apart(low, low_tail, high, high_tail):
    """``high - low`` of numbers in two words, whose heads may be further apart than they are; rounded about once."""
    t, e = two_sum(high, -low)
    t, r = two_sum(t, high_tail - low_tail)
    return t + finite_or_zero(e + r)


def from_nearer_end(gone, width, slope, start, stop, least):
    """``start + gone slope``, or the same counted from ``stop``: exact at both ends, and inside them for x inside.

    A distance from the nearer end is at least ``least``: 0 clips.
    """
    left = width - gone
    distance = select(left < gone, left, gone)
    step = select(distance < least, least, distance) * slope
    above, below = start + step, stop - step  # both, or GCC makes branches of it (1.6 times the time)
    return select(gone <= left, above, below)


def rescale(head, tail, low, low_tail, factor, width, slope, start, stop, least):
    """``start + (x - low) slope`` for values in one word.

    ``factor`` is a power of two that brings the width to where no slope overflows; ``low`` and ``width`` come
    multiplied by it.
    """
    return from_nearer_end((head * factor - low) - low_tail, width, slope, start, stop, least)


def rescale_wide(head, tail, low, low_tail, factor, width, slope, start, stop, least):
    """The same for values in two words."""
    return from_nearer_end(apart(low, low_tail, head * factor, tail * factor), width, slope, start, stop, least)
