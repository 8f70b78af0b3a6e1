"""The two walks of a map, with the same geometry as the reduction: one coefficient per run, or one per column.

A variant binds ``row``, ``head`` and ``tail`` (how numbers, or pairs of them, are read), ``transform`` (the formula,
from ``_algebra``), ``place`` and ``deliver`` (where results go), and ``STRIP`` (how many at a time; ``rows.py``).
``y`` is a second array with the geometry of ``x``, for maps of pairs; others are given ``x`` once more.
``coefficients`` holds ``KNOBS`` rows of one number per channel.
"""

from .machine import load, prefetch, store, window
from .operands import expand
from .sizes import (
    BLOCK,
    CHANNEL_STRIDE,
    CHANNELS,
    FAR,
    INNER,
    MAP_BLOCKS,
    MAP_MADE,
    MAP_PITCH,
    MAP_READ,
    MAP_ROWS,
    OUTER,
    OUTER_STRIDE,
    REPEAT,
    RUN,
    RUNS,
)


def map_run(x, y, at, out, to, count, coefficients, channels, channel, room):
    """Transform a run of one channel (inlined into the walk, the same loop took 1.2 times the time)."""
    a = coefficients[channel]
    b = coefficients[channels + channel]
    c = coefficients[2 * channels + channel]
    d = coefficients[3 * channels + channel]
    e = coefficients[4 * channels + channel]
    f = coefficients[5 * channels + channel]
    g = coefficients[6 * channels + channel]
    h = coefficients[7 * channels + channel]
    for first in range(0, count, STRIP):
        some = min(STRIP, count - first)
        values = row(x, at + first, some, window(room, MAP_READ))
        results = place(x, y, at + first, out, to + first, window(room, MAP_MADE))
        for i in range(some):
            v, w = load(values, i), load(y, at + first + i)
            store(results, i, transform(head(v), tail(v, w), a, b, c, d, e, f, g, h))
        deliver(results, x, at + first, out, to + first, some)


def map_rows(x, y, geometry, out, out_geometry, coefficients, begin, end, expanded):
    """Transform units ``begin`` to ``end``, each one run of every channel of some blocks."""
    outer, channels, runs, run, block = (
        geometry[OUTER],
        geometry[CHANNELS],
        geometry[RUNS],
        geometry[RUN],
        geometry[BLOCK] * geometry[MAP_BLOCKS],
    )
    for unit in range(begin, end):
        start = (unit % runs) * run
        piece = (unit // runs) % outer
        first = unit // (runs * outer) * block
        for channel in range(first, min(first + block, channels)):
            at = piece * geometry[OUTER_STRIDE] + channel * geometry[CHANNEL_STRIDE] + start
            to = piece * out_geometry[OUTER_STRIDE] + channel * out_geometry[CHANNEL_STRIDE] + start
            map_run(x, y, at, out, to, min(run, geometry[INNER] - start), coefficients, channels, channel, expanded)


def map_row(x, y, at, out, to, lanes, k):
    """Transform one row of lanes, whose coefficients are side by side as they are."""
    values = row(x, at, lanes, window(k, MAP_READ))
    results = place(x, y, at, out, to, window(k, MAP_MADE))
    for j in range(lanes):
        v, w = load(values, j), load(y, at + j)
        store(
            results,
            j,
            transform(
                head(v),
                tail(v, w),
                k[j],
                k[MAP_PITCH + j],
                k[2 * MAP_PITCH + j],
                k[3 * MAP_PITCH + j],
                k[4 * MAP_PITCH + j],
                k[5 * MAP_PITCH + j],
                k[6 * MAP_PITCH + j],
                k[7 * MAP_PITCH + j],
            ),
        )
    deliver(results, x, at, out, to, lanes)


def map_columns(x, y, geometry, out, out_geometry, coefficients, begin, end, expanded):
    """Transform units ``begin`` to ``end``, each some rows of some blocks of channels."""
    outer, channels, inner = geometry[OUTER], geometry[CHANNELS], geometry[INNER]
    rows, repeat, group = geometry[MAP_ROWS], geometry[REPEAT], geometry[MAP_BLOCKS] * geometry[BLOCK]
    if out_geometry[REPEAT] < repeat:
        repeat = 1
    stride, out_stride = geometry[OUTER_STRIDE], out_geometry[OUTER_STRIDE]
    chunks = (outer + rows - 1) // rows
    # Parts of wide rows are far apart, where processors do not look ahead (0.6 to 0.9 of the time in place, 0.8 to
    # 1.1 into an output). What is in cache, as after sums of the same block, would take up to 1.5 times the time.
    scattered = geometry[MAP_BLOCKS] > 1 and group < channels and outer * stride > FAR
    held = -1
    for unit in range(begin, end):
        channel = (unit // chunks) * group
        width = min(group, channels - channel)
        if channel != held:
            expand(coefficients, channels, channel, width, inner, repeat, expanded)
            held = channel
        row = (unit % chunks) * rows
        last = min(outer, row + rows)
        at = row * stride + channel * geometry[CHANNEL_STRIDE]
        to = row * out_stride + channel * out_geometry[CHANNEL_STRIDE]
        for _ in range((last - row) // repeat):
            if scattered:
                prefetch(x, at + repeat * stride, repeat * width * inner)
                prefetch(out, to + repeat * out_stride, repeat * width * inner)
            map_row(x, y, at, out, to, repeat * width * inner, expanded)
            at += repeat * stride
            to += repeat * out_stride
        rest = (last - row) % repeat
        if rest:  # there may be nothing beyond the last row, not even its end
            map_row(x, y, at, out, to, rest * width * inner, expanded)
