"""Statistics and z-scores of data of which not everything counts."""

import numpy as np

import fastbn

from . import common


class Missing(common.Data):
    """NaN left out where there are none and where there are 1 %, masks and weights per row, nodata."""

    version = "1"
    operations = {
        "propagate": lambda d: fastbn.channel_stats(d.x, d.channel_axis),
        "omit none": lambda d: fastbn.channel_stats(d.x, d.channel_axis, nan_policy="omit"),
        "omit 1 %": lambda d: fastbn.channel_stats(d.gaps, d.channel_axis, nan_policy="omit"),
        "zscore omit 1 %": lambda d: fastbn.zscore(d.gaps, d.channel_axis, nan_policy="omit", out=d.out),
        "where": lambda d: fastbn.channel_stats(d.x, d.channel_axis, where=d.rows > 0),
        "weights": lambda d: fastbn.channel_stats(d.x, d.channel_axis, weights=d.rows),
        "nodata": lambda d: fastbn.channel_stats(d.x, d.channel_axis, nodata=0),
        "zscore nodata": lambda d: fastbn.zscore(d.x, d.channel_axis, nodata=0, out=d.out),
    }
    param_names = ["operation", "layout", "dtype", "backend"]
    params = [list(operations), ["small", "table", "nchw"], ["float32", "float64"], common.BACKENDS]

    def setup(self, operation, layout, dtype, backend):
        self.prepare(layout, dtype, backend)
        self.gaps = self.x.copy()
        self.gaps[np.random.default_rng(1).random(self.x.shape, np.float32) < 0.01] = np.nan
        self.rows = np.arange(len(self.x)).reshape(-1, *[1] * (self.x.ndim - 1)) % 4
        self.operation = self.operations[operation]
        self.operation(self)  # compiles

    def time_call(self, *_):
        self.operation(self)
