"""What a tile's values are taken about, and where its sums of squares start; chosen from the extremes of the channel.

*near*: if all values have one sign and lie within a factor 2 of each other, the one nearest to 0: then every difference
is exact (Sterbenz) and as small as the range. Otherwise 0: the squares are then no larger than the spread allows
(m2 >= max^2 / 8), so nothing is lost by not shifting.
"""

from .machine import greater
from .operands import head_wide, tail_wide

NARROW_BIAS = 1.5 * 2.0**44
START_FACTOR = 2.0**10  # of the largest value: four times the most that a lane can sum up
CARRY_FACTOR = 2.0**-31  # of the largest value: more than four times what the rounding errors of that sum can amount to
BIAS_FACTOR = 2.0**10  # of the largest square


def pivot_none(least, greatest):
    """Values whose sums are exact anyway."""
    return 0.0


def pivot_near(least, greatest):
    """The value nearest to 0, if all are near to it, else 0."""
    low = 1.0 * least
    high = 1.0 * greatest
    if low > 0.0 and high <= 2.0 * low:
        return low
    if high < 0.0 and low >= 2.0 * high:
        return high
    return 0.0


def pivot_least(least, greatest):
    """The smallest value, upper word."""
    return head_wide(least)


def pivot_least_tail(least, greatest):
    """The smallest value, lower word."""
    return tail_wide(least)


def largest(least, greatest, pivot):
    """Size of the largest difference from the pivot."""
    return greater(1.0 * greatest - pivot, pivot - 1.0 * least)


def start_none(least, greatest, pivot):
    """S is exact as it is."""
    return 0.0


def start_near(least, greatest, pivot):
    """More than all values of a lane."""
    return START_FACTOR * largest(least, greatest, pivot)


def carry_none(least, greatest, pivot):
    """C is exact as it is."""
    return 0.0


def carry_near(least, greatest, pivot):
    """More than all rounding errors of S."""
    return CARRY_FACTOR * largest(least, greatest, pivot)


def bias_narrow(least, greatest, pivot):
    """Cuts every square of a narrow value at 2^-8."""
    return NARROW_BIAS


def bias_near(least, greatest, pivot):
    """More than all squares of a lane."""
    d = largest(least, greatest, pivot)
    return BIAS_FACTOR * (d * d)
