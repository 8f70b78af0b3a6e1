"""Where the loops of maps and of sums find the numbers of a row: where they lie, or, of float16, in a room of float64.

C compilers do not choose the instructions that convert a whole register of float16, so rows are converted before and
after the loops (0.4 to 0.65 of the time of maps, 0.6 to 0.9 of that of statistics).
"""

from .halves import narrow, widen_row
from .machine import window
from .sizes import MAP_WIDTH, PITCH

WHOLE = 1 << 30  # values of a row at a time: practically all (a step that 32-bit sizes hold) ...
STRIP = MAP_WIDTH  # ... or as many as there is room for


def row_stored(x, at, count, room):
    """As it lies in memory."""
    return window(x, at)


def row_widened(x, at, count, room):
    """float16 as float64."""
    widen_row(window(x, at), room, count)
    return room


def rows_stored(x, at, stride, lanes, depth, room):
    """Some rows, the next ``spacing_stored`` on."""
    return window(x, at)


def rows_widened(x, at, stride, lanes, depth, room):
    """The same of float16 as float64."""
    for k in range(depth):
        widen_row(window(x, at + k * stride), window(room, k * PITCH), lanes)
    return room


def spacing_stored(stride):
    """From row to row, as in memory."""
    return stride


def spacing_widened(stride):
    """From row to row, as in the room for them."""
    return PITCH


def place_apart(x, y, at, out, to, room):
    """Into the output, which shares no element with the input or is the input."""
    return window(out, to)


def place_over(x, y, at, out, to, room):
    """Into the place it came from: LLVM's own loop took 3 times as long where it met equal addresses as x and out."""
    return window(x, at)


def place_other(x, y, at, out, to, room):
    """Into the place where the other of a pair came from."""
    return window(y, at)


def place_beside(x, y, at, out, to, room):
    """Into the room for float64 that become float16."""
    return room


def leave(values, x, at, out, to, count):
    """Results are where they belong."""


def narrow_apart(values, x, at, out, to, count):
    """From the room into the output."""
    narrow(values, window(out, to), count)


def narrow_over(values, x, at, out, to, count):
    """From the room into the place where the input came from."""
    narrow(values, window(x, at), count)
