"""Dask arrays: what is added to the same work in memory, chunk by chunk and in the graph."""

import numpy as np

import fastbn

from . import common

try:
    import dask.array as da

    import fastbn.dask
except ImportError:  # versions before it, or no Dask
    da = None


class Chunks(common.Data):
    """Statistics and z-scores of data in chunks along the first axis, on Dask's threads; `whole` is not in chunks."""

    version = "1"
    operations = {
        "channel_stats": fastbn.channel_stats,
        "channel_stats exact": lambda x, axis: fastbn.channel_stats(x, axis, method="exact"),
        "zscore": fastbn.zscore,
    }
    param_names = ["operation", "chunks", "layout", "backend"]
    params = [list(operations), ["whole", 4, 64], ["table", "nchw"], common.BACKENDS]

    def setup(self, operation, chunks, layout, backend):
        if da is None:
            raise NotImplementedError("this version, or this environment, knows nothing of Dask")
        self.prepare(layout, "float32", backend)
        self.operation = self.operations[operation]
        if chunks != "whole":
            rows = max(1, len(self.x) // chunks)
            self.x = da.from_array(self.x, chunks=(rows, *self.x.shape[1:]))
        self.time_call()  # compiles

    def teardown(self, *_):
        if da is not None:
            super().teardown()

    def time_call(self, *_):
        result = self.operation(self.x, self.channel_axis)
        if not isinstance(result, np.ndarray | fastbn.ChannelStats):
            result.compute(scheduler="threads")


class Graphs:
    """Making and optimizing the graph of very many chunks, with nothing computed."""

    version = "1"
    param_names = ["operation", "chunks"]
    params = [["channel_stats", "zscore"], [100, 10_000]]

    def setup(self, operation, chunks):
        if da is None:
            raise NotImplementedError("this version, or this environment, knows nothing of Dask")
        self.x = da.zeros((chunks, 16), chunks=(1, 16))
        self.operation = {"channel_stats": fastbn.dask.channel_stats, "zscore": fastbn.zscore}[operation]

    def time_graph(self, *_):
        dict(self.operation(self.x).__dask_graph__())
