"""64 threads at once: every function, values that they share, layers of their own and shared ones; the bits of one."""

from __future__ import annotations

import functools
import json
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastbn
from scripts import run

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

THREADS = 64
HOSTS = [info.name for info in fastbn.backends() if info.available and info.name != "cuda"]


def noise(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    x = np.random.default_rng(len(shape)).normal(3.0, 2.0, shape).astype(dtype)
    x.flags.writeable = False
    return x


X = noise((12, 6, 50))
LARGE = noise((22, 3, 1 << 14))  # 4.3 MB: for two threads
MASKED = np.ma.masked_less(X, 0.0)
FEW = fastbn.ChannelStats.from_moments(10, np.arange(6.0), np.ones(6), min=-np.ones(6), max=np.ones(6))


@pytest.fixture(autouse=True)
def _switching():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def bits(value: Any) -> bytes:
    """All that a result says."""
    if isinstance(value, fastbn.ChannelStats | fastbn.ChannelQuantiles):
        return json.dumps(value.to_dict()).encode()
    if isinstance(value, tuple | list):
        return b"|".join(map(bits, value))
    return value.tobytes() if isinstance(value, np.ndarray | np.generic) else repr(value).encode()


def into(function: Callable[..., Any], *args: Any, **options: Any) -> np.ndarray:
    """The result in memory of the caller's own."""
    out = np.empty(args[0].shape, np.float32)
    function(*args, out=out, **options)
    return out


def tracked(**options: Any) -> list[Any]:
    mean, var = np.zeros(6), np.ones(6, np.float32)
    return [fastbn.batch_norm(X, running_mean=mean, running_var=var, **options), mean, var]


def with_layer() -> list[Any]:
    layer = fastbn.BatchNorm(6)
    forward = [layer(X), layer(MASKED), layer(X[:5])]
    return [*forward, layer.backward(X[:5]), layer.grad_gamma, *layer.state_dict().values()]


def chosen() -> list[Any]:
    """What a thread chooses counts for itself."""
    found = []
    for name in HOSTS:
        with fastbn.use_backend(name):
            found += [fastbn.zscore(X), fastbn.channel_stats(LARGE), name == fastbn.show_config("dicts")["backend"]]
    return found


def counted() -> list[Any]:
    """What a thread says of threads counts for itself."""
    found: list[Any] = []
    for number in (1, 3):
        fastbn.set_num_threads(number)
        found += [fastbn.get_num_threads(), fastbn.channel_stats(LARGE)]
    fastbn.set_num_threads(2)
    return found


STATS = fastbn.channel_stats(X)
CALLS: dict[str, Callable[[], Any]] = {
    "backends": lambda: [info.available for info in fastbn.backends()],
    "batch_norm": lambda: [tracked(), tracked(convention="keras", nan_policy="omit", return_stats=True)],
    "batch_norm_backward": lambda: fastbn.batch_norm_backward(X, X, STATS),
    "channel_quantiles": lambda: fastbn.channel_quantiles(X, [0.1, 0.5]),
    "channel_stats": lambda: [
        *(fastbn.channel_stats(X, method=method) for method in ("exact", "compensated")),
        fastbn.channel_stats(X[:, :, 0], weights=np.arange(12.0)[:, np.newaxis]),
        fastbn.channel_stats(MASKED),
    ],
    "denormalize": lambda: into(fastbn.denormalize, X, FEW),
    "get_accumulators": fastbn.get_accumulators,
    "get_num_threads": fastbn.get_num_threads,
    "group_norm": lambda: into(fastbn.group_norm, X, 3),
    "group_norm_backward": lambda: fastbn.group_norm_backward(X, X, 3),
    "instance_norm": lambda: into(fastbn.instance_norm, X),
    "instance_norm_backward": lambda: fastbn.instance_norm_backward(X, X),
    "layer_norm": lambda: into(fastbn.layer_norm, X),
    "layer_norm_backward": lambda: fastbn.layer_norm_backward(X, X),
    "minmax_scale": lambda: [into(fastbn.minmax_scale, X), fastbn.minmax_scale(LARGE)],
    "minmax_unscale": lambda: into(fastbn.minmax_unscale, X, FEW),
    "normalize": lambda: [into(fastbn.normalize, X, FEW), fastbn.normalize(X[:, :, ::2], STATS)],
    "robust_scale": lambda: fastbn.robust_scale(X),
    "set_num_threads": counted,
    "show_config": lambda: fastbn.show_config("dicts")["backend"],
    "use_backend": chosen,
    "zscore": lambda: [into(fastbn.zscore, X), fastbn.zscore(LARGE)],
    "BatchNorm": with_layer,
}
#: Those that set something for the whole process, and what is for devices.
OF_THE_PROCESS = {"set_accumulators", "set_backend", "stream_from_host"}


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What each of many threads finds that begin together."""
    begin = threading.Barrier(threads)
    found: list[Any] = [None] * threads

    def one(i: int) -> None:
        begin.wait(60)
        try:
            found[i] = work(i)
        except BaseException as error:  # noqa: BLE001 - told by what is found
            found[i] = error

    workers = [threading.Thread(target=one, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert not any(worker.is_alive() for worker in workers), "threads wait for each other"
    return found


def test_the_table_has_every_function():
    functions = {name for name in fastbn.__all__ if callable(getattr(fastbn, name)) and name[0].islower()}
    assert functions - OF_THE_PROCESS == set(CALLS) - {"BatchNorm"}


def test_64_threads_call_every_function_and_find_what_one_finds(backend, tally):
    """Each in an order of its own."""
    threads = fastbn.get_num_threads()
    fastbn.set_num_threads(2)
    try:
        alone = {name: bits(call()) for name, call in CALLS.items()}
    finally:
        fastbn.set_num_threads(threads)

    def work(i: int) -> list[str]:
        names = [*CALLS]
        random.Random(i).shuffle(names)
        with fastbn.use_backend(backend):
            fastbn.set_num_threads(2)
            return [name for name in names if bits(CALLS[name]()) != alone[name]]

    assert at_once(work) == [[]] * THREADS
    tally("calls from 64 threads", THREADS * len(CALLS))


def read(value: fastbn.ChannelStats | fastbn.ChannelQuantiles) -> bytes:
    """Everything that a value computes when it is asked."""
    if isinstance(value, fastbn.ChannelQuantiles):
        return bits([value, value.values, value.quantile(0.5), value.count, hash(value), value.merge(value)])
    numbers = (value.var(), value.var(1), value.std(), value.mean, value.count, value.min, value.max, value.weight)
    return bits([*numbers, hash(value), value.merge(value, STATS), value == STATS, value.concatenate([value, STATS])])


@pytest.mark.parametrize(
    "make",
    [
        lambda: fastbn.channel_stats(X, method="exact"),
        lambda: fastbn.channel_stats(MASKED, method="exact"),
        lambda: fastbn.channel_stats(X, method="exact") + fastbn.channel_stats(X),
        lambda: fastbn.channel_quantiles(X.astype(np.int16), [0.25, 0.5, 0.75]),
    ],
    ids=["exact", "masked", "merged", "quantiles"],
)
def test_64_threads_read_one_value(make, tally):
    """New each time: some of its numbers are made when they are first asked for."""
    alone, rounds = read(make()), 3
    for _ in range(rounds):
        shared = make()
        assert at_once(lambda _, shared=shared: read(shared)) == [alone] * THREADS
    tally("calls from 64 threads", rounds * THREADS)


def test_64_threads_train_a_layer_each(tally):
    batches = [X, MASKED, X[:5], X[3:]]

    def train(_: int) -> list[bytes]:
        layer = fastbn.BatchNorm(6, momentum=None)
        forward = [bits(layer(batch)) for batch in batches for _ in range(3)]
        return [*forward, bits(layer.backward(X[3:])), bits(list(layer.state_dict().values()))]

    assert at_once(train) == [train(0)] * THREADS
    tally("calls from 64 threads", THREADS * 3 * len(batches))


def test_64_threads_share_a_layer_in_evaluation(tally):
    layer = fastbn.BatchNorm(6)
    layer(X)
    layer.eval()
    before = bits(list(layer.state_dict().values()))
    alone = [bits(layer(X[i:])) for i in range(8)]
    assert at_once(lambda i: [bits(layer(X[k:])) for k in range(8) for _ in range(i % 3)]) == [
        [alone[k] for k in range(8) for _ in range(i % 3)] for i in range(THREADS)
    ]
    assert bits(list(layer.state_dict().values())) == before
    tally("calls from 64 threads", THREADS * 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_updates_of_the_same_statistics_may_be_lost_but_are_whole(dtype, tally):
    """As in PyTorch: each number is one that some updates in a row make; never are there more than calls."""
    mean, var = np.zeros(6, dtype), np.ones(6, dtype)
    steps = [(mean.copy(), var.copy())]
    for _ in range(THREADS * 4):
        fastbn.batch_norm(X, running_mean=mean, running_var=var)
        steps.append((mean.copy(), var.copy()))
    shared = steps[0][0].copy(), steps[0][1].copy()

    def work(_: int) -> None:
        for _ in range(4):
            fastbn.batch_norm(X, running_mean=shared[0], running_var=shared[1])

    assert at_once(work) == [None] * THREADS
    for found, reached in zip(shared, zip(*steps, strict=True), strict=True):
        for channel, number in enumerate(found):
            assert number in [step[channel] for step in reached[1:]]
    tally("calls from 64 threads", THREADS * 4)


FIRST_USE = """
import os, threading
import numpy as np
x = np.random.default_rng(0).normal(size=(64, 8, 2100)).astype(np.float32)
begin, found = threading.Barrier({threads}), []

def work():
    begin.wait()
    import fastbn
    with fastbn.use_backend({backend!r}):
        fastbn.set_num_threads(2)
        stats = fastbn.channel_stats(x, method="exact")
        y, grads = fastbn.zscore(x), fastbn.batch_norm_backward(x, x, stats)
        found.append(b"".join(a.tobytes() for a in (stats.mean, y, grads.dx, fastbn.minmax_scale(x))))

workers = [threading.Thread(target=work) for _ in range({threads})]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
mine = [thread.name for thread in threading.enumerate() if thread.name.startswith("fastbn")]
print(len(found), len(set(found)), len(mine), hash(found[0]))
"""


def test_64_threads_use_it_first_at_once(tmp_path, backend, tally):
    """They import it, load and bind kernels and start the pool, of one thread, at the same time."""
    first = functools.partial(run, tmp_path, backend, PYTHONHASHSEED="0")
    alone = first(FIRST_USE.format(threads=1, backend=backend))
    assert alone[:3] == ["1", "1", "1"]
    assert first(FIRST_USE.format(threads=THREADS, backend=backend)) == [str(THREADS), "1", "1", alone[3]]
    tally("calls from 64 threads", THREADS * 4)
