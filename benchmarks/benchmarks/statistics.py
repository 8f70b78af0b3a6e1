"""Per-channel statistics."""

import numpy as np

import fastbn

from . import common


class ChannelStats(common.Calls):
    """One pass over an array."""

    operations = {
        "channel_stats": lambda d: fastbn.channel_stats(d.x, d.channel_axis),
        "channel_stats_exact": lambda d: fastbn.channel_stats(d.x, d.channel_axis, method="exact"),
    }


class Merge:
    """Union of the statistics of many parts: what a pipeline pays per chunk."""

    version = "1"
    param_names = ["parts", "channels", "method"]
    params = [[10, 1000], [3, 1000], ["compensated", "exact"]]

    def setup(self, parts, channels, method):
        x = np.random.default_rng(0).standard_normal((4, channels))
        self.parts = [fastbn.channel_stats(x + i, method=method) for i in range(parts)]

    def time_merge(self, *_):
        self.parts[0].merge(*self.parts[1:])


class Finish:
    """From the integers of exact statistics to numbers."""

    version = "1"
    param_names = ["channels", "dtype"]
    params = [[10, 10000], ["float32", "float64"]]
    number = 1  # results are kept, so each call needs statistics of its own: asv calls setup before each

    def setup(self, channels, dtype):
        x = np.random.default_rng(0).normal(5, 1, (30, channels)).astype(dtype)
        self.stats = fastbn.channel_stats(x, method="exact")

    def time_mean(self, *_):
        return self.stats.mean

    def time_var(self, *_):
        return self.stats.var()

    def time_std(self, *_):
        return self.stats.std()
