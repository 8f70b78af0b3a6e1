"""What a tile's values are taken about, where its sums start, and how much of their rounding errors must be kept.

*near*: if all values of a channel have one sign and lie within a factor 2 of each other, the pivot is the one nearest
to 0: then every difference is exact (Sterbenz) and as small as the range. Otherwise it is 0: the squares are then no
larger than the spread allows (m2 >= max^2 / 8), so nothing is lost by not shifting.

*sure*: all differences are multiples of one power of two that is not too small beside the largest of them, so that a
cheaper step loses nothing. What is looked at is the value nearest to 0.
"""

from .._algebra import leading
from .machine import greater
from .operands import head_wide, low_bits

NARROW_BIAS = 1.5 * 2.0**44
START_FACTOR = 2.0**11  # of the largest value's leading bit: at least four times the most that a lane can sum up
CARRY_FACTOR = 2.0**-41  # of that start: 16 times what the rounding errors of that sum can amount to
BIAS_FACTOR = 2.0**10  # of the largest square
SINGLE_REACH = 2.0**20  # 257 float32 values in such a range have an exact sum in float64
DOUBLE_REACH = 2.0**29  # 257 float64 values in such a range leave errors whose sum is exact


def pivot_none(least, greatest):
    """0: nothing is subtracted."""
    return 0.0


def pivot_near(least, greatest):
    """The value nearest to 0, if all are near to it, else 0."""
    low = 1.0 * least
    high = 1.0 * greatest
    if low > 0.0 and low <= high <= 2.0 * low:  # nothing has low > high
        return low
    if high < 0.0 and low <= high and low >= 2.0 * high:
        return high
    return 0.0


def pivot_least(least, greatest):
    """The smallest value, upper word."""
    return head_wide(least)


def pivot_least_tail(least, greatest):
    """The smallest value, lower word."""
    return low_bits(least)


def largest(least, greatest, pivot):
    """Size of the largest difference from the pivot."""
    return greater(1.0 * greatest - pivot, pivot - 1.0 * least)


def nearest_unknown(v, near):
    """Integers are multiples of 1: nobody asks how small they are."""
    return near


def sure_always(nearest, span):
    """Integers and float16."""
    return True


def sure_single(nearest, span):
    """Whether sums of float32 are exact."""
    return SINGLE_REACH * abs(1.0 * nearest) >= span


def sure_double(nearest, span):
    """Whether the errors of sums of float64 have an exact sum."""
    return DOUBLE_REACH * abs(nearest) >= span


def start_none(span):
    """The sum is exact as it is."""
    return 0.0


def start_above(span):
    """More than all values of a lane: a power of two."""
    return START_FACTOR * leading(span)


def bias_narrow(span):
    """Cuts every square of a narrow value at 2^-8."""
    return NARROW_BIAS


def bias_above(span):
    """More than all squares of a lane."""
    return BIAS_FACTOR * (span * span)
