"""Tile kernels: add ``rows`` rows of ``lanes`` values into per-lane sums of x and x*x that lose nothing that counts.

``acc`` has rows S, C, Q, F, G, H: the sum is S + C, the sum of squares Q + F + G + H. At most ``ROWS`` terms go into
a lane. ``least`` and ``greatest`` hold the lanes' extremes. Four variants by what a value needs (additions per value
in brackets):

* narrow [5]: values whose sums are exact by themselves: integers up to 16 bits and float16. The square is cut at 2^-8,
  so that both parts of the sum are free of rounding for 2^13 terms.
* single [14]: float32. The square is exact in float64; sums by two_sum.
* double [21]: float64 and 32-bit integers. As single, with the error of the square in a third pair.
* wide [23]: 64-bit integers, about a pivot of the channel (rows PIVOT, PIVOT_TAIL), in two words.
"""

from .._algebra import two_prod, two_sum
from .machine import greater, lesser, load, prefetch

WIDTH = 256  # lanes at most; the distance between rows of a buffer
ROWS = 256  # terms per lane at most
LANES = 64  # lanes along a long run: 16 cost 1.3 times the time, 256 no less than 64
AHEAD = 512  # elements
LINE = 8  # elements of a cache line at least

S, C, Q, F, G, H = 0, WIDTH, 2 * WIDTH, 3 * WIDTH, 4 * WIDTH, 5 * WIDTH
PIVOT, PIVOT_TAIL = 6 * WIDTH, 7 * WIDTH
CUT = 1.5 * 2.0**44  # (p + CUT) - CUT rounds p to a multiple of 2^-8


def fetch_row(x, at, stride, lanes):
    """Ask for the row ``AHEAD`` elements on: the arithmetic of a row outlasts what the hardware looks ahead."""
    ahead = at + stride * (AHEAD // lanes + 1)
    for j in range(0, lanes, LINE):
        prefetch(x, ahead + j)


def accumulate_narrow(x, base, rows, stride, lanes, acc, least, greatest):
    """s += x; q + g += x*x, cut in two: exact."""
    for i in range(rows):
        at = base + i * stride
        fetch_row(x, at, stride, lanes)
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])
            d = 1.0 * v
            p = d * d
            t = (p + CUT) - CUT
            acc[S + j] += d
            acc[Q + j] += t
            acc[G + j] += p - t


def accumulate_single(x, base, rows, stride, lanes, acc, least, greatest):
    """(s, c) += x; (q, f) += x*x."""
    for i in range(rows):
        at = base + i * stride
        fetch_row(x, at, stride, lanes)
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])
            d = 1.0 * v
            s, e = two_sum(acc[S + j], d)
            acc[S + j] = s
            acc[C + j] += e
            q, e = two_sum(acc[Q + j], d * d)
            acc[Q + j] = q
            acc[F + j] += e


def accumulate_double(x, base, rows, stride, lanes, acc, least, greatest):
    """(s, c) += x; (q, f) + (g, h) += x*x, the square in two words."""
    for i in range(rows):
        at = base + i * stride
        fetch_row(x, at, stride, lanes)
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])
            d = 1.0 * v
            p, r = two_prod(d, d)
            s, e = two_sum(acc[S + j], d)
            acc[S + j] = s
            acc[C + j] += e
            q, e = two_sum(acc[Q + j], p)
            acc[Q + j] = q
            acc[F + j] += e
            g, e = two_sum(acc[G + j], r)
            acc[G + j] = g
            acc[H + j] += e


def accumulate_wide(x, base, rows, stride, lanes, acc, least, greatest):
    """d = x - pivot in two words; (s, c) += d; (q, f) += d*d."""
    for i in range(rows):
        at = base + i * stride
        fetch_row(x, at, stride, lanes)
        for j in range(lanes):
            v = load(x, at + j)
            least[j] = lesser(v, least[j])
            greatest[j] = greater(v, greatest[j])
            h = (v >> 11) << 11
            d, t = two_sum(1.0 * h, -acc[PIVOT + j])
            d, t = two_sum(d, t + (1.0 * (v - h) - acc[PIVOT_TAIL + j]))
            p, r = two_prod(d, d)
            s, e = two_sum(acc[S + j], d)
            acc[S + j] = s
            acc[C + j] += e + t
            q, e = two_sum(acc[Q + j], p)
            acc[Q + j] = q
            acc[F + j] += e + (r + 2.0 * d * t)
