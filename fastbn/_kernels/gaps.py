"""The two passes over a tile in which some values do not count: what is absent is found, then filled and summed.

A lane takes ``v - pivot``; in place of an absent value it takes what makes that 0. Rows with such values go through a
small buffer, the others are summed as they are. A tile that is not ``gapped`` is treated as ``passes.py`` does: to look
for gaps took 1.1 to 1.3 times the time of data without any. A variant binds ``absent``, ``filler`` and ``vacate``
(``marks.py``), ``survey_gaps_deep`` and ``survey_gaps_single``, besides what ``passes.py`` names.
"""

from .extremes import fold_extremes as fold_ends
from .machine import load, prefetch, select, store, window
from .passes import accumulate as sum_rows
from .passes import start_extremes as start_complete_extremes
from .passes import survey as survey_complete
from .sizes import (
    DEPTH,
    FILLED,
    HINT,
    LANE_FILL,
    LANE_GAPS,
    LANE_GREATEST,
    LANE_LEAST,
    LANE_NEAREST,
    LANE_ONE,
    PITCH,
    TILE_GAPS,
)
from .sums import COUNT


def first_present(x, y, base, pieces, step, run):
    """The first value of a channel that counts, if there is one."""
    for i in range(pieces):
        for j in range(base + i * step, base + i * step + run):
            if not absent(load(x, j), load(y, j)):
                return load(x, j)
    return load(x, base)


def expected_after(ends):
    """Whether the tile before had gaps: so mostly has the next."""
    return load(ends, HINT) != 0


def expected_always(ends):
    """64-bit integers do not show what is absent."""
    return True


def suspicious(acc, channels):
    """Whether a sum of the tile is NaN, as it is if a value is."""
    found = False
    for c in range(channels):
        total = load(acc, TOTALS + c)
        if total != total:
            found = True
    return found


def remember(ends, channels, gapped):
    """Keep in mind whether there were gaps."""
    store(ends, HINT, 0)
    if gapped:
        for c in range(channels):
            if load(ends, TILE_GAPS + c) != 0:
                store(ends, HINT, 1)


def start_extremes(x, y, base, apart, pieces, step, run, channels, inner, repeat, ends, gapped):
    """Extremes begin with the first value of their channel that counts, the channels being ``apart`` in memory."""
    if not gapped:
        start_complete_extremes(x, y, base, apart, pieces, step, run, channels, inner, repeat, ends, gapped)
        return
    for c in range(channels):
        v = first_present(x, y, base + c * apart, pieces, step, run)
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(ends, LANE_LEAST + j, v)
                store(ends, LANE_GREATEST + j, v)
                store(ends, LANE_NEAREST + j, v)
                store(ends, LANE_GAPS + j, 0)
                store(ends, LANE_ONE + j, 1)


def survey(x, y, base, rows, stride, lanes, rest, ends, gapped):
    """Extremes of the lanes, and how many of their values are absent."""
    if not gapped:
        survey_complete(x, y, base, rows, stride, lanes, rest, ends, gapped)
        return
    deep = rows - rows % DEPTH
    survey_gaps_deep(x, y, base, deep // DEPTH, stride, lanes, ends)
    survey_gaps_single(x, y, base + deep * stride, rows - deep, stride, lanes, ends)
    if rest:
        survey_gaps_single(x, y, base + rows * stride, 1, 0, rest, ends)


def fold_extremes(channels, inner, repeat, ends, gapped):
    """Leave a channel's extremes in its first lane, and what it lacks in the place of its number."""
    fold_ends(channels, inner, repeat, ends)
    if not gapped:
        return
    for c in range(channels):
        total = load(ends, LANE_GAPS + c * inner)
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                if r > 0 or j > c * inner:
                    total += load(ends, LANE_GAPS + j)
        store(ends, TILE_GAPS + c, total)


def start_slots(channels, inner, repeat, count, slots, slot, ends, lows, highs, gapped):
    """As the method does, with counts of what is present; choose what to fill the lanes with."""
    if not gapped:
        return start_complete(channels, inner, repeat, count, slots, slot, ends, lows, highs)
    for c in range(channels):
        if 1.0 * load(ends, TILE_GAPS + c) == count:
            vacate(ends, c * inner)
    quick = start_complete(channels, inner, repeat, count, slots, slot, ends, lows, highs)
    for c in range(channels):
        slots[COUNT * PITCH + slot + c] = count - 1.0 * load(ends, TILE_GAPS + c)
        fill = filler(lows[slot + c], highs[slot + c])
        for r in range(repeat):
            for j in range((r * channels + c) * inner, (r * channels + c + 1) * inner):
                store(ends, LANE_FILL + j, fill)
    return quick


def any_gap(ends, lanes):
    """Whether one of the lanes has an absent value."""
    found = 0
    for j in range(lanes):
        if load(ends, LANE_GAPS + j) != 0:
            found = 1
    return found


def fill_rows(x, y, base, rows, stride, lanes, ends):
    """Copy rows into the buffer, with something else in place of what is absent."""
    for k in range(rows):
        for j in range(lanes):
            v, w = load(x, base + k * stride + j), load(y, base + k * stride + j)
            store(ends, FILLED + k * PITCH + j, select(absent(v, w), load(ends, LANE_FILL + j), v))


def accumulate(x, y, base, rows, stride, lanes, rest, acc, ahead, quick, ends, gapped):
    """Sums of the lanes over ``rows`` full rows and ``rest`` values of one more."""
    if gapped and any_gap(ends, lanes):
        filled = window(ends, FILLED)
        for r in range(0, rows, DEPTH):
            count = min(DEPTH, rows - r)
            for k in range(count):
                prefetch(x, base + (r + k) * stride + ahead, lanes)
            fill_rows(x, y, base + r * stride, count, stride, lanes, ends)
            sum_rows(filled, filled, 0, count, PITCH, lanes, 0, acc, 0, quick, ends, gapped)
        if rest:
            fill_rows(x, y, base + rows * stride, 1, 0, rest, ends)
            sum_rows(filled, filled, 0, 1, PITCH, rest, 0, acc, 0, quick, ends, gapped)
    else:
        sum_rows(x, y, base, rows, stride, lanes, rest, acc, ahead, quick, ends, gapped)
