"""Statistics, or quantiles, of some channels, side by side, as those of all."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from ._exact import ExactState, Integers
from ._histogram import LEVELS, Histogram
from ._merging import Tally

Nested = Any  # a value, or lists of them: one level for every axis of the channels


def flat(nested: Nested) -> list[Any]:
    """What nested lists hold, in order."""
    return [piece for part in nested for piece in flat(part)] if isinstance(nested, list) else [nested]


def joined(nested: Nested) -> Any:
    """The value of all channels from those of pieces, which cut every axis."""
    pieces = flat(nested)
    if len(pieces) == 1:
        return pieces[0]
    return (_joined_quantiles if isinstance(pieces[0], ChannelQuantiles) else _joined_stats)(nested, pieces)


def _joined_quantiles(nested: Nested, pieces: list[ChannelQuantiles]) -> ChannelQuantiles:
    """First one after the other, and then each channel in its place."""
    parts = [piece._contents for piece in pieces]
    first = dict(
        zip(map(id, pieces), itertools.accumulate((part.counted.size for part in parts), initial=0), strict=False)
    )
    values, count, missing = (
        np.concatenate([getattr(part, name).reshape(*rows, -1) for part in parts], axis=-1)
        for name, rows in (("values", (len(parts[0].values),)), ("counted", ()), ("missing", ()))
    )
    histograms = [part.histogram for part in parts if part.histogram is not None]
    histogram = _side_by_side(histograms) if histograms else None
    whole = parts[0]._replace(values=values, counted=count, missing=missing, names=None, histogram=histogram)
    index = _assembled(nested, lambda piece: first[id(piece)] + np.arange(piece.count.size).reshape(piece.shape))
    return ChannelQuantiles(whole).select(index)


def _joined_stats(nested: Nested, pieces: list[ChannelStats]) -> ChannelStats:
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


def _side_by_side(parts: list[Histogram]) -> Histogram:
    """Histograms of all channels, one part after the other."""
    first = list(itertools.accumulate((part.channels for part in parts), initial=0))
    keys = [part.keys + LEVELS * before for part, before in zip(parts, first, strict=False)]
    return Histogram(parts[0].least, first[-1], np.concatenate(keys), np.concatenate([part.counts for part in parts]))


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


def _assembled(nested: Nested, look: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Arrays of the pieces as one: their last axes are those of the channels."""

    def looked(part: Nested) -> Any:
        return [looked(piece) for piece in part] if isinstance(part, list) else look(part)

    return np.ascontiguousarray(np.block(looked(nested)))
