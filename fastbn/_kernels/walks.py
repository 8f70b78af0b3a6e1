"""The two walks of the reduction: along long runs of a channel, and down columns of many channels or short runs.

Work is cut by size alone, so the bits do not depend on threads: lanes -> groups of at most ``ROWS`` rows -> tiles ->
segments (the unit of parallel work; each fills its own place in ``partials``) -> channels. ``geometry`` is what
``_layout.py`` computed. A variant binds ``accumulate``, ``pivot_head``, ``pivot_tail``, ``start``, ``carry``, ``bias``,
``close_tile``, ``join`` and ``close_channels``.
"""

from .accumulate import BIAS, CARRY, START, C, F, G, Q, S, T, survey
from .accumulate import PIVOT as LANE_PIVOT
from .accumulate import PIVOT_TAIL as LANE_PIVOT_TAIL
from .machine import greater, lesser, load, store, window
from .sizes import (
    ACC,
    BATCH,
    BLOCK,
    CHANNEL_STRIDE,
    CHANNELS,
    INNER,
    LANE_GREATEST,
    LANE_LEAST,
    LANES,
    OUTER,
    OUTER_STRIDE,
    PIECES,
    PITCH,
    REPEAT,
    ROWS,
    ROWS_OF_STATE,
    RUN,
    RUNS,
    SEGMENTS,
    SLOT_GREATEST,
    SLOT_LEAST,
    SLOTS,
    TERMS,
    TILE_ROWS,
    TILES,
)
from .states import join_extremes
from .sums import COUNT, PIVOT, PIVOT_TAIL, SCALE, SPECIAL, add_words, healthy, rescue


def start_extremes(x, base, channels, inner, repeat, low, high):
    """The extremes of the lanes (repeat, channel, inner) begin with their channel's first value."""
    for r in range(repeat):
        for c in range(channels):
            v = load(x, base + c * inner)
            for i in range(inner):
                low[(r * channels + c) * inner + i] = v
                high[(r * channels + c) * inner + i] = v


def start_slots(channels, inner, repeat, count, slots, slot, low, high, lows, highs):
    """Fold the lanes' extremes, choose pivots, and clear the slots of channels that will hold ``count`` values each."""
    for c in range(channels):
        k = slot + c
        least = low[c * inner]
        greatest = high[c * inner]
        for r in range(repeat):
            for i in range(inner):
                least = lesser(least, low[(r * channels + c) * inner + i])
                greatest = greater(greatest, high[(r * channels + c) * inner + i])
        lows[k] = least
        highs[k] = greatest
        slots[COUNT * PITCH + k] = count
        for row in range(1, SPECIAL + 1):
            slots[row * PITCH + k] = 0.0
        slots[PIVOT * PITCH + k] = pivot_head(least, greatest)
        slots[PIVOT_TAIL * PITCH + k] = pivot_tail(least, greatest)
        slots[SCALE * PITCH + k] = 1.0


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs):
    """Clear the lanes (repeat, channel, inner) and give them their channel's pivot and beginnings."""
    for r in range(repeat):
        for c in range(channels):
            pivot = slots[PIVOT * PITCH + slot + c]
            rest = slots[PIVOT_TAIL * PITCH + slot + c]
            values = start(lows[slot + c], highs[slot + c], pivot)
            squares = bias(lows[slot + c], highs[slot + c], pivot)
            errors = carry(lows[slot + c], highs[slot + c], pivot)
            for i in range(inner):
                j = (r * channels + c) * inner + i
                acc[S + j] = values
                acc[C + j] = errors
                acc[T + j] = 0.0
                acc[Q + j] = squares
                acc[F + j] = 0.0
                acc[G + j] = 0.0
                acc[LANE_PIVOT + j] = pivot
                acc[LANE_PIVOT_TAIL + j] = rest
                acc[START + j] = values
                acc[BIAS + j] = squares
                acc[CARRY + j] = errors


def fold_lanes(acc, channels, inner, repeat, slots, slot):
    """Add the lanes (repeat, channel, inner) to their channels' slots, in index order."""
    for r in range(repeat):
        for i in range(inner):
            for c in range(channels):
                j = (r * channels + c) * inner + i
                k = slot + c
                slots[PITCH + k], slots[2 * PITCH + k], slots[3 * PITCH + k] = add_words(
                    slots[PITCH + k],
                    slots[2 * PITCH + k],
                    slots[3 * PITCH + k],
                    acc[S + j] - acc[START + j],
                    acc[C + j] - acc[CARRY + j],
                    acc[T + j],
                )
                slots[4 * PITCH + k], slots[5 * PITCH + k], slots[6 * PITCH + k] = add_words(
                    slots[4 * PITCH + k],
                    slots[5 * PITCH + k],
                    slots[6 * PITCH + k],
                    acc[Q + j] - acc[BIAS + j],
                    acc[F + j],
                    acc[G + j],
                )


def copy_slots(into, at, channels, slots, count):
    """The first tiles of a segment begin its state."""
    for row in range(ROWS_OF_STATE):
        for k in range(count):
            into[at + row * channels + k] = slots[row * PITCH + k]


def deliver(first, partials, at, channels, slots, count, least, greatest, end, lows, highs):
    """Put ``count`` slots into a segment's state: as they are if they are its first, else joined to it."""
    if first:
        copy_slots(partials, at, channels, slots, count)
        for k in range(count):
            least[end + k] = lows[k]
            greatest[end + k] = highs[k]
    else:
        join(partials, at, channels, slots, 0, PITCH, count)
        join_extremes(least, greatest, end, lows, highs, 0, count)


def walk_rows(x, geometry, begin, end, partials, least, greatest, scratch, ends):
    """Reduce units ``begin`` to ``end``, each one segment of one channel, along runs in ``LANES`` lanes."""
    acc, slots, terms = window(scratch, ACC), window(scratch, SLOTS), window(scratch, TERMS)
    low, high = window(ends, LANE_LEAST), window(ends, LANE_GREATEST)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    channels, segments, tiles = geometry[CHANNELS], geometry[SEGMENTS], geometry[TILES]
    stride, pieces, run, runs = geometry[OUTER_STRIDE], geometry[PIECES], geometry[RUN], geometry[RUNS]
    ahead = run if runs > 1 else pieces * stride
    for unit in range(begin, end):
        channel = unit // segments
        segment = unit % segments
        first_tile = tiles * segment // segments
        last_tile = tiles * (segment + 1) // segments
        filled = 0
        first = True
        for tile in range(first_tile, last_tile):
            offset = (tile % runs) * run
            length = min(run, geometry[INNER] - offset)
            piece = (tile // runs) * pieces
            count = min(pieces, geometry[OUTER] - piece)
            base = piece * stride + channel * geometry[CHANNEL_STRIDE] + offset
            rest = length % LANES
            start_extremes(x, base, 1, LANES, 1, low, high)
            for i in range(count):
                at = base + i * stride
                survey(x, at, length // LANES, LANES, LANES, low, high)
                survey(x, at + length - rest, 1, LANES, rest, low, high)
            start_slots(1, LANES, 1, count * length, slots, filled, low, high, lows, highs)
            start_lanes(1, LANES, 1, acc, slots, filled, lows, highs)
            for i in range(count):
                at = base + i * stride
                accumulate(x, at, length // LANES, LANES, LANES, acc, ahead)
                accumulate(x, at + length - rest, 1, LANES, rest, acc, ahead)
            fold_lanes(acc, 1, LANES, 1, slots, filled)
            if not healthy(slots[PITCH + filled], lows[filled], highs[filled]):
                rescue(x, base, count, stride, length, slots, filled, lows, highs)
            filled += 1
            if filled == BATCH or tile == last_tile - 1:
                close_tile(slots, filled, terms)
                while filled > 1:
                    half = (filled + 1) // 2
                    join(slots, 0, PITCH, slots, half, PITCH, filled - half)
                    join_extremes(lows, highs, 0, lows, highs, half, filled - half)
                    filled = half
                at = segment * ROWS_OF_STATE * channels + channel
                deliver(
                    first, partials, at, channels, slots, 1, least, greatest, segment * channels + channel, lows, highs
                )
                first = False
                filled = 0


def walk_columns(x, geometry, begin, end, partials, least, greatest, scratch, ends):
    """Reduce units ``begin`` to ``end``, each one segment of a block of channels, down rows of lanes."""
    acc, slots, terms = window(scratch, ACC), window(scratch, SLOTS), window(scratch, TERMS)
    low, high = window(ends, LANE_LEAST), window(ends, LANE_GREATEST)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    channels, segments, tiles = geometry[CHANNELS], geometry[SEGMENTS], geometry[TILES]
    stride, inner, block = geometry[OUTER_STRIDE], geometry[INNER], geometry[BLOCK]
    repeat, tile_rows = geometry[REPEAT], geometry[TILE_ROWS]
    ahead = tile_rows * stride
    for unit in range(begin, end):
        segment = unit % segments
        channel = (unit // segments) * block
        width = min(block, channels - channel)
        first_tile = tiles * segment // segments
        last_tile = tiles * (segment + 1) // segments
        for tile in range(first_tile, last_tile):
            rows = min(tile_rows, geometry[OUTER] - tile * tile_rows)
            base = tile * tile_rows * stride + channel * geometry[CHANNEL_STRIDE]
            wide = rows // repeat
            rest = rows % repeat
            end_at = base + wide * repeat * stride
            start_extremes(x, base, width, inner, repeat, low, high)
            survey(x, base, wide, repeat * stride, repeat * width * inner, low, high)
            survey(x, end_at, 1, stride, rest * width * inner, low, high)
            start_slots(width, inner, repeat, rows * inner, slots, 0, low, high, lows, highs)
            for group in range(0, wide, ROWS):
                start_lanes(width, inner, repeat, acc, slots, 0, lows, highs)
                at = base + group * repeat * stride
                accumulate(x, at, min(ROWS, wide - group), repeat * stride, repeat * width * inner, acc, ahead)
                fold_lanes(acc, width, inner, repeat, slots, 0)
            if rest > 0:
                start_lanes(width, inner, rest, acc, slots, 0, lows, highs)
                accumulate(x, end_at, 1, 0, rest * width * inner, acc, ahead)
                fold_lanes(acc, width, inner, rest, slots, 0)
            for c in range(width):
                if not healthy(slots[PITCH + c], lows[c], highs[c]):
                    rescue(x, base + c * inner, rows, stride, inner, slots, c, lows, highs)
            close_tile(slots, width, terms)
            at = segment * ROWS_OF_STATE * channels + channel
            deliver(
                tile == first_tile,
                partials,
                at,
                channels,
                slots,
                width,
                least,
                greatest,
                segment * channels + channel,
                lows,
                highs,
            )


def combine(partials, segments, channels, begin, end, least, greatest):
    """Fold the segments of channels ``begin`` to ``end`` in a fixed tree, into the first segment's place."""
    size = ROWS_OF_STATE * channels
    count = segments
    while count > 1:
        half = (count + 1) // 2
        for g in range(count - half):
            join(partials, g * size + begin, channels, partials, (g + half) * size + begin, channels, end - begin)
            join_extremes(
                least, greatest, g * channels + begin, least, greatest, (g + half) * channels + begin, end - begin
            )
        count = half


def absorb(partials, part, channels, least, greatest, low, high):
    """Join the combined result of another piece of the array to that of the pieces before it."""
    join(partials, 0, channels, part, 0, channels, channels)
    join_extremes(least, greatest, 0, low, high, 0, channels)


def positive_zero(v):
    """The value, but +0 for -0."""
    return v if v != 0 else v - v


def conclude(partials, channels, begin, end, least, greatest, scratch):
    """Turn the combined result of channels ``begin`` to ``end`` into their moments."""
    for c in range(begin, end):
        store(least, c, positive_zero(load(least, c)))
        store(greatest, c, positive_zero(load(greatest, c)))
    close_channels(partials, channels, begin, end, window(scratch, SLOTS), window(scratch, TERMS))
