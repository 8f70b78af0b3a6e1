"""Memory and comparison operations that each compiler supplies in its own form; here what they mean.

A backend's ``load`` and ``store`` skip Python's negative indices (in Numba the test for them turned row loads into
gathers, 1.6 times the time). Its ``lesser`` and ``greater`` are one instruction; a NaN may or may not survive them, so
NaN is found by the sums.
"""


def load(x, k):
    """Element k of a flat array."""
    return x[k]


def store(y, k, v):
    """Set element k, converted to the array's dtype."""
    y[k] = v


def prefetch(x, k):
    """Say that element k, which need not exist, will be read soon."""


def line(x):
    """How many elements a cache line of 64 bytes holds."""
    return 64 // x.itemsize


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


def window(x, k):
    """The array from element k on, not a copy."""
    return x[k:]
