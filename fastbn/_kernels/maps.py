"""The two walks of a map, with the same geometry as the reduction: one coefficient per run, or one per column.

A variant binds ``head``, ``tail`` (how a stored number is read), ``transform`` (the formula, from ``_algebra``) and
``put`` (where a result goes). ``coefficients`` holds ``KNOBS`` rows of one number per channel.
"""

from .machine import load
from .operands import expand
from .sizes import (
    BLOCK,
    CHANNEL_STRIDE,
    CHANNELS,
    INNER,
    MAP_ROWS,
    OUTER,
    OUTER_STRIDE,
    PITCH,
    REPEAT,
    RUN,
    RUNS,
)


def map_run(x, at, y, to, count, coefficients, channels, channel):
    """Transform a run of one channel (inlined into the walk, the same loop took 1.2 times the time)."""
    a = coefficients[channel]
    b = coefficients[channels + channel]
    c = coefficients[2 * channels + channel]
    d = coefficients[3 * channels + channel]
    e = coefficients[4 * channels + channel]
    f = coefficients[5 * channels + channel]
    g = coefficients[6 * channels + channel]
    h = coefficients[7 * channels + channel]
    for i in range(count):
        v = load(x, at + i)
        put(x, at + i, y, to + i, transform(head(v), tail(v), a, b, c, d, e, f, g, h))


def map_rows(x, x_geometry, y, y_geometry, coefficients, begin, end, expanded):
    """Transform units ``begin`` to ``end``, each one run of one channel."""
    outer, channels, runs, run = x_geometry[OUTER], x_geometry[CHANNELS], x_geometry[RUNS], x_geometry[RUN]
    for unit in range(begin, end):
        start = (unit % runs) * run
        piece = (unit // runs) % outer
        channel = unit // (runs * outer)
        at = piece * x_geometry[OUTER_STRIDE] + channel * x_geometry[CHANNEL_STRIDE] + start
        to = piece * y_geometry[OUTER_STRIDE] + channel * y_geometry[CHANNEL_STRIDE] + start
        map_run(x, at, y, to, min(run, x_geometry[INNER] - start), coefficients, channels, channel)


def map_row(x, at, y, to, lanes, k):
    """Transform one row of lanes."""
    for j in range(lanes):
        v = load(x, at + j)
        put(
            x,
            at + j,
            y,
            to + j,
            transform(
                head(v),
                tail(v),
                k[j],
                k[PITCH + j],
                k[2 * PITCH + j],
                k[3 * PITCH + j],
                k[4 * PITCH + j],
                k[5 * PITCH + j],
                k[6 * PITCH + j],
                k[7 * PITCH + j],
            ),
        )


def map_columns(x, x_geometry, y, y_geometry, coefficients, begin, end, expanded):
    """Transform units ``begin`` to ``end``, each some rows of a block of channels."""
    outer, channels, inner, block = x_geometry[OUTER], x_geometry[CHANNELS], x_geometry[INNER], x_geometry[BLOCK]
    rows, repeat = x_geometry[MAP_ROWS], x_geometry[REPEAT]
    if y_geometry[REPEAT] < repeat:
        repeat = 1
    x_stride, y_stride = x_geometry[OUTER_STRIDE], y_geometry[OUTER_STRIDE]
    chunks = (outer + rows - 1) // rows
    held = -1
    for unit in range(begin, end):
        channel = (unit // chunks) * block
        width = min(block, channels - channel)
        if channel != held:
            expand(coefficients, channels, channel, width, inner, repeat, expanded)
            held = channel
        row = (unit % chunks) * rows
        last = min(outer, row + rows)
        at = row * x_stride + channel * x_geometry[CHANNEL_STRIDE]
        to = row * y_stride + channel * y_geometry[CHANNEL_STRIDE]
        for _ in range((last - row) // repeat):
            map_row(x, at, y, to, repeat * width * inner, expanded)
            at += repeat * x_stride
            to += repeat * y_stride
        map_row(x, at, y, to, ((last - row) % repeat) * width * inner, expanded)
