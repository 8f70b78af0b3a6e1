"""Exact sums: integers in int64 words of 32 bits, two's complement, the bits above being carries that are still to go.

A deposit adds less than 2^33 to a word, so up to 2^30 of them may come before a ``carry``. Words of a channel are
``channels`` places apart. A variant binds ``FRACTION`` (explicit bits of a significand of the data), ``HIDDEN``,
``MAGNITUDE`` and ``EXPONENT_BIAS`` with it, ``SUM_OFFSET`` and ``SQUARE_OFFSET`` (bits of a state below 1),
``SQUARE_WORDS`` (its first row of squares) and ``ROWS_OF_STATE``.
"""

from .machine import pattern, sum_pattern
from .sizes import SUM_WORDS, WORD_BITS

MASK = (1 << WORD_BITS) - 1
DOUBLE_FRACTION = 52
DOUBLE_HIDDEN = 1 << DOUBLE_FRACTION
DOUBLE_BIAS = 1075  # a float64 is its significand times 2 to its exponent field less this
HALF = 27  # bits of the lower part of a significand to be squared
LOWER = (1 << HALF) - 1
LOWER_SQUARE = 1 << (2 * HALF)


def deposit(state, at, channels, size, p, sign):
    """Add ``sign * size * 2^p``, with ``size`` from 0 to 2^54, to the words from ``at`` on."""
    shift = p & (WORD_BITS - 1)
    low = (size & MASK) << shift
    high = (size >> WORD_BITS) << shift
    w = at + (p >> 5) * channels
    state[w] += sign * (low & MASK)
    state[w + channels] += sign * ((low >> WORD_BITS) + (high & MASK))
    state[w + 2 * channels] += sign * (high >> WORD_BITS)


def deposit_float(state, at, channels, v, offset):
    """Add a finite float64 to words which have ``offset`` bits below 1."""
    b = sum_pattern(v)
    e = (b >> DOUBLE_FRACTION) & 2047
    m = b & (DOUBLE_HIDDEN - 1)
    if e > 0:
        m += DOUBLE_HIDDEN
    if m > 0:
        deposit(state, at, channels, m, max(e, 1) - DOUBLE_BIAS + offset, 1 if b >= 0 else -1)


def deposit_value(state, at, channels, v):
    """Add a finite value and its square, from its bits: no float arithmetic may flush it to 0."""
    b = pattern(v)
    e = (b & MAGNITUDE) >> FRACTION
    m = b & (HIDDEN - 1)
    if e > 0:
        m += HIDDEN
    deposit_product(state, at, channels, m, max(e, 1) - EXPONENT_BIAS, 1 if b >= 0 else -1)


def deposit_product(state, at, channels, m, k, sign):
    """Add ``sign * m * 2^k`` and its square, with m from 0 to 2^54."""
    deposit(state, at + SUM_WORDS * channels, channels, m, k + SUM_OFFSET, sign)
    upper = m >> HALF
    lower = m & LOWER
    mixed = 2 * upper * lower
    first = lower * lower + ((mixed & LOWER) << HALF)
    second = upper * upper + (mixed >> HALF) + (first >> (2 * HALF))
    to = at + SQUARE_WORDS * channels
    deposit(state, to, channels, first & (LOWER_SQUARE - 1), 2 * k + SQUARE_OFFSET, 1)
    if second > 0:
        deposit(state, to, channels, second, 2 * k + 2 * HALF + SQUARE_OFFSET, 1)


def carry(state, at, channels, count):
    """Bring all words but the highest, which keeps the sign, of ``count`` channels into [0, 2^32)."""
    for row in range(SUM_WORDS, ROWS_OF_STATE - 1):
        if row != SQUARE_WORDS - 1:
            for k in range(at + row * channels, at + row * channels + count):
                v = state[k]
                state[k + channels] += v >> WORD_BITS
                state[k] = v & MASK


def join_limbs(into, i, i_row, part, j, j_row, count, banks):
    """Add ``count`` states to as many others."""
    for row in range(ROWS_OF_STATE):
        for k in range(count):
            into[i + row * i_row + k] += part[j + row * j_row + k]
    carry(into, i, i_row, count)


def close_limbs(state, channels, begin, end, words, terms):
    """Leave no carries in channels ``begin`` to ``end``."""
    carry(state, begin, channels, end - begin)
