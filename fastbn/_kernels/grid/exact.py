"""Exact sums: each thread adds values and squares as integers to a column of words, as ``limbs.py`` has them.

A thread has a column of its own in shared memory, so nothing is added atomically, and columns are added up as integers:
the order of nothing can change a bit. A value adds less than 2^33 to a word, and a thread has fewer than 2^20 values:
2^10 threads could be added before a carry.

A variant binds THREADS, ROWS (of a state), ``deposit_number`` (for the dtype) and what ``limbs.py`` does.
"""

from numpy import int64

from ..limbs import carry
from ..machine import load, store
from ..sizes import COUNT, MINUS, NANS, PLUS


def start(words, at):
    """Clear the column."""
    for row in range(ROWS):
        store(words, row * THREADS + at, int64(0))
    return 0


def take(v, w, centre, tail, scale, taken, words, at):
    """Add one value, or count what is not finite."""
    if finite(v, w):
        deposit_number(words, at, THREADS, v)
    else:
        row = NANS if v != v else PLUS if v > 0 else MINUS
        store(words, row * THREADS + at, load(words, row * THREADS + at) + 1)
    return taken


def rest(taken):
    """Nothing is to be brought together."""
    return taken


def put(words, at, n, scale, taken):
    """How many there were."""
    store(words, COUNT * THREADS + at, n)


def join(words, i, part, j, pitch, i_size, j_size):
    """Add a column to another."""
    for row in range(ROWS):
        store(words, row * THREADS + i, load(words, row * THREADS + i) + load(part, row * pitch + j))


def settle(words, at):
    """Carry, so that many slots can be added."""
    carry(words, at, THREADS, 1)


def conclude(words, ends, terms, closed, channels, channel, centre, tail, scale):
    """Leave no carries."""
    carry(words, 0, THREADS, 1)
    for row in range(ROWS):
        store(closed, row * channels + channel, load(words, row * THREADS))
