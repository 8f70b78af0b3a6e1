"""The two ways of ``reduce.py`` for maps: a unit has one channel's coefficients, or a thread has a column's.

A variant binds ``head`` and ``tail`` (how numbers, or pairs of them, are read) ``transform`` (the formula), ``deliver``
(what becomes of results), THREADS, and VALUES (that a thread has under way at once). ``coefficients`` holds ``KNOBS``
rows of one number per channel.
"""

from numba import cuda
from numpy import int64

from ..machine import load, store
from .groups import keep, near, nothing, pick, placed
from .lines import advance, place_in_columns

KERNELS = ("map_rows", "map_columns")


def map_line(
    x, y, out, base, stride, jump, to, out_stride, out_jump, beside, aligned, inner, begin, end, member, members, knobs
):
    """Map some of the values ``begin`` to ``end`` of a channel; which, and their places, are as in ``reduce.py``."""
    a, b, c, d, e, f, g, h = knobs
    together = VALUES if beside else 1
    p, step = begin + member * together, members * together
    o, i = p // inner, p % inner
    outer_step, inner_step = step // inner, step % inner
    while p < end:
        xs, ys, results = nothing(), nothing(), nothing()
        if beside:
            j = base + o * stride + i * jump
            xs, ys = near(x, j, aligned), near(y, j, aligned)
        else:
            q, r, s = p, o, i
            for k in range(VALUES):
                if q < end:
                    j = base + r * stride + s * jump
                    xs, ys = placed(xs, k, load(x, j), x), placed(ys, k, load(y, j), y)
                q, r, s = advance(q, r, s, step, outer_step, inner_step, inner)
        for k in range(VALUES):
            v, w = pick(xs, k, x), pick(ys, k, y)
            results = placed(results, k, deliver(transform(head(v), tail(v, w), a, b, c, d, e, f, g, h)), out)
        if beside:
            keep(out, to + o * out_stride + i * out_jump, results, aligned)
            p, o, i = advance(p, o, i, step, outer_step, inner_step, inner)
        else:
            for k in range(VALUES):
                if p < end:
                    store(out, to + o * out_stride + i * out_jump, pick(results, k, out))
                p, o, i = advance(p, o, i, step, outer_step, inner_step, inner)


def knobs_of(coefficients, channels, channel):
    """The coefficients of a channel."""
    return (
        load(coefficients, channel),
        load(coefficients, channels + channel),
        load(coefficients, 2 * channels + channel),
        load(coefficients, 3 * channels + channel),
        load(coefficients, 4 * channels + channel),
        load(coefficients, 5 * channels + channel),
        load(coefficients, 6 * channels + channel),
        load(coefficients, 7 * channels + channel),
    )


def map_rows(
    x,
    y,
    out,
    channels,
    inner,
    stride,
    jump,
    out_stride,
    out_jump,
    beside,
    aligned,
    values,
    splits,
    share,
    lanes,
    coefficients,
):
    """Each ``lanes`` threads: one of ``splits`` parts, of ``share`` values, of one channel."""
    thread = int64(cuda.threadIdx.x)
    unit = int64(cuda.blockIdx.x) * (THREADS // lanes) + thread // lanes
    channel = unit // splits
    if channel < channels:
        begin = unit % splits * share
        end = min(begin + share, values)
        knobs = knobs_of(coefficients, channels, channel)
        base, to = channel * jump, channel * out_jump
        member = thread % lanes
        map_line(
            x, y, out, base, stride, 1, to, out_stride, 1, beside, aligned, inner, begin, end, member, lanes, knobs
        )


def map_columns(
    x, y, out, channels, inner, stride, jump, out_stride, out_jump, outer, splits, share, width, coefficients
):
    """Each block: ``share`` rows of ``width`` columns."""
    thread = int64(cuda.threadIdx.x)
    columns = channels * inner
    column, split, member, height = place_in_columns(int64(cuda.blockIdx.x), thread, width, columns)
    if column < columns and member < height:
        channel, place = column // inner, column % inner
        begin = split * share
        end = min(begin + share, outer)
        knobs = knobs_of(coefficients, channels, channel)
        base, to = channel * jump + place, channel * out_jump + place
        map_line(x, y, out, base, 0, stride, to, 0, out_stride, 0, 0, outer, begin, end, member, height, knobs)
