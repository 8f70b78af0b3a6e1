"""The ends between which the min-max maps go, as the backends take them."""

import numpy as np

from ._backends import Moments, Words


def two_words(value: np.ndarray) -> Words:
    """Numbers of any supported dtype as float64 plus float64, exact."""
    if value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        upper = (value >> 11) << 11
        return upper.astype(np.float64), (value - upper).astype(np.float64)
    return value.astype(np.float64), np.zeros(value.shape)


def extremes(moments: Moments) -> tuple[Words, Words]:
    """Minimum and maximum in two words; NaN where nothing was counted."""
    low, high = two_words(moments.least), two_words(moments.greatest)
    empty = moments.state[0] == 0.0
    if empty.any():
        low[0][empty] = high[0][empty] = np.nan
    return low, high


def ends(low: float, high: float, channels: int) -> tuple[Words, Words]:
    """The same interval for every channel, in two words."""
    nothing = np.zeros(channels)
    return (np.full(channels, low), nothing), (np.full(channels, high), nothing)
