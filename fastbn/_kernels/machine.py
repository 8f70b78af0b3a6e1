"""Operations that each compiler supplies in its own form; here what they mean.

A backend's ``load`` and ``store`` skip Python's negative indices (in Numba the test for them turned row loads into
gathers, 1.6 times the time). ``lesser`` and ``greater`` are what one instruction does: their second operand where one
is NaN. So a NaN may be lost in them; it is found by the sums.
"""

from numpy import array, float32, float64

from .._algebra import multiply_add


def load(x, k):
    """Element k of a flat array."""
    return x[k]


def store(y, k, v):
    """Set element k, converted to the array's dtype."""
    y[k] = v


def prefetch(x, k, count):
    """Say that ``count`` elements from k on, which need not exist, will be read soon."""


def lesser(a, b):
    """The smaller of two numbers."""
    return a if a < b else b


def greater(a, b):
    """The larger of two numbers."""
    return a if a > b else b


def nearer(v, near):
    """The size of the one nearer to 0, not counting a 0 (or a NaN, if there is another)."""
    v, near = abs(v), abs(near)
    return v if v != 0 and (near == 0 or not near <= v) else near


def pattern(v):
    """The bits of a float as an integer of the same size."""
    return int(v.view(f"i{v.itemsize}"))


def of_pattern(bits):
    """The float32 of some bits, an integer."""
    return array(bits, dtype="u4").view("f4")[()]


def single_pattern(v):
    """The bits of a float32."""
    return int(float32(v).view("i4"))


def sum_pattern(v):
    """The bits of a float64."""
    return int(float64(v).view("i8"))


def of_sum_pattern(bits):
    """The float64 of some bits, an integer."""
    return array(bits, dtype="i8").view("f8")[()]


def two_prod(a, b):
    """Product and its exact rounding error, where ``multiply_add`` is one instruction."""
    p = a * b
    return p, multiply_add(a, b, -p)


def select(condition, a, b):
    """The scalar form of ``numpy.where``."""
    return a if condition else b


def single(v):
    """A number that float32 holds, to be computed with in float32."""
    return v


def medium(v):
    """A number that int32 holds, to be computed with in int32."""
    return v


def short(v):
    """A number that int16 holds, to be computed with in int16."""
    return v


def whole(v):
    """A float64 without fraction as an integer."""
    return int(v)


def window(x, k):
    """The array from element k on, not a copy."""
    return x[k:]


def widened(halves, row, count):
    """How many of ``count`` float16, given as bits, were put into a row of float64 by instructions of the processor."""
    return 0


def narrowed(row, halves, count):
    """The same the other way."""
    return 0
