"""Sums of moments and of pairs in the words of a thread, and in the rows of its slot.

A variant binds THREADS, NOTHING, ``step`` and what comes of its sums now and then (``steps.py``, ``narrow.py``,
``pairs.py``): ``widen`` and ``pack``; ``finite`` and ``irregular``; ``align`` and WEIGHTED (whether there is a third
group of words).
"""

from numpy import float64

from ..machine import load, store
from ..sums import COUNT, SCALE, SPECIAL, add_words
from .places import FIRST, SECOND, THIRD


def start(words, at):
    """No sums yet."""
    return 0.0, NOTHING


def rest(taken):
    """Bring the sums of some values together."""
    special, sums = taken
    return special, widen(sums)


def take(v, w, centre, tail, scale, taken, words, at):
    """Add one value to what a thread has."""
    special, sums = taken
    if finite(v, w):
        sums = step(v, w, centre, tail, scale, sums)
    else:
        special += irregular(v, w)
    return special, sums


def put(words, at, n, scale, taken):
    """Leave it in the thread's slot."""
    special, sums = taken
    s, c, t, q, f, h, g, r, k = pack(sums)
    store(words, COUNT * THREADS + at, float64(n))
    store(words, SPECIAL * THREADS + at, special)
    put_group(words, FIRST * THREADS + at, s, c, t)
    put_group(words, SECOND * THREADS + at, q, f, h)
    put_group(words, THIRD * THREADS + at, g, r, k)
    if not WEIGHTED:
        store(words, SCALE * THREADS + at, scale)


def put_group(words, at, a, b, c):
    """Three words of a slot."""
    store(words, at, a)
    store(words, at + THREADS, b)
    store(words, at + 2 * THREADS, c)


def join_group(words, i, part, j, pitch, up, again, down, anew):
    """Three words of a slot plus those of another, whose rows are ``pitch`` apart, each times two powers of two."""
    a, b, c = add_words(
        load(words, i) * up * again,
        load(words, i + THREADS) * up * again,
        load(words, i + 2 * THREADS) * up * again,
        load(part, j) * down * anew,
        load(part, j + pitch) * down * anew,
        load(part, j + 2 * pitch) * down * anew,
    )
    put_group(words, i, a, b, c)


def join(words, i, part, j, pitch, i_size, j_size):
    """Add a slot to another, which is in shared memory; their largest values have these sizes."""
    up, down = align(words, i, part, j, pitch, i_size, j_size)
    store(words, COUNT * THREADS + i, load(words, COUNT * THREADS + i) + load(part, COUNT * pitch + j))
    store(words, SPECIAL * THREADS + i, load(words, SPECIAL * THREADS + i) + load(part, SPECIAL * pitch + j))
    join_group(words, FIRST * THREADS + i, part, FIRST * pitch + j, pitch, up, 1.0, down, 1.0)
    join_group(words, SECOND * THREADS + i, part, SECOND * pitch + j, pitch, up, up, down, down)
    if WEIGHTED:
        join_group(words, THIRD * THREADS + i, part, THIRD * pitch + j, pitch, 1.0, 1.0, 1.0, 1.0)


def settle(words, at):
    """A slot goes to memory as it is."""
