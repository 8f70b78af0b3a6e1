"""The two ways of ``reduce.py`` for maps: a unit has one channel's coefficients, or a thread has a column's.

A variant binds ``head`` and ``tail`` (how numbers, or pairs of them, are read) ``transform`` (the formula), ``deliver``
(what becomes of results), and THREADS. ``coefficients`` holds ``KNOBS`` rows of one number per channel.
"""

from numba import cuda
from numpy import int64

from ..machine import load, store

KERNELS = ("map_rows", "map_columns")


def map_line(x, y, out, base, stride, jump, to, out_stride, out_jump, inner, begin, end, member, members, knobs):
    """Map values ``begin`` to ``end`` of a channel; places as in ``sum_line`` of ``reduce.py``."""
    a, b, c, d, e, f, g, h = knobs
    p = begin + member
    o, i = p // inner, p % inner
    outer_step, inner_step = members // inner, members % inner
    while p < end:
        j = base + o * stride + i * jump
        v, w = load(x, j), load(y, j)
        result = transform(head(v), tail(v, w), a, b, c, d, e, f, g, h)
        store(out, to + o * out_stride + i * out_jump, deliver(result))
        p += members
        o += outer_step
        i += inner_step
        if i >= inner:
            i -= inner
            o += 1


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
    x, y, out, channels, inner, stride, jump, out_stride, out_jump, values, splits, share, lanes, coefficients
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
        map_line(x, y, out, base, stride, 1, to, out_stride, 1, inner, begin, end, thread % lanes, lanes, knobs)


def map_columns(
    x, y, out, channels, inner, stride, jump, out_stride, out_jump, outer, splits, share, width, coefficients
):
    """Each block: ``share`` rows of ``width`` columns."""
    thread = int64(cuda.threadIdx.x)
    height = THREADS // width
    member = thread // width
    tiles = (channels * inner + width - 1) // width
    column = int64(cuda.blockIdx.x) % tiles * width + thread % width
    if column < channels * inner and member < height:
        channel, place = column // inner, column % inner
        begin = int64(cuda.blockIdx.x) // tiles * share
        end = min(begin + share, outer)
        knobs = knobs_of(coefficients, channels, channel)
        base, to = channel * jump + place, channel * out_jump + place
        map_line(x, y, out, base, 0, stride, to, 0, out_stride, outer, begin, end, member, height, knobs)
