"""Steps through a line of values: the position in it, and in memory as (outer, inner)."""


def advance(p, o, i, step, outer_step, inner_step, inner):
    """``step`` values on: position and place there."""
    i += inner_step
    wraps = 1 if i >= inner else 0
    return p + step, o + outer_step + wraps, i - wraps * inner
