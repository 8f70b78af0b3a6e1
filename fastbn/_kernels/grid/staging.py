"""Copies of pieces of arrays whose strides the other kernels do not walk, and marks of what counts in them.

Each thread takes some elements. A piece has four axes, described by the sizes of all but the first and by strides, in
elements; its copy is dense, in the same order. Marks are 1 where a value counts, else 0. Per-channel vectors have one
number for each ``per`` neighbours of a copy.

A variant binds ``convert`` (what becomes of a number), ``keeps`` (which numbers count), ``number``
(how one is read to be compared) and THREADS.
"""

from numba import cuda
from numpy import float64, int64

from ..machine import load, store

KERNELS = ("stage", "unstage", "mark", "mark_nodata", "keep", "weigh", "fill")


def mine(size):
    """Which of so many elements this thread takes: every one that is a whole grid away."""
    first = int64(cuda.blockIdx.x) * THREADS + int64(cuda.threadIdx.x)
    return range(first, size, int64(cuda.gridDim.x) * THREADS)


def place_of(t, b, c, d, w, x, y, z):
    """Where element t of a piece (a, b, c, d) with strides (w, x, y, z) lies."""
    u = t // d
    v = u // c
    q = v // b
    return q * w + (v - q * b) * x + (u - v * c) * y + (t - u * d) * z


def stage(piece, b, c, d, w, x, y, z, size, copy):
    """Copy a piece."""
    for t in mine(size):
        store(copy, t, convert(load(piece, place_of(t, b, c, d, w, x, y, z))))


def unstage(piece, b, c, d, w, x, y, z, size, copy):
    """The way back."""
    for t in mine(size):
        store(piece, place_of(t, b, c, d, w, x, y, z), convert(load(copy, t)))


def mark(piece, b, c, d, w, x, y, z, size, marks):
    """Take the marks from what does not count by an array."""
    for t in mine(size):
        if not keeps(number(load(piece, place_of(t, b, c, d, w, x, y, z)))):
            store(marks, t, 0)


def mark_nodata(piece, b, c, d, w, x, y, z, size, marks, nodata, given, per, first):
    """Take the marks from values that stand for nothing; the piece begins with element ``first`` of a whole one."""
    for t in mine(size):
        channel = (first + t) // per
        v, u = number(load(piece, place_of(t, b, c, d, w, x, y, z))), number(load(nodata, channel))
        if load(given, channel) != 0 and (v == u or (v != v and u != u)):
            store(marks, t, 0)


def weigh(piece, b, c, d, w, x, y, z, size, copy, marks, factor):
    """Copy weights, times a factor; 0 where nothing counts."""
    for t in mine(size):
        v = float64(load(piece, place_of(t, b, c, d, w, x, y, z))) * factor
        store(copy, t, v if load(marks, t) != 0 else 0.0)


def keep(copy, marks, values, per, size):
    """Give what does not count the value of its channel."""
    for t in mine(size):
        if load(marks, t) == 0:
            store(copy, t, convert(load(values, t // per)))


def fill(numbers, size, value):
    """The same number everywhere."""
    for t in mine(size):
        store(numbers, t, value)
