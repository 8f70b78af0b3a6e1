"""What the exact method leaves out of its sums, and where these start, per arithmetic (docs/exact.md has the bounds).

A floor is the smallest size that is summed. Starts are more than all terms of a lane together, so that additions lose
nothing that ``exact_steps.grow`` does not give back. A variant binds ``MAGNITUDE`` and ``HIDDEN`` (``limbs.py``).
"""

from .machine import greater, pattern
from .pivots import CARRY_FACTOR, start_above

INFINITY = float("inf")
SINGLE_QUICK, SINGLE_CAREFUL, SINGLE_LEAST = 2.0**-19, 2.0**-36, 2.0**-126
DOUBLE_QUICK, DOUBLE_CAREFUL, DOUBLE_LEAST, DOUBLE_MOST = 2.0**-17, 2.0**-33, 2.0**-450, 2.0**480
INTEGER_SQUARES = 1.5 * 2.0**74  # more than 257 squares of 32-bit integers
WIDE_VALUES, WIDE_SQUARES = 2.0**75, 2.0**138  # the same of 64-bit integers
DOUBLE_REST, WIDE_REST = 2.0**-53, 2.0**-50  # where the sum of the rests of squares starts, of that of the squares


def floor_none(span):
    """Nothing is left out."""
    return 0.0


def floor_single_quick(span):
    """Of float32: normal numbers, so that none is flushed to 0 on its way to float64."""
    return greater(SINGLE_QUICK * span, SINGLE_LEAST)


def floor_single_careful(span):
    """As ``floor_single_quick``."""
    return greater(SINGLE_CAREFUL * span, SINGLE_LEAST)


def floor_double_quick(span):
    """Of float64: all is left out where squares would overflow, and what has squares with errors below 2^-1022."""
    return INFINITY if span > DOUBLE_MOST else greater(DOUBLE_QUICK * span, DOUBLE_LEAST)


def floor_double_careful(span):
    """As ``floor_double_quick``."""
    return INFINITY if span > DOUBLE_MOST else greater(DOUBLE_CAREFUL * span, DOUBLE_LEAST)


def stray_never(v, floor):
    """Integers and float16 are all summed."""
    return False


def stray_below(v, floor):
    """Whether a value is left out and not 0; told by its bits where float arithmetic may take it for 0."""
    b = pattern(v) & MAGNITUDE
    return b > 0 and (b < HIDDEN or abs(1.0 * v) < floor)


def values_none(span, quick):
    """The sum of the values is exact as it is."""
    return 0.0


def values_single(span, quick):
    """The same for the quick form, and for the careful one more than all values."""
    return 0.0 if quick else start_above(span)


def values_double(span, quick):
    """More than all values."""
    return start_above(span)


def values_wide(span, quick):
    """More than all 64-bit integers of a lane."""
    return WIDE_VALUES


def squares_integer(span):
    """More than all squares of a lane of 32-bit integers."""
    return INTEGER_SQUARES


def squares_wide(span):
    """More than all squares of a lane of 64-bit integers."""
    return WIDE_SQUARES


def rest_none(squares):
    """Squares leave no rest."""
    return 0.0


def rest_double(squares):
    """More than all rests of squares of a lane of float64."""
    return DOUBLE_REST * squares


def rest_wide(squares):
    """More than all rests and mixed products of a lane of 64-bit integers."""
    return WIDE_REST * squares


def carry_careful(start, quick):
    """Errors are summed as they are by the quick form, and above all of them by the careful one."""
    return 0.0 if quick else CARRY_FACTOR * start


def carry_always(start, quick):
    """There is one form only."""
    return CARRY_FACTOR * start
