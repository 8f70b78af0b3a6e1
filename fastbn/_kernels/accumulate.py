"""Tile kernels: the extremes of lanes, then per-lane sums of d = x - pivot and d*d that lose nothing that counts.

Each takes ``rows`` rows of ``lanes`` values and adds at most ``ROWS`` terms to a lane. ``acc`` has rows S, C, T, Q,
F, G: the sum of d is S + (C - CARRY) + T; the sum of squares is (Q - BIAS) + F + G. The pivot makes d exact and the
squares as small as the spread (``pivots.py``). Q starts at BIAS, more than all squares together: three operations
then give the rounding error of each addition (fast_two_sum), and the lane never leaves the range where these errors
are small. C starts at CARRY in the same way where its own errors count. docs/design.md has the bounds. Four variants
by what a value needs (additions and multiplications per value in brackets):

* narrow [6]: integers up to 16 bits and float16. S is exact by itself; BIAS = 1.5 * 2^44 cuts squares at 2^-8, which
  keeps Q and F exact.
* single [13]: float32. Squares are exact in float64, and so is C while values span less than 60 binary orders.
* double [18]: float64 and 32-bit integers, with the error of the square in G and that of C in T.
* wide [22]: 64-bit integers, d in two words; C is exact.
"""

from .._algebra import two_prod, two_sum
from .machine import greater, lesser, load, prefetch

WIDTH = 256  # lanes at most
PITCH = 320  # from row to row of a buffer: 2^n bytes would alias in the store buffer (1.6 times the time)
ROWS = 256  # terms per lane at most
LANES = 64  # lanes along a long run: 16 cost 1.3 times the time, 256 no less than 64

S, C, T, Q, F, G = 0, PITCH, 2 * PITCH, 3 * PITCH, 4 * PITCH, 5 * PITCH
PIVOT, PIVOT_TAIL, BIAS, CARRY = 6 * PITCH, 7 * PITCH, 8 * PITCH, 9 * PITCH

AHEAD = 512  # elements
LINE = 8  # elements of a cache line at least


def survey(x, base, rows, stride, lanes, least, greatest):
    """Extremes of every lane. The first to touch a tile, it asks early for what comes ``AHEAD`` elements on."""
    for i in range(rows):
        at = base + i * stride
        ahead = at + stride * (AHEAD // lanes + 1)
        for j in range(0, lanes, LINE):
            prefetch(x, ahead + j)
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])


def accumulate_narrow(x, base, rows, stride, lanes, acc):
    """s += x; (q, f) += x*x."""
    for i in range(rows):
        at = base + i * stride
        for j in range(lanes):
            d = 1.0 * load(x, at + j)
            p = d * d
            q = acc[Q + j]
            t = q + p
            acc[S + j] += d
            acc[Q + j] = t
            acc[F + j] += p - (t - q)


def accumulate_single(x, base, rows, stride, lanes, acc):
    """(s, c) += d; (q, f) += d*d."""
    for i in range(rows):
        at = base + i * stride
        for j in range(lanes):
            d = 1.0 * load(x, at + j) - acc[PIVOT + j]
            s, e = two_sum(acc[S + j], d)
            p = d * d
            q = acc[Q + j]
            t = q + p
            acc[S + j] = s
            acc[C + j] += e
            acc[Q + j] = t
            acc[F + j] += p - (t - q)


def accumulate_double(x, base, rows, stride, lanes, acc):
    """(s, c, t) += d; (q, f) + g += d*d, the square in two words."""
    for i in range(rows):
        at = base + i * stride
        for j in range(lanes):
            d = 1.0 * load(x, at + j) - acc[PIVOT + j]
            s, e = two_sum(acc[S + j], d)
            c = acc[C + j]
            u = c + e
            p, r = two_prod(d, d)
            q = acc[Q + j]
            v = q + p
            acc[S + j] = s
            acc[C + j] = u
            acc[T + j] += e - (u - c)
            acc[Q + j] = v
            acc[F + j] += p - (v - q)
            acc[G + j] += r


def accumulate_wide(x, base, rows, stride, lanes, acc):
    """d + r = x - pivot; (s, c) += d + r; (q, f) + g += (d + r)^2."""
    for i in range(rows):
        at = base + i * stride
        for j in range(lanes):
            v = load(x, at + j)
            h = (v >> 11) << 11
            d, r = two_sum(1.0 * h, -acc[PIVOT + j])
            d, r = two_sum(d, r + (1.0 * (v - h) - acc[PIVOT_TAIL + j]))
            s, e = two_sum(acc[S + j], d)
            p, m = two_prod(d, d)
            q = acc[Q + j]
            t = q + p
            acc[S + j] = s
            acc[C + j] += e + r
            acc[Q + j] = t
            acc[F + j] += p - (t - q)
            acc[G + j] += m + 2.0 * d * r
