"""How Dask runs it: nothing before it is asked for, one chunk at a time, the same bits on every scheduler."""

import gc
import importlib.util
import inspect
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

import fastbn

pytest.importorskip("dask.array")

import dask
import dask.array as da

import fastbn.dask
from chunked import threads_of

pytestmark = pytest.mark.host

CHUNKS = 32
ROWS, COLUMNS = 50, 4
HANDLERS = fastbn.dask.HANDLERS


def chunk_of(block_id):
    return np.random.default_rng(block_id).normal(280.0, 0.5, (ROWS, COLUMNS))


def made_by(function, count=CHUNKS):
    """A Dask array whose chunks a function of their places makes."""
    chunks = ((ROWS,) * count, (COLUMNS,))
    return da.map_blocks(function, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0)))


def calls(x):
    """Every function of a Dask array that is lazy, as a function of nothing."""
    stats = fastbn.dask.channel_stats(x)
    samples = x[..., np.newaxis]
    return {
        "zscore": lambda: fastbn.zscore(x),
        "minmax_scale": lambda: fastbn.minmax_scale(x),
        "normalize": lambda: fastbn.normalize(x, stats),
        "denormalize": lambda: fastbn.denormalize(x, stats),
        "minmax_unscale": lambda: fastbn.minmax_unscale(x, stats),
        "robust_scale": lambda: fastbn.robust_scale(x),
        "batch_norm": lambda: fastbn.batch_norm(x),
        "batch_norm_backward": lambda: fastbn.batch_norm_backward(x, x, stats),
        "instance_norm": lambda: fastbn.instance_norm(samples, channel_axis=0),
        "instance_norm_backward": lambda: fastbn.instance_norm_backward(samples, samples, channel_axis=0),
        "group_norm": lambda: fastbn.group_norm(samples, 2),
        "group_norm_backward": lambda: fastbn.group_norm_backward(samples, samples, 2),
        "layer_norm": lambda: fastbn.layer_norm(x, axis=0),
        "layer_norm_backward": lambda: fastbn.layer_norm_backward(x, x, axis=0),
    }


def test_every_function_is_tried_here():
    assert set(calls(made_by(chunk_of))) | {"channel_stats", "channel_quantiles"} == set(HANDLERS)
    functions = {name: getattr(fastbn, name) for name in fastbn.__all__ if inspect.isfunction(getattr(fastbn, name))}
    first = {name: next(iter(inspect.signature(function).parameters), None) for name, function in functions.items()}
    of_arrays = {name for name, parameter in first.items() if parameter in ("x", "y", "dy")}
    assert set(HANDLERS) == of_arrays - {"stream_from_host"}


@pytest.mark.parametrize("name", calls(made_by(chunk_of)))
def test_nothing_is_read_before_it_is_asked_for(name):
    def refuse(block_id):
        raise AssertionError("a chunk was read")

    result = calls(made_by(refuse))[name]()
    with pytest.raises(AssertionError, match="a chunk was read"):
        dask.compute(result, scheduler="synchronous")


def test_lazy_statistics_read_nothing():
    def refuse(block_id):
        raise AssertionError("a chunk was read")

    stats = fastbn.dask.channel_stats(made_by(refuse), method="exact")
    assert stats.mean.shape == (COLUMNS,)
    with pytest.raises(AssertionError, match="a chunk was read"):
        stats.compute(scheduler="synchronous")


class Living:
    """Counts the chunks that are in memory."""

    def __init__(self):
        self.now = self.most = self.made = 0
        self._lock = threading.Lock()

    def chunk(self, block_id):
        array = chunk_of(block_id)
        weakref.finalize(array, self._gone)
        with self._lock:
            self.now, self.made = self.now + 1, self.made + 1
            self.most = max(self.most, self.now)
        return array

    def _gone(self):
        with self._lock:
            self.now -= 1


def first_value(block):
    return block[:1, :1].copy()


def sampled(y):
    """A number of every chunk: the rest of the result is let go."""
    return y.map_blocks(first_value, chunks=((1,) * CHUNKS, (1,)), dtype=y.dtype, meta=np.empty((0, 0), y.dtype)).sum()


def given_statistics(x):
    return fastbn.normalize(x, fastbn.ChannelStats.from_moments(9, np.ones(COLUMNS), 1.0))


def gradient(x):
    return fastbn.batch_norm_backward(x, x, fastbn.dask.channel_stats(x).compute(scheduler="synchronous")).dx


READS = {  # what is computed, and how often it reads the data
    "statistics": (fastbn.dask.channel_stats, 1),
    "exact statistics": (lambda x: fastbn.dask.channel_stats(x, method="exact"), 1),
    "statistics and something else": (lambda x: (fastbn.dask.channel_stats(x), x.sum()), 1),
    "z-score": (lambda x: sampled(fastbn.zscore(x)), 2),
    "z-score of what is computed": (lambda x: sampled(fastbn.zscore(x + 1)), 2),
    "min-max": (lambda x: sampled(fastbn.minmax_scale(x, nan_policy="raise")), 2),
    "quantiles": (lambda x: fastbn.dask.channel_quantiles(x, 0.5), 4),
    "quantiles of float32": (lambda x: fastbn.dask.channel_quantiles(x.astype("float32"), [0.1, 0.5]), 2),
    "robust scaling": (lambda x: sampled(fastbn.robust_scale(x, nan_policy="raise")), 5),
    "robust scaling of integers": (lambda x: sampled(fastbn.robust_scale(x.astype("int16"))), 2),
    "given statistics": (lambda x: sampled(given_statistics(x)), 1),
    "gradients": (lambda x: sampled(gradient(x)), 3),
    "layers": (lambda x: sampled(fastbn.layer_norm(x)), 1),
    "layers that are cut": (lambda x: sampled(fastbn.layer_norm(x, axis=0)), 2),
}


@pytest.mark.parametrize("case", READS)
def test_few_chunks_are_alive_at_a_time(case):
    make, reads = READS[case]
    living = Living()
    result = make(made_by(living.chunk))
    dask.compute(result, scheduler="threads", num_workers=2)
    gc.collect()
    assert living.now == 0
    assert living.most <= 4
    assert living.made == reads * CHUNKS


def test_what_cannot_be_read_twice_is_shared():
    """Dask's `clone` does not rename what is inside the tasks of slices and the like: then statistics and map share."""
    living = Living()
    y = sampled(fastbn.zscore(made_by(living.chunk)[:, ::-1]))
    found = y.compute(scheduler="threads", num_workers=2)
    assert living.made == CHUNKS
    whole = np.concatenate([chunk_of((i, 0)) for i in range(CHUNKS)])[:, ::-1]
    expected = fastbn.zscore(whole)[::ROWS, 0].sum()
    assert abs(found - expected) < 1e-9


def add_first(block, others):
    return block + others[0]


SOURCES = {
    "array": lambda a: da.from_array(a, chunks=7),
    "random": lambda a: da.random.default_rng(0).random(a.shape, chunks=7),
    "elementwise": lambda a: (da.from_array(a, chunks=7) + 1) / 3,
    "slice": lambda a: da.from_array(a, chunks=7)[3:, ::2],
    "take": lambda a: da.from_array(a, chunks=7)[[5, 1, 9]],
    "mask": lambda a: da.from_array(a, chunks=7)[da.from_array(a[:, 0] > 280, chunks=7)],
    "concatenate": lambda a: da.concatenate([da.from_array(a, chunks=7), da.zeros((3, 4))]),
    "rechunk": lambda a: da.from_array(a, chunks=7).rechunk((5, 3)),
    "reshape": lambda a: da.from_array(a, chunks=7).reshape(10, 3, 4),
    "transpose": lambda a: da.from_array(a, chunks=7).T,
    "reduced": lambda a: da.from_array(a, chunks=7) - da.from_array(a, chunks=7).mean(axis=0),
    "persist": lambda a: (da.from_array(a, chunks=7) + 1).persist(scheduler="synchronous"),
    "delayed": lambda a: da.from_delayed(dask.delayed(np.asarray)(a), a.shape, a.dtype),
    "overlap": lambda a: da.overlap.overlap(da.from_array(a, chunks=7), depth=1, boundary="none"),
    "choice": lambda a: da.random.default_rng(0).choice(100, a.shape, chunks=7),  # other values at every reading
    "delayed in a list": lambda a: da.blockwise(
        add_first, "ij", da.from_array(a, chunks=7), "ij", [dask.delayed(float)(3)], None, dtype=float
    ),
    "roll": lambda a: da.roll(da.from_array(a, chunks=7), 2, axis=0),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_wherever_the_data_come_from(name, scheduler):
    lazy = SOURCES[name](np.random.default_rng(0).normal(280, 0.5, (30, 4)))
    with dask.config.set(scheduler=scheduler):
        x, y, stats = dask.compute(lazy, *fastbn.zscore(lazy, method="exact", return_stats=True))
        assert stats == fastbn.channel_stats(x, method="exact")
        assert (y == fastbn.zscore(x, method="exact")).all()


def test_memory_of_a_chunk_not_of_the_data():
    rows, count = 20_000, 20
    chunks = ((rows,) * count, (8,))
    x = da.map_blocks(
        lambda block_id: np.full((rows, 8), float(block_id[0])), chunks=chunks, dtype=float, meta=np.empty((0, 0))
    )
    where, weights = np.ones((1, 8), np.bool_), np.arange(rows * count, dtype=np.float64)[:, np.newaxis]
    for make in (
        lambda: fastbn.dask.channel_stats(x),
        lambda: fastbn.dask.channel_stats(x, method="exact"),
        lambda: fastbn.dask.channel_stats(x, where=where, weights=weights),
        lambda: fastbn.dask.channel_quantiles(x, [0.25, 0.5, 0.75]),
        lambda: fastbn.zscore(x).map_blocks(first_value, chunks=((1,) * count, (1,)), dtype=float).sum(),
    ):
        make().compute(scheduler="synchronous")  # what is kept for later is there
        lazy = make()
        tracemalloc.start()
        lazy.compute(scheduler="synchronous")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        chunk = rows * 8 * 8
        assert most < 3 * chunk + 16e6  # a chunk, its result, and what `channel_stats` takes


def data(method):
    x = da.random.default_rng(3).normal(1e6, 1.0, (400, 6, 5), chunks=((150, 0, 30, 220), (4, 2), 2))
    y, stats = fastbn.zscore(x, method=method, return_stats=True)
    return y, stats


@pytest.mark.parametrize("method", ["compensated", "exact"])
def test_every_scheduler_gives_the_same_bits(method):
    y, stats = data(method)
    expected = dask.compute(y, stats, scheduler="synchronous")
    for scheduler, workers in (("threads", 1), ("threads", 3), ("processes", 2)):
        found = dask.compute(y, stats, scheduler=scheduler, num_workers=workers)
        assert found[1] == expected[1]
        assert found[0].tobytes() == expected[0].tobytes()


def test_an_array_in_one_chunk_has_the_bits_of_memory():
    x = np.random.default_rng(0).normal(1e6, 1.0, (400, 6))
    lazy = da.from_array(x, chunks=-1)
    assert fastbn.channel_stats(lazy) == fastbn.channel_stats(x)
    assert fastbn.zscore(lazy).compute().tobytes() == fastbn.zscore(x).tobytes()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_task_uses_one_thread(scheduler):
    found = da.zeros((4, 1), chunks=1).map_blocks(threads_of, dtype=int).compute(scheduler=scheduler, num_workers=2)
    assert found.ravel().tolist() == [1] * 4


def test_dask_makes_no_layer_that_moves_data():
    """Neither a rechunk nor anything else that has several chunks of data in one task."""
    x = da.from_array(np.ones((40, 6, 8)), chunks=((11, 9, 20), 4, 3))
    where = da.from_array(np.ones((40, 6, 8), np.bool_), chunks=x.chunks)
    for made in (
        fastbn.zscore(x, where=where, weights=np.ones(8)),
        fastbn.minmax_scale(x, (0, 2)),
        fastbn.robust_scale(x, where=where),
        fastbn.group_norm(x, 3),
        fastbn.layer_norm(x, axis=(0, 1)),
        fastbn.batch_norm_backward(x, x, fastbn.dask.channel_stats(x)).dx,
    ):
        layers = {layer.partition("-")[0] for layer in made.dask.layers}
        assert not {name for name in layers if "rechunk" in name or "getitem" in name or "concatenate" in name}


@pytest.mark.parametrize("planning", ["False", "True"])
def test_both_kinds_of_dask_arrays(planning):
    """Which kind there is, is chosen when dask.array is imported."""
    if planning == "True" and importlib.util.find_spec("dask.array._array_expr") is None:
        pytest.skip("this Dask has no arrays that are expressions")
    script = Path(__file__).with_name("dask_planning.py")
    environment = os.environ | {"DASK_ARRAY__QUERY_PLANNING": planning}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), planning],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call",
    [
        fastbn.zscore,
        fastbn.minmax_scale,
        fastbn.robust_scale,
        fastbn.instance_norm,
        lambda x: fastbn.batch_norm_backward(x, x, fastbn.dask.channel_stats(x)).dx,
    ],
    ids=["zscore", "minmax", "robust", "instance", "gradient"],
)
def test_names_of_tasks_say_what_they_do(call):
    """The same call has the same names, so that a scheduler knows what it has already; another one has others."""
    x = da.from_array(np.arange(24.0).reshape(4, 3, 2), chunks=(2, 2, 1))
    assert set(call(x).__dask_graph__().keys()) == set(call(x).__dask_graph__().keys())
    other = da.from_array(np.arange(24.0).reshape(4, 3, 2) + 1, chunks=(2, 2, 1))
    assert call(x).name != call(other).name
