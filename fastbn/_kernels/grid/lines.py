"""Where a thread is in columns, and steps through a line of values.

A variant binds THREADS.
"""


def place_in_columns(block, thread, width, columns):
    """Of a thread: its column, which part of that, which of those in the column it is, and how many they are."""
    tiles = (columns + width - 1) // width
    return block % tiles * width + thread % width, block // tiles, thread // width, THREADS // width


def advance(p, o, i, step, outer_step, inner_step, inner):
    """``step`` values on: the position in the line, and the place in memory as (outer, inner)."""
    i += inner_step
    wraps = 1 if i >= inner else 0
    return p + step, o + outer_step + wraps, i - wraps * inner
