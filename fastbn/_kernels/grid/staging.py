"""Copies of pieces of arrays whose strides the other kernels do not walk, and marks of what counts in them.

Each thread takes some elements. A piece is described by ``rank`` sizes and as many strides, in elements; its copy is
dense, in the same order. Marks are 1 where a value counts, else 0. Per-channel vectors have one number for each ``per``
neighbours of a copy.

A variant binds ``convert`` (what becomes of a number), ``keeps`` (which numbers count), and THREADS.
"""

from numba import cuda
from numpy import float64, int64

from ..machine import load, store

KERNELS = ("stage", "unstage", "mark", "mark_nodata", "keep", "weigh", "fill")


def mine(size):
    """Which of so many elements this thread takes: every one that is a whole grid away."""
    first = int64(cuda.blockIdx.x) * THREADS + int64(cuda.threadIdx.x)
    return range(first, size, int64(cuda.gridDim.x) * THREADS)


def place_of(t, geometry, rank):
    """Where element t of a piece lies."""
    at = int64(0)
    for a in range(rank - 1, -1, -1):
        size = load(geometry, a)
        at += t % size * load(geometry, rank + a)
        t //= size
    return at


def stage(x, geometry, rank, size, copy):
    """Copy a piece."""
    for t in mine(size):
        store(copy, t, convert(load(x, place_of(t, geometry, rank))))


def unstage(copy, geometry, rank, size, out):
    """The way back."""
    for t in mine(size):
        store(out, place_of(t, geometry, rank), convert(load(copy, t)))


def mark(array, geometry, rank, size, marks):
    """Take the marks from what does not count by an array."""
    for t in mine(size):
        if not keeps(load(array, place_of(t, geometry, rank))):
            store(marks, t, 0)


def mark_nodata(x, geometry, rank, size, nodata, given, per, marks):
    """Take the marks from values that stand for nothing."""
    for t in mine(size):
        v, w = load(x, place_of(t, geometry, rank)), load(nodata, t // per)
        if load(given, t // per) != 0 and (v == w or (v != v and w != w)):
            store(marks, t, 0)


def keep(copy, marks, values, per, size):
    """Give what does not count the value of its channel."""
    for t in mine(size):
        if load(marks, t) == 0:
            store(copy, t, convert(load(values, t // per)))


def weigh(weights, geometry, rank, size, factor, marks, copy):
    """Copy weights, times a factor; 0 where nothing counts."""
    for t in mine(size):
        w = float64(load(weights, place_of(t, geometry, rank))) * factor
        store(copy, t, w if load(marks, t) != 0 else 0.0)


def fill(numbers, size, value):
    """The same number everywhere."""
    for t in mine(size):
        store(numbers, t, value)
