"""An interrupt (Ctrl-C) at any moment: statistics are the old ones or the new ones, and no thread stays at work."""

from __future__ import annotations

import functools
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastbn
from conftest import threads_per_call
from fastbn import _threads
from interrupts import Alarm, Watched, traced

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.host,
    # Of an interrupt while a generator is deleted, Python only tells.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ALARMS = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers that signal")
SMALL = np.random.default_rng(0).normal(3.0, 2.0, (9, 4, 5)).astype(np.float32)
LARGE = np.random.default_rng(1).normal(3.0, 2.0, (24, 4, 1 << 14)).astype(np.float32)  # for three threads or more


class Case(NamedTuple):
    """What a call changes."""

    make: Callable[[], Any]
    call: Callable[[Any], Any]
    state: Callable[[Any], Any]


def pair(dtype: str, other: str | None = None, step: int = 1):
    """Running statistics of four channels."""
    return lambda: (np.full(4 * step, 0.5, dtype)[::step], np.full(4 * step, 2.0, other or dtype)[::step])


def running(make: Callable[[], Any], x: np.ndarray = SMALL, **options: Any) -> Case:
    def call(made):
        fastbn.batch_norm(x, running_mean=made[0], running_var=made[1], **options)

    return Case(make, call, lambda made: [array.tobytes() for array in made])


def layer_state(layer: fastbn.BatchNorm):
    arrays = (layer.gamma, layer.beta, layer.running_mean, layer.running_var, layer.grad_gamma, layer.grad_beta)
    return (
        [None if a is None else a.tobytes() for a in arrays],
        layer.num_batches_tracked,
        layer._seen[0].shape,
    )


def trained(**options: Any) -> Callable[[], fastbn.BatchNorm]:
    def make():
        layer = fastbn.BatchNorm(4, **options)
        layer(SMALL[:3])
        return layer

    return make


def of_layer(call: Callable[[fastbn.BatchNorm], Any], **options: Any) -> Case:
    return Case(trained(**options), call, layer_state)


MASKED = np.ma.masked_less(SMALL, 0.0)
OTHER = trained(momentum=None)().state_dict() | {"weight": np.arange(4.0)}
CASES = {
    "running statistics of float64": running(pair("float64")),
    "running statistics of float32": running(pair("float32"), return_stats=True),
    "running statistics of float16": running(pair("float16"), convention="keras"),
    "running statistics of two dtypes": running(pair("float64", "float32")),
    "running statistics of two dtypes, the other way": running(pair("float32", "float64")),
    "strided running statistics": running(pair("float64", step=3), convention="onnx"),
    "swapped running statistics": running(pair(">f8")),
    "exact running statistics": running(pair("float32"), method="exact", return_stats=True),
    "running statistics without NaN": running(pair("float32"), nan_policy="raise"),
    "running statistics of masked data": running(pair("float32"), MASKED),
    "a layer forward": of_layer(lambda layer: layer(SMALL)),
    "a layer of float64 forward": of_layer(lambda layer: layer(SMALL), dtype="float64", momentum=None),
    "a layer forward over masked data": of_layer(lambda layer: layer(MASKED), convention="keras"),
    "a layer backward": of_layer(lambda layer: layer.backward(SMALL[:3])),
    "a layer forgetting": of_layer(lambda layer: layer.reset_running_stats()),
    "a layer recalibrated": of_layer(lambda layer: layer.recalibrate([SMALL, SMALL[:4]])),
    "a layer loading": of_layer(lambda layer: layer.load_state_dict(OTHER), dtype="float16"),
}


def estimator_state(scaler):
    return scaler.stats_, scaler.n_features_in_


def scaling() -> Case:
    """An estimator of scikit-learn that learns more."""
    pytest.importorskip("sklearn")
    made = fastbn.sklearn.StandardScaler
    return Case(lambda: made().fit(SMALL[:, :, 0]), lambda scaler: scaler.partial_fit(SMALL[:, :, 1]), estimator_state)


def labelled() -> Case:
    """Running statistics of two variables of a dataset."""
    xr = pytest.importorskip("xarray")
    data = xr.Dataset({name: (("n", "c"), SMALL[:, :, i].copy()) for i, name in enumerate("ab")})

    def make():
        return tuple({name: values.copy() for name in "ab"} for values in pair("float32")())

    def call(made):
        fastbn.xarray.batch_norm(data, running_mean=made[0], running_var=made[1], channel_dim="c")

    return Case(
        make, call, lambda made: [vector.tobytes() for of_variables in made for vector in of_variables.values()]
    )


def lazy() -> Case:
    """Running statistics updated from a Dask array."""
    da = pytest.importorskip("dask.array")
    config = pytest.importorskip("dask.config")
    x = da.from_array(SMALL, chunks=(5, 4, 5))

    def call(made):
        with config.set(scheduler="synchronous"):
            fastbn.batch_norm(x, running_mean=made[0], running_var=made[1])

    return Case(pair("float32"), call, lambda made: [array.tobytes() for array in made])


def old_or_new(case: Case, most: int = 300, within: str = "") -> int:
    """Interrupt a call at its events, each time anew: nothing has changed, or everything.

    Of very many, these are the last ones, where things change, and about so many others; those of files in a folder.
    """
    made = case.make()
    old = case.state(made)
    case.call(made)
    new = case.state(made)
    assert new != old
    events = traced(functools.partial(case.call, case.make()), within=within)
    reached = 0
    for stop in sorted({*range(0, events, max(1, events // most)), *range(max(0, events - most // 3), events)}):
        made = case.make()
        reached += traced(functools.partial(case.call, made), stop, within) == stop
        assert case.state(made) in (old, new), f"event {stop} of {events}: neither the old state nor the new one"
        made = case.make()
        case.call(made)
        assert case.state(made) == new, f"event {stop} of {events}: a call after it is not as before"
    return reached


@pytest.mark.parametrize("name", CASES)
def test_an_interrupt_at_any_line_changes_all_or_nothing(name, tally):
    tally("interrupts (Ctrl-C)", old_or_new(CASES[name]))


@pytest.mark.parametrize("make", [scaling, labelled, lazy])
def test_an_interrupt_changes_all_or_nothing_of_other_libraries(make, tally):
    """Within this package: what Dask does may end it in an InvalidStateError, or with other settings."""
    tally("interrupts (Ctrl-C)", old_or_new(make(), 60, str(Path(fastbn.__file__).parent)))


@pytest.fixture
def threads(monkeypatch):
    """Two threads for a call, whose work is watched."""
    monkeypatch.setattr(_threads, "_Shared", Watched)
    monkeypatch.setattr(Watched, "seen", [])
    with threads_per_call(2):
        yield Watched.seen


def test_an_interrupt_at_any_line_leaves_no_thread_at_work(threads, tally):
    case = running(pair("float32"), LARGE, out=np.empty_like(LARGE))
    made = case.make()
    old = case.state(made)
    case.call(made)
    new = case.state(made)
    out = np.empty_like(LARGE)
    expected = fastbn.zscore(LARGE).tobytes()
    events = traced(lambda: case.call(case.make()))
    assert len(threads) >= 2
    reached = 0
    for stop in range(events):
        threads.clear()
        made = case.make()
        reached += traced(functools.partial(case.call, made), stop) == stop
        done = [shared.done for shared in threads]
        assert [shared.at_work for shared in threads] == [0] * len(threads)
        assert case.state(made) in (old, new)
        if done or stop % 64 == 0:
            fastbn.zscore(LARGE, out=out)
            assert out.tobytes() == expected
            assert len(threads) > len(done), "the next call is not shared"
            assert [shared.done for shared in threads[: len(done)]] == done
    tally("interrupts (Ctrl-C)", reached)


def test_an_interrupt_while_a_thread_starts_leaves_no_thread_at_work(threads, monkeypatch, tally):
    """The pool is a new one each time, of which an idle thread stays behind."""
    expected = fastbn.zscore(LARGE).tobytes()
    out = np.empty_like(LARGE)

    def first_call():
        monkeypatch.setattr(_threads, "_pool", _threads._Pool())
        fastbn.zscore(LARGE, out=out)

    events = traced(first_call)
    reached = 0
    for stop in range(0, events, 5):
        threads.clear()
        reached += traced(first_call, stop) == stop
        assert [shared.at_work for shared in threads] == [0] * len(threads)
        fastbn.zscore(LARGE, out=out)
        assert out.tobytes() == expected
    tally("interrupts (Ctrl-C)", reached)


@ALARMS
@pytest.mark.parametrize("name", ["running statistics of float64", "running statistics of float32", "a layer forward"])
@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_signals_at_random_moments_change_all_or_nothing(name, x, threads, tally):
    case = CASES[name]
    case = running(case.make, x) if "running" in name else case._replace(call=lambda layer: layer(x))
    made = case.make()
    old = case.state(made)
    case.call(made)
    new = case.state(made)
    start = time.perf_counter()
    for _ in range(5):
        case.call(case.make())
    duration = (time.perf_counter() - start) / 5
    chance, reached = random.Random(0), 0
    with Alarm() as alarm:
        for _ in range(150 if x is SMALL else 40):
            made = case.make()
            reached += alarm.within(max(1e-6, chance.uniform(0.0, 1.2 * duration)), functools.partial(case.call, made))
            assert [shared.at_work for shared in threads] == [0] * len(threads)
            assert case.state(made) in (old, new)
            threads.clear()
    assert reached
    tally("interrupts (Ctrl-C)", reached)


@pytest.mark.parametrize("method", ["compensated", "exact"])
@pytest.mark.parametrize("stop", range(6))
def test_memory_that_is_lacking_changes_nothing(method, stop, monkeypatch, tally):
    """The `stop`th array of float64 that is asked for is refused, wherever that is."""
    case = running(pair("float32"), method=method, return_stats=True)
    made = case.make()
    old = case.state(made)
    real, asked = np.empty, []

    def empty(*args, **kwargs):
        asked.append(args)
        if len(asked) == stop + 1:
            raise MemoryError
        return real(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(np, "empty", empty)
        try:
            case.call(made)
        except MemoryError:
            assert case.state(made) == old
            tally("faults injected: out of memory", 1)
        else:
            assert len(asked) <= stop
