"""float16 as its bits: to float32, from float64, and in order; no instruction for it is needed.

All that is written here is vectorized by compilers. NumPy's conversions take 1.2 and 1.6 ns per value, more than all
that is done with it; these take 0.11 and 0.17. No number in between has to be denormal: a thread may take these for 0.
Most processors have instructions for ``of_half`` and ``of_single``. Where there are, LLVM puts them into its loops in
place of these two; C compilers do not, so ``widened`` and ``narrowed`` begin a row with them.
"""

from .machine import (
    lesser,
    load,
    narrowed,
    of_pattern,
    of_sum_pattern,
    select,
    short,
    single,
    single_pattern,
    store,
    sum_pattern,
    widened,
)

INFINITE = 0x7C00  # bits of infinity; those of NaN are larger
QUIET = 0x7E00  # bits of a NaN
SIGN, NORMAL = 0x8000, 0x0400  # bits of the sign, and of the least number with all its digits ...
LEAST = 2.0**-14  # ... which is this
# Of float32: bits of ``LEAST``, of infinity, and of 1/2, whose next number is as far as float16 near 0 are apart.
SINGLE_LEAST, SINGLE_INFINITE, SINGLE_HALF = 0x38800000, 0x7F800000, 0x3F000000
MORE = (1 << 29) - 1  # bits that float64 has more than float32


def of_half(h):
    """Bits of float16 as float32: digits and exponent move; a denormal number first becomes ``LEAST`` larger."""
    size = h & (SIGN - 1)
    small = size < NORMAL
    bias = select(size >= INFINITE, 224 << 23, select(small, 113 << 23, 112 << 23))
    lift = single(select(small, LEAST, 0.0))
    v = of_pattern((size << 13) + bias) - lift
    return select((h & SIGN) != 0, -v, v)


def to_half(v):
    """Bits of a float64 as float16, rounded once, to the nearest and to the even of two.

    By way of float32, whose last bit becomes 1 if anything is cut off: that decides the rounding as all of it would
    (Boldo, Melquiond 2008: rounding to odd). There vectors have twice the numbers (0.6 of the time).
    """
    wide = sum_pattern(v)
    return of_single(single(of_sum_pattern((wide | ((wide & MORE) + MORE)) & ~MORE)))


def of_single(v):
    """Bits of a float32 as float16, rounded to the nearest and to the even of two."""
    bits = single_pattern(v)
    size = bits & 0x7FFFFFFF
    even = (size >> 13) & 1
    digits = ((size + 0x0FFF + even) >> 13) - (112 << 10)
    below = single_pattern(of_pattern(size) + single(0.5)) - SINGLE_HALF
    digits = lesser(select(size < SINGLE_LEAST, below, digits), INFINITE)
    return select(size > SINGLE_INFINITE, QUIET, digits) | ((bits >> 16) & SIGN)


def ordered(h):
    """Bits of float16 as whole numbers in the order of their values, NaN beyond the infinities; its own inverse."""
    return short(h ^ ((h >> 15) & (SIGN - 1)))


def widen(halves, singles, count):
    """Arrays of float16 to float32."""
    for k in range(count):
        store(singles, k, of_half(load(halves, k)))


def widen_row(halves, row, count):
    """Arrays of float16 to float64."""
    for k in range(widened(halves, row, count), count):
        store(row, k, 1.0 * of_half(load(halves, k)))


def narrow(values, halves, count):
    """Arrays of float64 to float16."""
    for k in range(narrowed(values, halves, count), count):
        store(halves, k, to_half(load(values, k)))
