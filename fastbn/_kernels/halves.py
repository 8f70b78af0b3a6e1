"""float16 to float32 and from float64, without an instruction for it: both are loops that compilers vectorize.

NumPy's conversions take 1.2 and 1.6 ns per value, more than all that is done with it; these take 0.1 and 0.3. No number
in between is denormal: a thread may take these for 0.
"""

from .._algebra import leading
from .machine import greater, lesser, load, of_pattern, select, single, store, sum_pattern

INFINITE = 0x7C00  # bits of infinity; those of NaN are larger
QUIET = 0x7E00  # bits of a NaN
SIGN, NORMAL = 0x8000, 0x0400  # bits of the sign, and of the least number with all its digits ...
LEAST = 2.0**-14  # ... which is this
OVER = 65536.0  # rounds to infinity, as everything beyond it
BELOW = 2.0**-24  # least difference of two numbers
PLACES = 2.0**-10  # of a number, its next one's distance from its leading power of two
SHIFT = 1.5 * 2.0**52  # added to a number and subtracted, it leaves a whole one


def widen(halves, singles, count):
    """Bits of float16 to float32: digits and exponent move; a denormal number first becomes ``LEAST`` larger."""
    for k in range(count):
        h = load(halves, k)
        size = h & (SIGN - 1)
        small = size < NORMAL
        bias = select(size >= INFINITE, 224 << 23, select(small, 113 << 23, 112 << 23))
        lift = single(select(small, LEAST, 0.0))
        v = of_pattern((size << 13) + bias) - lift
        store(singles, k, select((h & SIGN) != 0, -v, v))


def narrow(values, halves, count):
    """float64 to bits of float16, rounded once, to the nearest and to the even of two."""
    for k in range(count):
        v = load(values, k)
        size = lesser(abs(v), OVER)
        shift = SHIFT * greater(leading(size) * PLACES, BELOW)
        size = (size + shift) - shift
        small = size < LEAST
        size += select(small, LEAST, 0.0)
        bits = (sum_pattern(size) >> 42) - select(small, 1009 << 10, 1008 << 10)
        bits = select(v == v, bits, QUIET)
        store(halves, k, bits | ((sum_pattern(v) >> 48) & SIGN))
