"""Checks of statistics that are handed in."""

from typing import Any

import numpy as np

from ._channel_stats import ChannelStats
from ._layout import Axes


def check_stats(stats: Any, axes: Axes) -> None:
    """Refuse what are no statistics of these channels."""
    if not isinstance(stats, ChannelStats):
        raise TypeError(f"stats: got {type(stats).__name__}; wants ChannelStats")
    if stats.shape != axes.shape:
        raise ValueError(f"stats: got statistics of channel shape {stats.shape}; wants {axes.shape}")


def check_extremes(stats: Any, axes: Axes) -> None:
    """Refuse statistics made without extremes (data with a NaN have neither extremes nor a mean)."""
    check_stats(stats, axes)
    low = stats.min
    if low.dtype.kind == "f" and np.isnan(low).any() and (np.isnan(low) & ~np.isnan(stats.mean)).any():
        raise ValueError(
            "stats: got statistics without min and max; wants those of data, or from_moments(..., min=, max=)"
        )
