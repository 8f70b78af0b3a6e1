"""Tile kernels: the extremes of lanes, then per-lane sums of d = x - pivot and d*d that lose nothing that counts.

Each asks for the same row of the next tile, ``ahead`` elements on, so that memory works while the sums are formed
(without it, 1.4 times the time for float64 from memory). Each takes ``rows`` rows of ``lanes`` values and adds at
most ``ROWS`` terms to a lane. ``acc`` has rows S, C, T, Q, F, G: the sum of d is (S - START) + (C - CARRY) + T; the
sum of squares is (Q - BIAS) + F + G. The pivot makes d exact and the squares as small as the spread (``pivots.py``).
A sum that starts at more than all its terms together gives the rounding error of each addition in three operations
(fast_two_sum) instead of six, and never leaves the range where these errors are small; docs/design.md has the bounds.
Four variants by what a value needs (additions and multiplications per value in brackets):

* narrow [6]: integers up to 16 bits and float16. S is exact by itself; BIAS = 1.5 * 2^44 cuts squares at 2^-8, which
  keeps Q and F exact.
* single [13]: float32, whose squares are exact in float64; the error of C goes to T.
* double [15]: float64 and 32-bit integers, with the error of the square in G as well.
* wide [23]: 64-bit integers, d in two words; C is exact.
"""

from .._algebra import two_prod, two_sum
from .machine import greater, lesser, line, load, prefetch
from .sizes import PITCH

S, C, T, Q, F, G = 0, PITCH, 2 * PITCH, 3 * PITCH, 4 * PITCH, 5 * PITCH
PIVOT, PIVOT_TAIL, START, CARRY, BIAS = 6 * PITCH, 7 * PITCH, 8 * PITCH, 9 * PITCH, 10 * PITCH


def fetch(x, at, lanes):
    """Ask for a row that is wanted later."""
    for j in range(0, lanes, line(x)):
        prefetch(x, at + j)


def survey(x, base, rows, stride, lanes, least, greatest):
    """Extremes of every lane."""
    for i in range(rows):
        at = base + i * stride
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])


def accumulate_narrow(x, base, rows, stride, lanes, acc, ahead):
    """s += x; (q, f) += x*x."""
    for i in range(rows):
        at = base + i * stride
        fetch(x, at + ahead, lanes)
        for j in range(lanes):
            d = 1.0 * load(x, at + j)
            p = d * d
            q = acc[Q + j]
            t = q + p
            acc[S + j] += d
            acc[Q + j] = t
            acc[F + j] += p - (t - q)


def accumulate_single(x, base, rows, stride, lanes, acc, ahead):
    """(s, c, t) += d; (q, f) += d*d."""
    for i in range(rows):
        at = base + i * stride
        fetch(x, at + ahead, lanes)
        for j in range(lanes):
            d = 1.0 * load(x, at + j) - acc[PIVOT + j]
            s = acc[S + j]
            t = s + d
            e = d - (t - s)
            c = acc[C + j]
            u = c + e
            p = d * d
            q = acc[Q + j]
            v = q + p
            acc[S + j] = t
            acc[C + j] = u
            acc[T + j] += e - (u - c)
            acc[Q + j] = v
            acc[F + j] += p - (v - q)


def accumulate_double(x, base, rows, stride, lanes, acc, ahead):
    """(s, c, t) += d; (q, f) + g += d*d, the square in two words."""
    for i in range(rows):
        at = base + i * stride
        fetch(x, at + ahead, lanes)
        for j in range(lanes):
            d = 1.0 * load(x, at + j) - acc[PIVOT + j]
            s = acc[S + j]
            t = s + d
            e = d - (t - s)
            c = acc[C + j]
            u = c + e
            p, r = two_prod(d, d)
            q = acc[Q + j]
            v = q + p
            acc[S + j] = t
            acc[C + j] = u
            acc[T + j] += e - (u - c)
            acc[Q + j] = v
            acc[F + j] += p - (v - q)
            acc[G + j] += r


def accumulate_wide(x, base, rows, stride, lanes, acc, ahead):
    """d + r = x - pivot; (s, c) += d + r; (q, f) + g += (d + r)^2."""
    for i in range(rows):
        at = base + i * stride
        fetch(x, at + ahead, lanes)
        for j in range(lanes):
            v = load(x, at + j)
            h = (v >> 11) << 11
            d, r = two_sum(1.0 * h, -acc[PIVOT + j])
            d, r = two_sum(d, r + (1.0 * (v - h) - acc[PIVOT_TAIL + j]))
            s = acc[S + j]
            u = s + d
            p, m = two_prod(d, d)
            q = acc[Q + j]
            t = q + p
            acc[S + j] = u
            acc[C + j] += (d - (u - s)) + r
            acc[Q + j] = t
            acc[F + j] += p - (t - q)
            acc[G + j] += m + 2.0 * d * r
