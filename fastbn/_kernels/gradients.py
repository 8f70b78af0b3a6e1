"""The backward pass: sums of ``dy`` and of ``dy (x - mean)`` per channel, and the map from (x, dy) to dx.

Both arrays are walked together, with the geometry of the forward pass. Sums are compensated (Ogita, Rump, Oishi 2005:
Sum2 and Dot2) and folded in three words in a fixed order. A variant binds ``sum_deep`` and ``sum_single``
(``lanes.accumulate_gradients``) and what ``folds.py`` needs.
"""

from .._algebra import add, divide_words, multiply, multiply_words
from .coefficients import any_number, deviation
from .folds import clear_totals, fold_lanes
from .machine import load, store
from .operands import expand
from .sizes import (
    BLOCK,
    CHANNEL_STRIDE,
    CHANNELS,
    DEPTH,
    GRADIENT_PIVOT,
    INNER,
    LANES,
    MAP_ROWS,
    OUTER,
    OUTER_STRIDE,
    PIECES,
    PITCH,
    REPEAT,
    RUN,
    RUNS,
    SEGMENTS,
    TILE_ROWS,
    TILES,
)
from .sums import COUNTED, MEAN, MEAN_TAIL, add_words

ROWS_OF_GRADIENTS = 6  # of a state: the sum of dy in three words, and that of dy (x - mean)
CENTRE, CENTRE_TAIL, SLOPE, TILT, OFFSET = 0, 1, 2, 3, 4  # dx = SLOPE dy + TILT (x - CENTRE - CENTRE_TAIL) + OFFSET


def accumulate_pairs(x, at, x_stride, y, to, y_stride, rows, lanes, rest, acc):
    """Sums of the lanes over ``rows`` full rows and ``rest`` values of one more."""
    deep = rows - rows % DEPTH
    sum_deep(x, at, x_stride, y, to, y_stride, deep // DEPTH, lanes, acc)
    sum_single(x, at + deep * x_stride, x_stride, y, to + deep * y_stride, y_stride, rows - deep, lanes, acc)
    sum_single(x, at + rows * x_stride, 0, y, to + rows * y_stride, 0, 1, rest, acc)


def deliver_gradients(acc, inner, width, partials, at, channels):
    """Put the totals in the first lane of each channel into a segment's place."""
    for row in range(ROWS_OF_GRADIENTS):
        for c in range(width):
            partials[at + row * channels + c] = acc[row * PITCH + c * inner]


def gradient_rows(x, x_geometry, y, y_geometry, state, begin, end, partials, acc):
    """Reduce units ``begin`` to ``end``, each one segment of one channel, along runs in ``LANES`` lanes."""
    channels, segments, tiles = x_geometry[CHANNELS], x_geometry[SEGMENTS], x_geometry[TILES]
    pieces, run, runs = x_geometry[PIECES], x_geometry[RUN], x_geometry[RUNS]
    for unit in range(begin, end):
        channel = unit // segments
        segment = unit % segments
        clear_totals(acc, LANES)
        for j in range(LANES):
            acc[GRADIENT_PIVOT + j] = state[MEAN * channels + channel]
        for tile in range(tiles * segment // segments, tiles * (segment + 1) // segments):
            offset = (tile % runs) * run
            first = (tile // runs) * pieces
            length = min(run, x_geometry[INNER] - offset)
            for piece in range(first, min(first + pieces, x_geometry[OUTER])):
                at = piece * x_geometry[OUTER_STRIDE] + channel * x_geometry[CHANNEL_STRIDE] + offset
                to = piece * y_geometry[OUTER_STRIDE] + channel * y_geometry[CHANNEL_STRIDE] + offset
                accumulate_pairs(x, at, LANES, y, to, LANES, length // LANES, LANES, length % LANES, acc)
        fold_lanes(acc, 1, LANES, 1)
        deliver_gradients(acc, LANES, 1, partials, segment * ROWS_OF_GRADIENTS * channels + channel, channels)


def gradient_columns(x, x_geometry, y, y_geometry, state, begin, end, partials, acc):
    """Reduce units ``begin`` to ``end``, each one segment of a block of channels, down rows of lanes."""
    channels, segments, tiles = x_geometry[CHANNELS], x_geometry[SEGMENTS], x_geometry[TILES]
    inner, block, repeat = x_geometry[INNER], x_geometry[BLOCK], x_geometry[REPEAT]
    if y_geometry[REPEAT] < repeat:
        repeat = 1
    x_stride, y_stride = x_geometry[OUTER_STRIDE], y_geometry[OUTER_STRIDE]
    for unit in range(begin, end):
        segment = unit % segments
        channel = (unit // segments) * block
        width = min(block, channels - channel)
        lanes = repeat * width * inner
        clear_totals(acc, lanes)
        for r in range(repeat):
            for c in range(width):
                for j in range((r * width + c) * inner, (r * width + c + 1) * inner):
                    acc[GRADIENT_PIVOT + j] = state[MEAN * channels + channel + c]
        first = (tiles * segment // segments) * x_geometry[TILE_ROWS]
        last = min((tiles * (segment + 1) // segments) * x_geometry[TILE_ROWS], x_geometry[OUTER])
        at = first * x_stride + channel * x_geometry[CHANNEL_STRIDE]
        to = first * y_stride + channel * y_geometry[CHANNEL_STRIDE]
        full = (last - first) // repeat
        rest = (last - first) % repeat * width * inner
        accumulate_pairs(x, at, repeat * x_stride, y, to, repeat * y_stride, full, lanes, rest, acc)
        fold_lanes(acc, width, inner, repeat)
        deliver_gradients(acc, inner, width, partials, segment * ROWS_OF_GRADIENTS * channels + channel, channels)


def add_gradients(into, i, part, j, channels, count):
    """Add ``count`` channels of sums to as many others."""
    for row in range(0, ROWS_OF_GRADIENTS, 3):
        for k in range(count):
            a = i + row * channels + k
            b = j + row * channels + k
            into[a], into[a + channels], into[a + 2 * channels] = add_words(
                into[a],
                into[a + channels],
                into[a + 2 * channels],
                part[b],
                part[b + channels],
                part[b + 2 * channels],
            )


def combine_gradients(partials, segments, channels, begin, end):
    """Fold the segments of channels ``begin`` to ``end`` in a fixed tree, into the first segment's place."""
    size = ROWS_OF_GRADIENTS * channels
    count = segments
    while count > 1:
        half = (count + 1) // 2
        for g in range(count - half):
            add_gradients(partials, g * size + begin, partials, (g + half) * size + begin, channels, end - begin)
        count = half


def absorb_gradients(partials, part, channels):
    """Add the sums of another piece of the array to those of the pieces before it."""
    add_gradients(partials, 0, part, 0, channels, channels)


def gradient_coefficients(partials, state, channels, gamma, eps, dgamma, dbeta, coefficients, begin, end):
    """Gradients of gamma and beta, and the coefficients of the map, from the sums of channels ``begin`` to ``end``.

    With ``a = gamma / sqrt(var + eps)``:
    ``dx = a (dy - sum(dy) / n - (x - mean) sum(dy (x - mean)) / (n (var + eps)))``
    (Ioffe, Szegedy 2015, with their chain rule carried out).
    """
    for c in range(begin, end):
        n = state[COUNTED * channels + c]
        s, t = add(partials[c], partials[channels + c], partials[2 * channels + c], 0.0)
        q, f = add(partials[3 * channels + c], partials[4 * channels + c], partials[5 * channels + c], 0.0)
        p, e = multiply(s, t, -state[MEAN_TAIL * channels + c])
        q, f = add(q, f, p, e)
        r, u = deviation(state, channels, c, eps, 0.0)
        dbeta[c] = any_number(s + t)
        p, e = divide_words(q, f, r, u)
        dgamma[c] = any_number(p + e)
        a, b = divide_words(gamma[c], 0.0, r, u)
        p, e = divide_words(p, e, r, u)
        p, e = multiply_words(p, e, a, b)
        q, f = multiply_words(s, t, a, b)
        coefficients[CENTRE * channels + c] = state[MEAN * channels + c]
        coefficients[CENTRE_TAIL * channels + c] = state[MEAN_TAIL * channels + c]
        coefficients[SLOPE * channels + c] = a + b
        coefficients[TILT * channels + c] = -(p + e) / n
        coefficients[OFFSET * channels + c] = -(q + f) / n


def map_gradient(x, at, y, to, out, into, count, centre, tail, slope, tilt, offset):
    """A run of one channel."""
    for i in range(count):
        d = (1.0 * load(x, at + i) - centre) - tail
        store(out, into + i, any_number(slope * load(y, to + i) + (tilt * d + offset)))


def gradient_map_rows(x, x_geometry, y, y_geometry, out, out_geometry, k, begin, end, expanded):
    """Map units ``begin`` to ``end``, each one run of one channel."""
    outer, channels, runs, run = x_geometry[OUTER], x_geometry[CHANNELS], x_geometry[RUNS], x_geometry[RUN]
    for unit in range(begin, end):
        start = (unit % runs) * run
        piece = (unit // runs) % outer
        c = unit // (runs * outer)
        at = piece * x_geometry[OUTER_STRIDE] + c * x_geometry[CHANNEL_STRIDE] + start
        to = piece * y_geometry[OUTER_STRIDE] + c * y_geometry[CHANNEL_STRIDE] + start
        into = piece * out_geometry[OUTER_STRIDE] + c * out_geometry[CHANNEL_STRIDE] + start
        map_gradient(
            x,
            at,
            y,
            to,
            out,
            into,
            min(run, x_geometry[INNER] - start),
            k[CENTRE * channels + c],
            k[CENTRE_TAIL * channels + c],
            k[SLOPE * channels + c],
            k[TILT * channels + c],
            k[OFFSET * channels + c],
        )


def map_gradient_row(x, at, y, to, out, into, lanes, k):
    """One row of lanes."""
    for j in range(lanes):
        d = (1.0 * load(x, at + j) - load(k, CENTRE * PITCH + j)) - load(k, CENTRE_TAIL * PITCH + j)
        v = load(k, TILT * PITCH + j) * d + load(k, OFFSET * PITCH + j)
        store(out, into + j, any_number(load(k, SLOPE * PITCH + j) * load(y, to + j) + v))


def gradient_map_columns(x, x_geometry, y, y_geometry, out, out_geometry, k, begin, end, expanded):
    """Map units ``begin`` to ``end``, each some rows of a block of channels."""
    outer, channels, inner, block = x_geometry[OUTER], x_geometry[CHANNELS], x_geometry[INNER], x_geometry[BLOCK]
    rows = x_geometry[MAP_ROWS]
    repeat = min(x_geometry[REPEAT], y_geometry[REPEAT], out_geometry[REPEAT])
    if repeat < x_geometry[REPEAT]:
        repeat = 1
    x_stride, y_stride, out_stride = x_geometry[OUTER_STRIDE], y_geometry[OUTER_STRIDE], out_geometry[OUTER_STRIDE]
    chunks = (outer + rows - 1) // rows
    held = -1
    for unit in range(begin, end):
        channel = (unit // chunks) * block
        width = min(block, channels - channel)
        if channel != held:
            expand(k, channels, channel, width, inner, repeat, expanded)
            held = channel
        row = (unit % chunks) * rows
        last = min(outer, row + rows)
        at = row * x_stride + channel * x_geometry[CHANNEL_STRIDE]
        to = row * y_stride + channel * y_geometry[CHANNEL_STRIDE]
        into = row * out_stride + channel * out_geometry[CHANNEL_STRIDE]
        for _ in range((last - row) // repeat):
            map_gradient_row(x, at, y, to, out, into, repeat * width * inner, expanded)
            at += repeat * x_stride
            to += repeat * y_stride
            into += repeat * out_stride
        map_gradient_row(x, at, y, to, out, into, ((last - row) % repeat) * width * inner, expanded)
