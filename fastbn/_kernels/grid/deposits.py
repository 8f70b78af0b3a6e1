"""A value and its square, as integers, into words of 32 bits (``limbs.py``, whose constants a variant binds)."""

from numpy import int64

from ..limbs import deposit, deposit_product, deposit_value
from ..sizes import SUM_WORDS

PART = 22  # bits of the lower two of three parts of a 64-bit integer


def deposit_float(words, at, channels, v):
    """Add a float and its square."""
    deposit_value(words, at, channels, v)


def deposit_integer(words, at, channels, v):
    """Add an integer of up to 32 bits and its square."""
    n = int64(v)
    deposit_product(words, at, channels, abs(n), 0, 1 if n >= 0 else -1)


def deposit_wide(words, at, channels, v):
    """Add a 64-bit integer and its square, in three parts of which the highest has the sign."""
    u = v >> PART
    a, b, c = int64(v - (u << PART)), int64(u - ((u >> PART) << PART)), int64(u >> PART)
    sign, c = 1 if c >= 0 else -1, abs(c)
    to = at + SUM_WORDS * channels
    deposit(words, to, channels, a, SUM_OFFSET, 1)
    deposit(words, to, channels, b, SUM_OFFSET + PART, 1)
    deposit(words, to, channels, c, SUM_OFFSET + 2 * PART, sign)
    to = at + SQUARE_WORDS * channels
    deposit(words, to, channels, a * a, SQUARE_OFFSET, 1)
    deposit(words, to, channels, 2 * a * b, SQUARE_OFFSET + PART, 1)
    deposit(words, to, channels, b * b, SQUARE_OFFSET + 2 * PART, 1)
    deposit(words, to, channels, 2 * a * c, SQUARE_OFFSET + 2 * PART, sign)
    deposit(words, to, channels, 2 * b * c, SQUARE_OFFSET + 3 * PART, sign)
    deposit(words, to, channels, c * c, SQUARE_OFFSET + 4 * PART, 1)
