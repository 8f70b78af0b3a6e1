"""Any allocation of an array may fail: MemoryError, nothing that was given is changed, and the next call is right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastbn
from allocations import counted
from conftest import threads_per_call

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

SHAPE = (30, 4, 20)


def normal(shape=SHAPE, dtype="f4", seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype(dtype)


LAYOUTS: dict[str, Callable[[], np.ndarray]] = {
    "plain": normal,
    "reversed": lambda: normal(dtype=">f8")[::-1, ::-1, ::-1],
    "float16": lambda: normal(dtype="f2"),
    "integers": lambda: (1e12 * normal()).astype("i8"),
}
ROWS = (np.arange(SHAPE[0]) % 3 > 0)[:, np.newaxis, np.newaxis]
Given = dict[str, Any]


def gradients(function, *arguments):
    return lambda x, given: function(normal(x.shape, seed=1), x, *arguments)


# What is called with an input, and with arrays that it may write to: only when nothing can fail any more.
CALLS: dict[str, Callable[[np.ndarray, Given], object]] = {
    "channel_stats": lambda x, given: fastbn.channel_stats(x),
    "channel_stats, exact": lambda x, given: fastbn.channel_stats(x, method="exact"),
    "channel_stats, where": lambda x, given: fastbn.channel_stats(x, where=ROWS),
    "channel_stats, weights": lambda x, given: fastbn.channel_stats(x, weights=1.0 + ROWS),
    "channel_stats, nodata": lambda x, given: fastbn.channel_stats(x, nodata=3, nan_policy="omit"),
    "channel_quantiles": lambda x, given: fastbn.channel_quantiles(x, (0.1, 0.5)),
    "zscore": lambda x, given: fastbn.zscore(x),
    "zscore, exact": lambda x, given: fastbn.zscore(x, method="exact", return_stats=True),
    "minmax_scale": lambda x, given: fastbn.minmax_scale(x),
    "robust_scale": lambda x, given: fastbn.robust_scale(x),
    "normalize": lambda x, given: fastbn.normalize(x, fastbn.channel_stats(x)),
    "denormalize": lambda x, given: fastbn.denormalize(x, fastbn.channel_stats(x)),
    "minmax_unscale": lambda x, given: fastbn.minmax_unscale(x, fastbn.channel_stats(x)),
    "batch_norm": lambda x, given: fastbn.batch_norm(x, normal(4), normal(4), return_stats=True),
    "batch_norm, running": lambda x, given: fastbn.batch_norm(x, **given),
    "zscore, out": lambda x, given: fastbn.zscore(x, dtype="f8", **given),
    "minmax_scale, out": lambda x, given: fastbn.minmax_scale(x, dtype="f8", **given),
    "BatchNorm": lambda x, given: given["layer"](x),
    "batch_norm_backward": lambda x, given: gradients(fastbn.batch_norm_backward, fastbn.channel_stats(x))(x, given),
    "instance_norm": lambda x, given: fastbn.instance_norm(x),
    "instance_norm_backward": gradients(fastbn.instance_norm_backward),
    "group_norm": lambda x, given: fastbn.group_norm(x, 2),
    "group_norm_backward": gradients(fastbn.group_norm_backward, 2),
    "layer_norm": lambda x, given: fastbn.layer_norm(x),
    "layer_norm_backward": gradients(fastbn.layer_norm_backward),
    "merge": lambda x, given: fastbn.channel_stats(x) + fastbn.channel_stats(x[:7]),
    "merge, exact": lambda x, given: sum(fastbn.channel_stats(x[k:], method="exact") for k in range(3)),
    "to_dict": lambda x, given: fastbn.ChannelStats.from_dict(fastbn.channel_stats(x).to_dict()),
}
GIVEN: dict[str, Callable[[], Given]] = {
    "batch_norm, running": lambda: {"running_mean": np.zeros(4), "running_var": np.ones(4)},
    "zscore, out": lambda: {"out": np.full(SHAPE, -7.0)[::-1]},
    "minmax_scale, out": lambda: {"out": np.full(SHAPE, -7.0)[::-1]},
    "BatchNorm": lambda: {"layer": fastbn.BatchNorm(4)},
}


def contents(answer):
    """The bits of whatever comes back."""
    if isinstance(answer, tuple):
        return [contents(part) for part in answer]
    if isinstance(answer, np.ndarray):
        return answer.tobytes()
    if isinstance(answer, fastbn.BatchNorm):
        return contents(tuple(answer.state_dict().values()))
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


def every_failure(call, x, make_given=dict):
    """Let every allocation of a call fail, one after the other; returns how many there are."""
    given = make_given()
    wanted, wanted_given = contents(call(x, given)), contents(tuple(given.values()))
    before, given = x.tobytes(), make_given()
    given_before = contents(tuple(given.values()))
    with counted() as allocations:
        number, failed = 0, True
        while failed:
            number += 1
            allocations.fail(number)
            try:
                answer = contents(call(x, given))
            except MemoryError:
                answer = None
            failed = allocations.failed
            allocations.fail(0)
            assert x.tobytes() == before
            if answer is None:
                assert failed
                assert contents(tuple(given.values())) == given_before
            else:
                assert answer == wanted
                assert contents(tuple(given.values())) == wanted_given
                given = make_given()
    return number - 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CALLS)
def test_any_allocation_may_fail(name, layout, tally):
    failed = every_failure(CALLS[name], LAYOUTS[layout](), GIVEN.get(name, dict))
    assert failed
    tally("faults injected: out of memory", failed)


@pytest.fixture
def two_threads():
    with threads_per_call(2):
        yield


LARGE = (3000, 4, 500)
OF_THREADS: dict[str, Callable[[np.ndarray, Given], object]] = {
    "channel_stats": lambda x, given: fastbn.channel_stats(x),
    "zscore": lambda x, given: fastbn.zscore(x),
}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", OF_THREADS)
def test_any_allocation_may_fail_on_any_thread(name, tally):
    x = normal(LARGE[::-1]).transpose(2, 1, 0)[::-1]
    failed = every_failure(OF_THREADS[name], x)
    assert failed
    tally("faults injected: out of memory", failed)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how much is taken is told by /proc")
def test_a_process_that_may_have_no_more_memory(backend, tally):
    from starved import ENVIRONMENT

    script = Path(__file__).with_name("starved.py")
    done = subprocess.run(
        [sys.executable, script, backend], env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    failed = int(done.stdout)
    assert failed
    tally("faults injected: out of memory", failed)
