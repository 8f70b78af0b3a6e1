"""The exact method: sums of tiles without any rounding, added to integers (``limbs.py``).

Lanes sum what ``exact_steps.py`` says, from values as large as the largest of a tile down to a ``floor``. Smaller ones
are left out and added to the integers one by one; there are few of them in most data. Which form of the step is taken,
and the floor, depend on the extremes of the tile alone (docs/exact.md has the bounds): the quick form, with a high
floor, unless more than an eighth of the lanes have values below it; else the careful form, with a low one. A tile with
a NaN or an infinity is counted instead of summed.

A variant binds ``is_stray``, ``floor_quick``, ``floor_careful``, ``first_start``, ``square_start``, ``rest_start``,
``carry_start``, ``absent`` (``marks.py``), ``head`` and ``order`` (``operands.py``) and the constants of ``limbs.py``.
"""

from .extremes import highest, lowest
from .floors import INFINITY
from .folds import fold_lanes
from .limbs import carry, deposit_float, deposit_value
from .machine import greater, load, store, whole
from .pivots import largest
from .sizes import (
    COUNT,
    EXACT_TOTALS,
    FLOOR,
    LANE_GREATEST,
    LANE_KEPT,
    LANE_LEAST,
    LANE_NEAREST,
    MINUS,
    NANS,
    PITCH,
    PLUS,
    STARTS,
    SUM_WORDS,
)
from .sums import COUNT as COUNTED

CARRY_TURNS = 64  # tiles between two carries: each adds less than 2^52 to a word
FEW = 8  # an eighth of the lanes


def keep_lanes(ends, lanes):
    """Remember the smallest size in each lane before lanes are folded."""
    for j in range(lanes):
        store(ends, LANE_KEPT + j, load(ends, LANE_NEAREST + j))


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs):
    """Put the extremes into the slots; whether few lanes have values below the floor of the quick form."""
    strays = 0
    for c in range(channels):
        least = load(ends, LANE_LEAST + c * inner)
        greatest = load(ends, LANE_GREATEST + c * inner)
        store(lows, slot + c, least)
        store(highs, slot + c, greatest)
        slots[COUNTED * PITCH + slot + c] = count
        floor = floor_quick(largest(least, greatest, 0.0))
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                if is_stray(load(ends, LANE_KEPT + j), floor):
                    strays += 1
    return strays * FEW <= channels * inner * repeat


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs, quick):
    """Tell the lanes what their sums start with, and their floor."""
    for c in range(channels):
        span = greater(largest(lows[slot + c], highs[slot + c], 0.0), 0.0)
        floor = floor_quick(span) if quick else floor_careful(span)
        if floor == INFINITY:
            span = 0.0
        values = first_start(span, quick)
        squares = square_start(span)
        rests = rest_start(squares)
        for r in range(repeat):
            at = (r * channels + c) * inner
            start_words(acc, at, inner, 0, values, carry_start(values, quick))
            start_words(acc, at, inner, 3 * PITCH, squares, carry_start(squares, quick))
            start_words(acc, at, inner, 6 * PITCH, rests, carry_start(rests, quick))
            for j in range(at, at + inner):
                store(acc, FLOOR + j, floor)


def start_words(acc, at, count, row, first, second):
    """What a group of three words starts with in ``count`` lanes."""
    for j in range(at, at + count):
        store(acc, STARTS + row + j, first)
        store(acc, STARTS + row + PITCH + j, second)


def restart_lanes(acc, lanes):
    """Begin the sums of a group of rows, all nine words: a step is given those that it does not need as well."""
    for row in range(0, 9 * PITCH, 3 * PITCH):
        for j in range(row, row + lanes):
            store(acc, j, load(acc, STARTS + j))
            store(acc, PITCH + j, load(acc, STARTS + PITCH + j))
            store(acc, 2 * PITCH + j, 0.0)


def gather(acc, lanes, to):
    """Put the sums of the lanes into the rows from ``to`` on."""
    for row in range(0, WORDS_OF_LANE * PITCH, 3 * PITCH):
        for j in range(row, row + lanes):
            store(acc, to + j, load(acc, j) - load(acc, STARTS + j))
            store(acc, to + PITCH + j, load(acc, PITCH + j) - load(acc, STARTS + PITCH + j))
            store(acc, to + 2 * PITCH + j, load(acc, 2 * PITCH + j))


def fold_totals(acc, channels, inner, repeat, slots, slot):
    """Add up a channel's lanes."""
    fold_lanes(acc, channels, inner, repeat)


def settle(x, y, base, pieces, step, run, acc, slots, slot, lows, highs, partials, at, channels):
    """Add the totals in the lane of a channel to its state, or count what is not finite."""
    partials[at + COUNT * channels] += whole(slots[COUNTED * PITCH + slot])
    total = load(acc, EXACT_TOTALS)
    if total - total == 0.0:
        to = at + SUM_WORDS * channels
        for row in range(3):
            deposit_float(partials, to, channels, load(acc, EXACT_TOTALS + row * PITCH), SUM_OFFSET)
        to = at + SQUARE_WORDS * channels
        for row in range(3, WORDS_OF_LANE):
            deposit_float(partials, to, channels, load(acc, EXACT_TOTALS + row * PITCH), SQUARE_OFFSET)
    else:
        count_special(x, y, base, pieces, step, run, slot, lows, highs, partials, at, channels)


def count_special(x, y, base, pieces, step, run, slot, lows, highs, partials, at, channels):
    """Count NaN and infinities of a channel, and look for its extremes again."""
    low, high = lows[slot], highs[slot]
    for i in range(pieces):
        for j in range(base + i * step, base + i * step + run):
            v = load(x, j)
            if absent(v, load(y, j)):
                continue
            d = head(v)
            low = lowest(low, order(v))
            high = highest(high, order(v))
            if d != d:
                partials[at + NANS * channels] += 1
            elif d - d != 0.0:
                partials[at + (PLUS if d > 0.0 else MINUS) * channels] += 1
    store(lows, slot, low)
    store(highs, slot, high)


def pick(x, y, base, rows, stride, lanes, rest, width, inner, acc, ends, partials, at, channels):
    """Add the values that were left out, one by one, from the lanes that have some."""
    for j in range(lanes):
        floor = load(acc, FLOOR + j)
        if is_stray(load(ends, LANE_KEPT + j), floor):
            to = at + (j // inner) % width
            for r in range(rows + (1 if j < rest else 0)):
                v = load(x, base + r * stride + j)
                if is_stray(v, floor) and not absent(v, load(y, base + r * stride + j)):
                    deposit_value(partials, to, channels, v)


def pick_none(x, y, base, rows, stride, lanes, rest, width, inner, acc, ends, partials, at, channels):
    """Nothing was left out."""


def close_tile(slots, count, terms):
    """The sums are in the state already."""


def join_slots(slots, distance, count, banks):
    """The sums are in the state already."""


def put_slots(turn, partials, at, channels, slots, count, banks):
    """The sums are in the state already: see to its carries."""
    if turn % CARRY_TURNS == CARRY_TURNS - 1:
        carry(partials, at, channels, count)
