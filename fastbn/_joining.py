"""Statistics of some channels, side by side, as those of all."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._channel_stats import ChannelStats
from ._exact import ExactState, Integers
from ._merging import Tally

Nested = Any  # ChannelStats, or lists of them: one level for every axis of the channels


def flat(nested: Nested) -> list[Any]:
    """What nested lists hold, in order."""
    return [piece for part in nested for piece in flat(part)] if isinstance(nested, list) else [nested]


def joined(nested: Nested) -> ChannelStats:
    """Statistics of all channels from those of pieces, which cut every axis."""
    pieces: list[ChannelStats] = flat(nested)
    if len(pieces) == 1:
        return pieces[0]
    least, greatest = _assembled(nested, lambda s: s._least), _assembled(nested, lambda s: s._greatest)
    tally = Tally(
        _assembled(nested, lambda s: s._tallied.counted),
        _assembled(nested, lambda s: s._tallied.missing),
        _assembled(nested, lambda s: s._tallied.tail),
    )
    if any(piece.method != "exact" for piece in pieces):
        return ChannelStats(_assembled(nested, lambda s: s._state), least, greatest, None, tally)
    counts = _assembled(nested, lambda s: _exact(s).counts.reshape(len(_exact(s).counts), *s.shape))
    total, squares = (_integers(nested, look) for look in (lambda s: _exact(s).total, lambda s: _exact(s).squares))
    return ChannelStats(ExactState(counts.reshape(len(counts), -1), total, squares), least, greatest, None, tally)


def _exact(stats: ChannelStats) -> ExactState:
    assert stats._exact is not None
    return stats._exact


def _integers(nested: Nested, look: Callable[[ChannelStats], Integers]) -> Integers:
    """In the words that any of the channels needs."""
    parts = [look(piece) for piece in flat(nested)]
    first = min(part.first for part in parts)
    rows = max(part.first + len(part.words) for part in parts) - first

    def placed(stats: ChannelStats) -> np.ndarray:
        part = look(stats)
        words = np.zeros((rows, part.words.shape[1]), np.int64)
        words[part.first - first :][: len(part.words)] = part.words
        return words.reshape(rows, *stats.shape)

    return Integers(first, _assembled(nested, placed).reshape(rows, -1)).carried()


def _assembled(nested: Nested, look: Callable[[ChannelStats], np.ndarray]) -> np.ndarray:
    """Arrays of the pieces as one: their last axes are those of the channels."""

    def looked(part: Nested) -> Any:
        return [looked(piece) for piece in part] if isinstance(part, list) else look(part)

    return np.ascontiguousarray(np.block(looked(nested)))
