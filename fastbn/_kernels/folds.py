"""Sums of lanes folded into those of channels, by halves, so that folds are vectorized too.

One lane after the other took a sixth of a tile's time. A lane holds groups of three words; only what falls below a
third word is rounded. A method binds ``TOTALS``, ``OTHERS`` (where these rows are) and ``WORDS_OF_LANE`` (how many).
"""

from .machine import load, store
from .sizes import PITCH
from .sums import add_words

FEW = 16  # lanes: less of a channel is folded beside that of others (8 cost 1.02, 32 1.05 times the time)


def clear_totals(acc, lanes):
    """No sums yet."""
    for row in range(WORDS_OF_LANE):
        for j in range(lanes):
            store(acc, TOTALS + row * PITCH + j, 0.0)


def add_others(acc, channels, inner, count):
    """Add to the totals of a channel's first ``count`` lanes what lies beside them, three words by three."""
    for row in range(0, WORDS_OF_LANE * PITCH, 3 * PITCH):
        for i in range(channels):
            for j in range(row + i * inner, row + i * inner + count):
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


def join_lanes(acc, channels, inner, distance, count):
    """Totals of a channel's first ``count`` lanes take those of the lanes at a distance.

    These are copied first: compilers do not see that they are others.
    """
    for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
        for i in range(channels):
            for j in range(row + i * inner, row + i * inner + count):
                store(acc, OTHERS + j, load(acc, TOTALS + distance + j))
    add_others(acc, channels, inner, count)


def transpose(acc, channels, inner, size):
    """Put the first ``size`` lanes of each channel, which has ``inner``, as (size, channel).

    Row by row in the inner loop: along lanes, compilers scatter (0.3 us per channel).
    """
    for c in range(channels):
        for j in range(size):
            for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
                store(acc, OTHERS + row + j * channels + c, load(acc, TOTALS + row + c * inner + j))
    for row in range(0, WORDS_OF_LANE * PITCH, PITCH):
        for j in range(size * channels):
            store(acc, TOTALS + row + j, load(acc, OTHERS + row + j))


def halve(acc, lanes, size):
    """Add up ``size`` rows of lanes that stand side by side, into the first."""
    while size > 1:
        half = (size + 1) // 2
        join_lanes(acc, 1, lanes, half * lanes, (size - half) * lanes)
        size = half


def fold_lanes(acc, channels, inner, repeat):
    """Lanes (repeat, channel, inner): leave the totals of a channel in the lane of its number."""
    halve(acc, channels * inner, repeat)
    size = inner
    while size > FEW:
        half = (size + 1) // 2
        join_lanes(acc, channels, inner, half, size - half)
        size = half
    if channels > 1 and inner > 1:
        transpose(acc, channels, inner, size)
    halve(acc, channels, size)
