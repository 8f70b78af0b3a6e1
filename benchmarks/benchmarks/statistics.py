"""Per-channel statistics."""

import numpy as np

import fastbn

from . import common


class ChannelStats(common.Calls):
    """One pass over an array."""

    operations = {"channel_stats": lambda d: fastbn.channel_stats(d.x, d.channel_axis)}


class Merge:
    """Union of the statistics of many parts: what a pipeline pays per chunk."""

    version = "1"
    param_names = ["parts", "channels"]
    params = [[10, 1000], [3, 1000]]

    def setup(self, parts, channels):
        x = np.random.default_rng(0).standard_normal((4, channels))
        self.parts = [fastbn.channel_stats(x + i) for i in range(parts)]

    def time_merge(self, *_):
        self.parts[0].merge(*self.parts[1:])
