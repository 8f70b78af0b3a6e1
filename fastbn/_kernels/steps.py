"""What one value does to the sums of its lane: (s, c, t) take d = x - pivot, (q, f) take d*d.

A sum that starts at more than all its terms together gives the rounding error of each addition in three operations
(fast_two_sum) instead of six, and never leaves the range where these errors are small. What a lane needs beyond that
depends on its values (``pivots.py`` decides; docs/design.md has the bounds). Additions and multiply-adds per value:

* plain [4, 2]: s is exact by itself.
* half [3, 2]: as plain, about 0 (float16, read as float64).
* carried [7, 2]: the errors of s go to c, which is exact.
* general [10, 2]: the errors of c go to t.
* wide [22, 4]: 64-bit integers, d in two words; c is exact.
* short_product [15, 1]: of a pair of float32; (s, c) take w, (q, f) take w*d.
* product [34, 2]: of a pair; (s, c, t) take w, (q, f, h) take w*d.
* weighted [29, 5]: of a pair; (s, c, t) take w*d, (q, f) take w*d*d.
"""

from .._algebra import multiply_add, two_prod, two_sum
from .operands import head_wide, low_bits


def add_square(q, f, d):
    """(q, f) += d*d; f takes the errors of the sum and of the square."""
    u = multiply_add(d, d, q)
    return u, f + multiply_add(d, d, q - u)


def plain(v, pivot, pivot_tail, s, c, t, q, f):
    """s += d."""
    d = 1.0 * v - pivot
    q, f = add_square(q, f, d)
    return s + d, c, t, q, f


def half(v, pivot, pivot_tail, s, c, t, q, f):
    """s += v."""
    q, f = add_square(q, f, v)
    return s + v, c, t, q, f


def carried(v, pivot, pivot_tail, s, c, t, q, f):
    """(s, c) += d."""
    d = 1.0 * v - pivot
    q, f = add_square(q, f, d)
    r = s + d
    return r, c + (d - (r - s)), t, q, f


def general(v, pivot, pivot_tail, s, c, t, q, f):
    """(s, c, t) += d."""
    d = 1.0 * v - pivot
    q, f = add_square(q, f, d)
    r = s + d
    e = d - (r - s)
    u = c + e
    return r, u, t + (e - (u - c)), q, f


def wide(v, pivot, pivot_tail, s, c, t, q, f):
    """d + e = x - pivot; (s, c) += d + e; (q, f) += (d + e)^2."""
    d, e = two_sum(head_wide(v), -pivot)
    d, e = two_sum(d, e + (low_bits(v) - pivot_tail))
    q, f = add_square(q, f, d)
    r = s + d
    return r, c + ((d - (r - s)) + e), t, q, f + 2.0 * d * e


def add_word(s, c, t, d):
    """(s, c, t) += d; only what falls below the third word is rounded."""
    s, d = two_sum(s, d)
    c, d = two_sum(c, d)
    return s, c, t + d


def add_product(s, c, t, p, e):
    """(s, c, t) += p + e, where e is at most a rounding error of p."""
    s, c, t = add_word(s, c, t, p)
    c, e = two_sum(c, e)
    return s, c, t + e


def short_product(v, w, pivot, s, c, t, q, f, h):
    """(s, c) += w; (q, f) += w*d, where d and the product are exact."""
    w = 1.0 * w
    s, r = two_sum(s, w)
    q, a = two_sum(q, w * (1.0 * v - pivot))
    return s, c + r, t, q, f + a, h


def product(v, w, pivot, s, c, t, q, f, h):
    """(s, c, t) += w; (q, f, h) += w*d, where d is exact."""
    w = 1.0 * w
    s, c, t = add_word(s, c, t, w)
    p, e = two_prod(w, 1.0 * v - pivot)
    q, f, h = add_product(q, f, h, p, e)
    return s, c, t, q, f, h


def weighted(v, w, pivot, s, c, t, q, f, h):
    """(s, c, t) += w*d; (q, f) += w*d*d, where d is v itself and nothing cancels."""
    d = 1.0 * v
    p, e = two_prod(1.0 * w, d)
    s, c, t = add_product(s, c, t, p, e)
    p, r = two_prod(p, d)
    q, a = two_sum(q, p)
    return s, c, t, q, f + (a + (r + e * d)), h
