"""What the benchmarks share: layouts, dtypes, back ends, data, and the class that times a table of operations."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod

import numpy as np

import fastbn

# By name: older versions, which are timed with this suite, know nothing of arrays on devices.
BACKENDS = [info.name for info in fastbn.backends() if info.name != "cuda"]

# name -> shape, channel axis
LAYOUTS = {
    "small": ((32, 16), 1),
    "table": ((2**20, 32), 1),
    "tall": ((2**22, 3), 1),
    "nchw": ((32, 64, 112, 112), 1),
    "nhwc": ((32, 112, 112, 64), -1),
    "image": ((8, 3, 1024, 1024), 1),
}
DTYPES = ["float32", "float64", "float16", "uint8"]


def make_array(layout, dtype):
    """Return the array of a layout and its channel axis: standard normal, or uniform integers."""
    shape, channel_axis = LAYOUTS[layout]
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True), channel_axis
    return rng.standard_normal(shape, dtype=np.float32).astype(dtype), channel_axis


class Selected:
    """Runs a benchmark on one back end, and gives the choice back afterwards."""

    def select(self, backend):
        """Choose the back end, or let asv skip the benchmark where it is missing."""
        info = next(info for info in fastbn.backends() if info.name == backend)
        if not info.available:
            raise NotImplementedError(info.reason)
        self.selection = fastbn.use_backend(backend)
        self.selection.__enter__()

    def teardown(self, *_):
        self.selection.__exit__(None, None, None)


class Data(Selected):
    """An array with what the operations need beside it: statistics, running statistics, gamma, beta and an output."""

    def prepare(self, layout, dtype, backend):
        """Make and touch every array, so that no page fault is timed."""
        self.select(backend)
        self.x, self.channel_axis = make_array(layout, dtype)
        self.out = np.ones(self.x.shape, np.float32 if dtype == "uint8" else dtype)
        self.stats = fastbn.channel_stats(self.x, self.channel_axis)
        channels = self.stats.shape
        self.identity = fastbn.ChannelStats.from_moments(1, np.zeros(channels), 1.0)
        self.gamma, self.beta = np.full(channels, 1.5), np.full(channels, 0.5)
        self.running = {"running_mean": np.zeros(channels), "running_var": np.ones(channels)}


class Calls(ABC, Data):
    """Time and bandwidth of each of `operations`, over all layouts, dtypes and back ends."""

    version = "1"
    param_names = ["operation", "layout", "dtype", "backend"]

    @property
    @abstractmethod
    def operations(self):
        """Table from a name to a function of the benchmark itself; abstract, so that asv passes this class over."""

    def __init_subclass__(cls):
        cls.params = [list(cls.operations), list(LAYOUTS), DTYPES, BACKENDS]

    def setup(self, operation, layout, dtype, backend):
        self.prepare(layout, dtype, backend)
        self.operation = self.operations[operation]
        self.operation(self)  # compiles

    def time_call(self, *_):
        self.operation(self)

    def track_bandwidth(self, *_):
        """Input once and output once, over the median time of seven calls, whatever the operation reads twice."""
        times = []
        for _call in range(7):
            start = time.perf_counter()
            result = self.operation(self)
            times.append(time.perf_counter() - start)
        written = result.nbytes if isinstance(result, np.ndarray) else 0
        return (self.x.nbytes + written) / statistics.median(times) / 1e9

    track_bandwidth.unit = "GB/s"
