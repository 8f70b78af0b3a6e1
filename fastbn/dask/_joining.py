"""Statistics, or quantiles, of some channels, side by side, as those of all."""

import itertools
import math
from typing import Any

import numpy as np

from .._channel_quantiles import ChannelQuantiles, quantiles_side_by_side
from .._channel_stats import side_by_side

Nested = Any  # a value, or lists of them: one level for every axis of the channels


def flat(nested: Nested) -> list[Any]:
    """What nested lists hold, in order."""
    return [piece for part in nested for piece in flat(part)] if isinstance(nested, list) else [nested]


def joined(nested: Nested) -> Any:
    """The value of all channels from those of pieces, which cut every axis."""
    pieces = flat(nested)
    if len(pieces) == 1:
        return pieces[0]
    # First one after the other, and then each channel in its place.
    whole = (quantiles_side_by_side if isinstance(pieces[0], ChannelQuantiles) else side_by_side)(pieces)
    sizes = (math.prod(piece.shape) for piece in pieces)
    first = dict(zip(map(id, pieces), itertools.accumulate(sizes, initial=0), strict=False))
    return whole.select(_places(nested, first))


def _places(nested: Nested, first: dict[int, int]) -> np.ndarray:
    """Where each channel is in the pieces, one after the other."""

    def places(part: Nested) -> Any:
        if isinstance(part, list):
            return [places(piece) for piece in part]
        return first[id(part)] + np.arange(math.prod(part.shape)).reshape(part.shape)

    return np.block(places(nested))
