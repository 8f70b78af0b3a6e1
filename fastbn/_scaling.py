"""Statistics as scalers use them: where there is no spread to divide by, the divisor is 1.

`normalize` and `minmax_scale` give a constant channel one value, whatever the data. A scaler that was fitted to one
subtracts and divides by 1, so that other values of later data stay apart, and does not subtract, or divide, where that
was not asked for. Both are the same maps with other statistics; channels with spread keep every bit of theirs.
"""

import numpy as np

from ._channel_stats import ChannelStats
from ._environment import in_default_environment
from ._kernels.sums import COUNTED, M2, M2_TAIL, MEAN, MEAN_TAIL

_HOST = np.empty(0)  # where the statistics are wanted
_SPREAD = 2.0**-900  # of a sum of squared deviations above it, the variance is not 0, whatever the count


@in_default_environment
def standardizing(stats: ChannelStats, with_mean: bool, with_std: bool) -> ChannelStats:
    """With mean 0 if it is not to be subtracted, and variance 1 if it is 0 or not to be divided by."""
    state, least, greatest = stats.moments(_HOST)[:3]
    if with_mean and with_std and (state[M2] > _SPREAD).all():
        return stats
    if not with_mean:
        state[[MEAN, MEAN_TAIL]] = 0.0
    unit = stats.var().reshape(-1) == 0.0 if with_std else np.ones(least.shape, np.bool_)
    state[M2, unit] = state[COUNTED, unit]
    state[M2_TAIL, unit] = 0.0
    shape = stats.shape
    return ChannelStats(state.reshape(-1, *shape), least.reshape(shape), greatest.reshape(shape))


@in_default_environment
def rescaling(stats: ChannelStats) -> ChannelStats:
    """With a range of 1 where it is 0, but for numbers beyond 2^53, to which 1 cannot be added."""
    least, greatest = stats.min, stats.max
    constant = np.asarray(least == greatest)
    if not constant.any():
        return stats
    if least.dtype.kind == "f":
        wide = least.astype(np.float64)
        above = wide + 1.0
    else:
        whole = np.uint64 if least.dtype == np.uint64 else np.int64
        wide = least.astype(whole)
        above = np.minimum(wide, np.iinfo(whole).max - 1) + 1
    greatest = np.where(constant, above, greatest.astype(wide.dtype))
    return ChannelStats.from_moments(stats.count, 0.0, 0.0, min=wide, max=greatest)
