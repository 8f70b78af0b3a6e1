"""What a pair of values does to the nine words of its thread, about a centre in two words; as in ``steps.py``.

A variant binds ``head`` and ``tail_of`` (a value in two words). Additions in float64 per pair: gradient [42], weighted
[70]. Values with a tail are integers, whose scale is 1.
"""

from numpy import float64

from ..._algebra import two_prod, two_sum
from ..steps import add_product, add_word


def difference(v, centre, tail):
    """``v - centre`` in two words."""
    d, e = two_sum(head(v), -centre)
    return d, (e - tail) + tail_of(v)


def gradient(v, w, centre, tail, scale, sums):
    """(s, c, t) += w; (q, f, h) += w*d with d = v - centre."""
    s, c, t, q, f, h, g, r, k = sums
    w = float64(w)
    d, e = difference(v, centre, tail)
    s, c, t = add_word(s, c, t, w)
    p, b = two_prod(w, d)
    q, f, h = add_product(q, f, h, p, b + w * e)
    return s, c, t, q, f, h, g, r, k


def weighted(v, w, centre, tail, scale, sums):
    """(s, c, t) += w; (q, f, h) += w*d; (g, r, k) += w*d*d with d = scale v - centre, which two words hold exactly.

    Of values with a tail the centre is whole.
    """
    s, c, t, q, f, h, g, r, k = sums
    w = float64(w)
    d, e = two_sum(head(v) * scale, -centre)
    d, e = two_sum(d, (e - tail) + tail_of(v))
    s, c, t = add_word(s, c, t, w)
    p, b = two_prod(w, d)
    b = b + w * e
    q, f, h = add_product(q, f, h, p, b)
    m, a = two_prod(p, d)
    g, r, k = add_product(g, r, k, m, a + (p * e + b * d))
    return s, c, t, q, f, h, g, r, k
