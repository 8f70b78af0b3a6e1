"""Sums of lanes folded into those of channels, by halves, so that folds are vectorized too.

One lane after the other took a sixth of a tile's time. A lane holds groups of three words; only what falls below a
third word is rounded. A method binds ``TOTALS``, ``OTHERS`` (where these rows are) and ``WORDS_OF_LANE`` (how many).
"""

from .machine import load, store, window
from .sizes import PITCH
from .sums import add_words


def clear_totals(acc, lanes):
    """No sums yet."""
    for row in range(WORDS_OF_LANE):
        for j in range(lanes):
            store(acc, TOTALS + row * PITCH + j, 0.0)


def add_others(acc, count):
    """Add to the totals of ``count`` lanes what lies beside them, three words by three."""
    for row in range(0, WORDS_OF_LANE * PITCH, 3 * PITCH):
        for j in range(row, row + count):
            a, b, c = add_words(
                load(acc, TOTALS + j),
                load(acc, TOTALS + PITCH + j),
                load(acc, TOTALS + 2 * PITCH + j),
                load(acc, OTHERS + j),
                load(acc, OTHERS + PITCH + j),
                load(acc, OTHERS + 2 * PITCH + j),
            )
            store(acc, TOTALS + j, a)
            store(acc, TOTALS + PITCH + j, b)
            store(acc, TOTALS + 2 * PITCH + j, c)


def join_lanes(acc, distance, count):
    """Totals of ``count`` lanes take those of the lanes at a distance."""
    for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
        for j in range(row, row + count):
            store(acc, OTHERS + j, load(acc, TOTALS + distance + j))
    add_others(acc, count)


def fold_lanes(acc, channels, inner, repeat):
    """Leave the totals of a channel in its first lane."""
    lanes = channels * inner
    for r in range(1, repeat):
        join_lanes(acc, r * lanes, lanes)
    size = inner
    while size > 1:
        half = (size + 1) // 2
        for c in range(channels):
            join_lanes(window(acc, c * inner), half, size - half)
        size = half
