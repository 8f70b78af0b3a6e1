"""Lanes of 8- and 16-bit integers, whose sums are exact in one word: S takes the values, Q their squares.

A lane's 257 squares of 16-bit integers are less than 2^41 together.
"""

from .machine import load, store
from .sizes import PITCH, Q, S


def start_lanes(channels, inner, repeat, acc, slots, slot, lows, highs, quick):
    """Nothing is subtracted, and sums start with nothing."""


def restart_lanes(acc, lanes):
    """Begin the sums of a group of rows."""
    for j in range(lanes):
        store(acc, S + j, 0.0)
        store(acc, Q + j, 0.0)


def gather(acc, lanes, to):
    """Put the sums of the lanes into the rows from ``to`` on, as first words of three."""
    for row in range(to, to + 6 * PITCH, PITCH):
        for j in range(row, row + lanes):
            store(acc, j, 0.0)
    for j in range(lanes):
        store(acc, to + j, load(acc, S + j))
        store(acc, to + 3 * PITCH + j, load(acc, Q + j))
