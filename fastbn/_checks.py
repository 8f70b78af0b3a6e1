"""Checks of statistics that are handed in."""

from typing import Any

import numpy as np

from ._backends import Moments
from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from ._layout import Axes


def check_stats(stats: Any, axes: Axes) -> None:
    """Refuse what are no statistics of these channels."""
    if not isinstance(stats, ChannelStats):
        raise TypeError(f"stats: got {type(stats).__name__}; wants ChannelStats")
    _check_shape(stats, axes)


def check_quantiles_of(stats: Any, axes: Axes) -> None:
    """Refuse what are no quantiles of these channels."""
    if not isinstance(stats, ChannelQuantiles):
        raise TypeError(f"stats: got {type(stats).__name__}; wants ChannelQuantiles")
    _check_shape(stats, axes)


def _check_shape(stats: ChannelStats | ChannelQuantiles, axes: Axes) -> None:
    if stats.shape != axes.shape:
        raise ValueError(f"stats: got statistics of channel shape {stats.shape}; wants {axes.shape}")


def check_extremes(stats: Any, axes: Axes, beside: np.ndarray) -> None:
    """Refuse statistics made without extremes (data with a NaN have neither extremes nor a mean).

    The first and the last of several quantiles stand for them.
    """
    if isinstance(stats, ChannelQuantiles):
        _check_shape(stats, axes)
        if isinstance(stats.q, float) or not stats.q[0] < stats.q[-1]:
            raise ValueError(f"stats: got the quantiles {stats.q}; wants two or more, the first below the last")
        return
    check_stats(stats, axes)
    moments = stats.moments(beside)
    if not isinstance(moments, Moments):  # of data on a device, just computed
        return
    count, mean = moments.state[:2]
    unknown = np.isnan(moments.least) | np.isnan(moments.greatest)
    if (unknown & (count > 0) & ~np.isnan(mean)).any():
        raise ValueError(
            "stats: got statistics without min and max; wants those of data, or from_moments(..., min=, max=)"
        )
