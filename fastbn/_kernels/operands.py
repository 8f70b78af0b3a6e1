"""From memory: how a stored number becomes float64, and how a map reads coefficients.

A number is taken as it is, in two words (64-bit integers, which float64 cannot hold), from its bits (float16), or with
that of a second array.
"""

from .halves import of_half
from .sizes import KNOBS, MAP_PITCH


def head_plain(v):
    """The value (``1.0 *`` because Numba would go on in float32)."""
    return 1.0 * v


def head_half(v):
    """The value of the bits of a float16."""
    return 1.0 * of_half(v)


def order_plain(v):
    """What is compared to find extremes: the value."""
    return v


def tail_plain(v, w):
    """Nothing is left over."""
    return 0.0


def head_wide(v):
    """A 64-bit integer without its low 11 bits: exact in float64 (C has no shift to the left of negative numbers)."""
    return 1.0 * (v >> 11) * 2048.0


def low_bits(v):
    """The rest."""
    return 1.0 * (v & 2047)


def tail_wide(v, w):
    """The low 11 bits."""
    return low_bits(v)


def tail_other(v, w):
    """The other of a pair."""
    return 1.0 * w


def expand(coefficients, channels, channel, width, inner, repeat, expanded):
    """Coefficients of a block of channels -> one per lane (repeat, channel, inner)."""
    for k in range(KNOBS):
        for r in range(repeat):
            for c in range(width):
                for i in range(inner):
                    expanded[k * MAP_PITCH + (r * width + c) * inner + i] = coefficients[k * channels + channel + c]
