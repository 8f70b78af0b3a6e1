"""The two walks of the reduction: along runs of a channel, and down columns of many rows.

Work is cut by size alone, so the bits do not depend on threads: lanes -> groups of at most ``ROWS`` rows -> tiles ->
segments (the unit of parallel work; each fills its own place in ``partials``) -> channels. ``geometry`` is what
``_cuts.py`` computed. The walks do not know what is summed or how: a method binds what ``tiles.py`` and
``states.py`` (compensated), ``exact.py`` or ``gradients.py`` say under the same names, and what ``passes.py`` says, or
``gaps.py`` where some values do not count: there a tile is taken as if all did, unless the one before had gaps, and
once more if its sums say otherwise. ``y`` is a second array with the geometry of ``x``, for methods that sum
over pairs and for marks of what does not count; others are given ``x`` once more.
"""

from .extremes import join_extremes, positive_zero
from .folds import add_others, clear_totals
from .machine import load, store, window
from .sizes import (
    ACC,
    BATCH,
    BLOCK,
    BLOCKS_TOGETHER,
    CHANNEL_STRIDE,
    CHANNELS,
    INNER,
    LANES_OF_RUN,
    OUTER,
    OUTER_STRIDE,
    PIECES,
    REPEAT,
    ROWS,
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


def sum_pieces(
    x, y, base, width, apart, pieces, step, length, lanes, ahead, scratch, ends, slot, partials, at, channels
):
    """One tile along rows: of ``width`` channels, ``apart`` from each other, ``pieces`` runs each, ``step`` apart."""
    acc, slots = window(scratch, ACC), window(scratch, SLOTS)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    rows = length // lanes
    rest = length % lanes
    gapped = expected(ends)
    for _ in range(ATTEMPTS):
        start_extremes(x, y, base, apart, pieces, step, length, width, lanes, 1, ends, gapped)
        for c in range(width):
            for i in range(pieces):
                kept = window(ends, c * lanes)
                survey(x, y, base + c * apart + i * step, rows, lanes, lanes, rest, kept, gapped)
        keep_lanes(ends, width * lanes)
        fold_extremes(width, lanes, 1, ends, gapped)
        quick = start_slots(width, lanes, 1, pieces * length, slots, slot, ends, lows, highs, gapped)
        start_lanes(width, lanes, 1, acc, slots, slot, lows, highs, quick)
        restart_lanes(acc, width * lanes)
        for c in range(width):
            for i in range(pieces):
                first = window(acc, c * lanes)
                kept = window(ends, c * lanes)
                start = base + c * apart + i * step
                accumulate(x, y, start, rows, lanes, lanes, rest, first, ahead, quick, kept, gapped)
        gather(acc, width * lanes, TOTALS)
        fold_totals(acc, width, lanes, 1, slots, slot)
        if gapped or not suspicious(acc, width):
            break
        gapped = True
    remember(ends, width, gapped)
    for c in range(width):
        start = base + c * apart
        settle(
            x, y, start, pieces, step, length, window(acc, c), slots, slot + c, lows, highs, partials, at + c, channels
        )
        for i in range(pieces):
            first = window(acc, c * lanes)
            kept = window(ends, c * lanes)
            pick(x, y, start + i * step, rows, lanes, lanes, rest, 1, lanes, first, kept, partials, at + c, channels)


def sum_columns(x, y, base, rows, stride, width, inner, repeat, ahead, scratch, ends, partials, at, channels):
    """One tile of columns: ``rows`` rows of ``width`` channels, ``repeat`` of them side by side, into as many slots."""
    acc, slots = window(scratch, ACC), window(scratch, SLOTS)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    full = rows // repeat
    rest = rows % repeat * width * inner
    lanes = repeat * width * inner
    gapped = expected(ends)
    for _ in range(ATTEMPTS):
        start_extremes(x, y, base, inner, rows, stride, inner, width, inner, repeat, ends, gapped)
        survey(x, y, base, full, repeat * stride, lanes, rest, ends, gapped)
        keep_lanes(ends, lanes)
        fold_extremes(width, inner, repeat, ends, gapped)
        quick = start_slots(width, inner, repeat, rows * inner, slots, 0, ends, lows, highs, gapped)
        start_lanes(width, inner, repeat, acc, slots, 0, lows, highs, quick)
        clear_totals(acc, lanes)
        for group in range(0, max(full, 1), ROWS):
            count = min(ROWS, full - group)
            restart_lanes(acc, lanes)
            last = rest if group + count == full else 0
            start = base + group * repeat * stride
            accumulate(x, y, start, count, repeat * stride, lanes, last, acc, ahead, quick, ends, gapped)
            gather(acc, lanes, OTHERS)
            add_others(acc, 1, lanes, lanes)
        fold_totals(acc, width, inner, repeat, slots, 0)
        if gapped or not suspicious(acc, width):
            break
        gapped = True
    remember(ends, width, gapped)
    for c in range(width):
        first = window(acc, c)
        settle(x, y, base + c * inner, rows, stride, inner, first, slots, c, lows, highs, partials, at + c, channels)
    pick(x, y, base, full, repeat * stride, lanes, rest, width, inner, acc, ends, partials, at, channels)


def close_batch(filled, width, slots, terms, lows, highs, banks):
    """Finish ``filled`` slots together and fold those of more tiles than one in a tree, into the first ``width``."""
    close_tile(slots, filled, terms)
    while filled > width:
        half = (filled + 1) // 2
        join_slots(slots, half, filled - half, banks)
        join_extremes(lows, highs, 0, lows, highs, half, filled - half)
        filled = half


def deliver(turn, partials, at, channels, slots, count, least, greatest, end, lows, highs, banks):
    """Put ``count`` slots into a segment's state: at the first turn as they are, later joined to it."""
    put_slots(turn, partials, at, channels, slots, count, banks)
    if turn == 0:
        for k in range(count):
            store(least, end + k, load(lows, k))
            store(greatest, end + k, load(highs, k))
    else:
        join_extremes(least, greatest, end, lows, highs, 0, count)


def walk_rows(x, y, geometry, begin, end, partials, least, greatest, scratch, ends):
    """Reduce units ``begin`` to ``end``, each one segment of a block of channels, along runs."""
    banks, slots, terms = window(scratch, ACC), window(scratch, SLOTS), window(scratch, TERMS)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    channels, segments, tiles = geometry[CHANNELS], geometry[SEGMENTS], geometry[TILES]
    apart, stride, pieces = geometry[CHANNEL_STRIDE], geometry[OUTER_STRIDE], geometry[PIECES]
    run, runs, lanes, block = geometry[RUN], geometry[RUNS], geometry[LANES_OF_RUN], geometry[BLOCK]
    batch = BATCH if block == 1 else 1
    ahead = block * apart if tiles == 1 else run if runs > 1 else pieces * stride
    for unit in range(begin, end):
        segment = unit % segments
        channel = (unit // segments) * block
        width = min(block, channels - channel)
        first_tile = tiles * segment // segments
        last_tile = tiles * (segment + 1) // segments
        at = segment * ROWS_OF_STATE * channels + channel
        end_at = segment * channels + channel
        for tile in range(first_tile, last_tile):
            offset = (tile % runs) * run
            piece = (tile // runs) * pieces
            base = piece * stride + channel * apart + offset
            length = min(run, geometry[INNER] - offset)
            count = min(pieces, geometry[OUTER] - piece)
            turn = (tile - first_tile) // batch
            slot = (tile - first_tile) % batch
            sum_pieces(
                x,
                y,
                base,
                width,
                apart,
                count,
                stride,
                length,
                lanes,
                ahead,
                scratch,
                ends,
                slot,
                partials,
                at,
                channels,
            )
            if slot == batch - 1 or tile == last_tile - 1:
                close_batch(slot + width, width, slots, terms, lows, highs, banks)
                deliver(turn, partials, at, channels, slots, width, least, greatest, end_at, lows, highs, banks)


def walk_columns(x, y, geometry, begin, end, partials, least, greatest, scratch, ends):
    """Reduce units ``begin`` to ``end``, each one segment of some blocks of channels, down rows of lanes.

    A tile of one block is followed by that of the next, which lies beside it in memory: pieces of 512 bytes, each 4096
    bytes from the last, take twice the time of 4096 bytes in a row to read.
    """
    banks, slots, terms = window(scratch, ACC), window(scratch, SLOTS), window(scratch, TERMS)
    lows, highs = window(ends, SLOT_LEAST), window(ends, SLOT_GREATEST)
    channels, segments, tiles = geometry[CHANNELS], geometry[SEGMENTS], geometry[TILES]
    stride, inner, block = geometry[OUTER_STRIDE], geometry[INNER], geometry[BLOCK]
    repeat, tile_rows, group = geometry[REPEAT], geometry[TILE_ROWS], geometry[BLOCKS_TOGETHER]
    apart = block * geometry[CHANNEL_STRIDE]
    for unit in range(begin, end):
        segment = unit % segments
        first = (unit // segments) * group
        last = min(first + group, (channels + block - 1) // block)
        first_tile = tiles * segment // segments
        for tile in range(first_tile, tiles * (segment + 1) // segments):
            rows = min(tile_rows, geometry[OUTER] - tile * tile_rows)
            turn = tile - first_tile
            for b in range(first, last):
                channel = b * block
                width = min(block, channels - channel)
                base = tile * tile_rows * stride + b * apart
                ahead = apart if b + 1 < last or tiles == 1 else tile_rows * stride - (b - first) * apart
                at = segment * ROWS_OF_STATE * channels + channel
                sum_columns(
                    x, y, base, rows, stride, width, inner, repeat, ahead, scratch, ends, partials, at, channels
                )
                close_tile(slots, width, terms)
                end_at = segment * channels + channel
                deliver(turn, partials, at, channels, slots, width, least, greatest, end_at, lows, highs, banks)


def combine(partials, segments, channels, begin, end, least, greatest, scratch):
    """Fold the segments of channels ``begin`` to ``end`` in a fixed tree, into the first segment's place."""
    size = ROWS_OF_STATE * channels
    count = segments
    while count > 1:
        half = (count + 1) // 2
        for g in range(count - half):
            other = (g + half) * size + begin
            join(partials, g * size + begin, channels, partials, other, channels, end - begin, scratch)
            join_extremes(
                least, greatest, g * channels + begin, least, greatest, (g + half) * channels + begin, end - begin
            )
        count = half


def absorb(partials, part, channels, least, greatest, low, high, scratch):
    """Join the combined result of another piece of the array to that of the pieces before it."""
    join(partials, 0, channels, part, 0, channels, channels, scratch)
    join_extremes(least, greatest, 0, low, high, 0, channels)


def conclude(partials, channels, begin, end, least, greatest, scratch):
    """Bring the combined result of channels ``begin`` to ``end`` into its last form."""
    for c in range(begin, end):
        store(least, c, positive_zero(load(least, c)))
        store(greatest, c, positive_zero(load(greatest, c)))
    close_channels(partials, channels, begin, end, window(scratch, SLOTS), window(scratch, TERMS))
