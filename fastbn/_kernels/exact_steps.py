"""What one value does to the nine words of its lane in the exact method; nothing is lost to rounding.

(s, c, t) take the values, (q, f, h) their squares, (g, r, k) what a float64 square does not hold. A sum that starts
above all its terms gives the rounding error of each addition in two operations; that error goes to the next word, and
the last word in use is exact by itself. ``exact.py`` sees to it: it chooses the form, and ``floor``, below which values
are left out here. Additions and multiplications per value:

* exact_plain [3, 2]: integers up to 32 bits, float16.
* exact_single [4, 2], exact_single_careful [11, 2]: float32.
* exact_double [12, 2], exact_double_careful [21, 2]: float64.
* exact_wide [21, 5]: 64-bit integers, in two parts.
"""

from .._algebra import multiply_add
from .machine import select, two_prod
from .operands import head_wide, low_bits


def grow(total, v):
    """A sum that is larger than its terms, and the exact error of the addition (fast_two_sum)."""
    u = total + v
    return u, v - (u - total)


def grow_square(q, d):
    """The same for the square of a number, which is not rounded before."""
    u = multiply_add(d, d, q)
    return u, multiply_add(d, d, q - u)


def present(v, floor):
    """The value, or 0 if it is left out; NaN is not."""
    d = 1.0 * v
    return select(abs(d) < floor, 0.0, d)


def exact_plain(v, floor, s, c, t, q, f, h, g, r, k):
    """s += v; (q, f) += v*v."""
    d = 1.0 * v
    q, a = grow_square(q, d)
    return s + d, c, t, q, f + a, h, g, r, k


def exact_single(v, floor, s, c, t, q, f, h, g, r, k):
    """s += v; (q, f) += v*v."""
    d = present(v, floor)
    q, a = grow_square(q, d)
    return s + d, c, t, q, f + a, h, g, r, k


def exact_single_careful(v, floor, s, c, t, q, f, h, g, r, k):
    """(s, c, t) += v; (q, f, h) += v*v."""
    d = present(v, floor)
    s, e = grow(s, d)
    c, e = grow(c, e)
    q, a = grow_square(q, d)
    f, a = grow(f, a)
    return s, c, t + e, q, f, h + a, g, r, k


def exact_double(v, floor, s, c, t, q, f, h, g, r, k):
    """(s, c) += v; (q, f) + (g, r) += v*v."""
    d = present(v, floor)
    p, b = two_prod(d, d)
    s, e = grow(s, d)
    q, a = grow(q, p)
    g, b = grow(g, b)
    return s, c + e, t, q, f + a, h, g, r + b, k


def exact_double_careful(v, floor, s, c, t, q, f, h, g, r, k):
    """(s, c, t) += v; (q, f, h) + (g, r, k) += v*v."""
    d = present(v, floor)
    p, b = two_prod(d, d)
    s, e = grow(s, d)
    c, e = grow(c, e)
    q, a = grow(q, p)
    f, a = grow(f, a)
    g, b = grow(g, b)
    r, b = grow(r, b)
    return s, c, t + e, q, f, h + a, g, r, k + b


def exact_wide(v, floor, s, c, t, q, f, h, g, r, k):
    """(s, c) + t += d + w; (q, f, h) + (g, r) + k += d*d + 2*d*w + w*w, with d a multiple of 2^11 and w the rest."""
    d = head_wide(v)
    w = low_bits(v)
    p, b = two_prod(d, d)
    s, e = grow(s, d)
    q, a = grow(q, p)
    f, a = grow(f, a)
    g, b = grow(g, b)
    u = multiply_add(2.0 * d, w, g)
    b += multiply_add(2.0 * d, w, g - u)
    return s, c + e, t + w, q, f, h + a, u, r + b, k + w * w
