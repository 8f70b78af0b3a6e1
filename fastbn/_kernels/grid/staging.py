"""Copies of pieces of arrays whose strides the other kernels do not walk, and marks of what counts in them.

One thread per element. A piece is described by ``rank`` sizes and as many strides, in elements; its copy is dense, in
the same order. Marks are 1 where a value counts, else 0. Per-channel vectors have one number for each ``per``
neighbours of a copy.

A variant binds ``convert`` (what becomes of a number), ``keeps`` (which numbers count), and THREADS.
"""

from numba import cuda
from numpy import float64, int64

from ..machine import load, store

KERNELS = ("stage", "unstage", "mark", "mark_nodata", "keep", "weigh", "fill")


def this_thread():
    """Its number in the grid."""
    return int64(cuda.blockIdx.x) * THREADS + int64(cuda.threadIdx.x)


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
    t = this_thread()
    if t < size:
        store(copy, t, convert(load(x, place_of(t, geometry, rank))))


def unstage(copy, geometry, rank, size, out):
    """The way back."""
    t = this_thread()
    if t < size:
        store(out, place_of(t, geometry, rank), convert(load(copy, t)))


def mark(array, geometry, rank, size, marks):
    """Take the marks from what does not count by an array."""
    t = this_thread()
    if t < size and not keeps(load(array, place_of(t, geometry, rank))):
        store(marks, t, 0)


def mark_nodata(x, geometry, rank, size, nodata, given, per, marks):
    """Take the marks from values that stand for nothing."""
    t = this_thread()
    if t < size and load(given, t // per) != 0:
        v, w = load(x, place_of(t, geometry, rank)), load(nodata, t // per)
        if v == w or (v != v and w != w):
            store(marks, t, 0)


def keep(copy, marks, values, per, size):
    """Give what does not count the value of its channel."""
    t = this_thread()
    if t < size and load(marks, t) == 0:
        store(copy, t, convert(load(values, t // per)))


def weigh(weights, geometry, rank, size, factor, marks, copy):
    """Copy weights, times a factor; 0 where nothing counts."""
    t = this_thread()
    if t < size:
        w = float64(load(weights, place_of(t, geometry, rank))) * factor
        store(copy, t, w if load(marks, t) != 0 else 0.0)


def fill(numbers, size, value):
    """The same number everywhere."""
    t = this_thread()
    if t < size:
        store(numbers, t, value)
