"""Random calls of the public API, right and wrong: `fuzz/calls.py` looks at them; some thousands here, more by hand."""

import os

import numpy as np
import pytest

import fastbn
from fuzzed import program

calls, ready, watched = program("calls"), program("ready"), program("watched")

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

COUNT = int(os.environ.get("FASTBN_RANDOM_CALLS", "10000"))
COMPILED_ON_USE = ("f4", "f8", "u1")  # dtypes of data where every other one takes seconds of compilation
SEED = int(os.environ.get("FASTBN_RANDOM_SEED", "0"))


@pytest.fixture(autouse=True)
def few_dtypes(backend, monkeypatch):
    """Let a backend that compiles on use do so for few dtypes, unless many calls are asked for."""
    if backend != "cython" and COUNT <= 10_000:
        monkeypatch.setattr(watched, "SUPPORTED", COMPILED_ON_USE)


def test_random_calls_do_what_is_documented_and_nothing_else(folder, tally):
    report = calls.run(SEED, range(COUNT))
    assert not report.complaints, "\n".join(report.complaints.values())
    done = sum(count for (_, outcome), count in report.outcomes.items() if outcome == "done")
    assert COUNT / 3 < done < COUNT  # half of them right, half wrong
    if COUNT > 10_000:  # it doubles the time
        assert calls.growth(SEED, range(COUNT)) < calls.GROWTH
    assert not list(folder.iterdir()), "left files where it was started"
    tally("random calls", report.calls)


def test_every_public_function_and_method_is_called():
    names = {function.name for function in ready.functions()}
    public = {name for name in fastbn.__all__ if callable(getattr(fastbn, name))}
    assert public - names == {
        "BackendInfo",
        "BackendUnavailable",
        "BatchNormGradients",
        "ChannelQuantiles",
        "ChannelStats",
    }
    assert {"ChannelStats.merge", "ChannelQuantiles.load", "BatchNorm.forward"} <= names
    report = calls.run(1, range(1500))
    assert {name for name, _ in report.outcomes} > {"zscore", "batch_norm", "ChannelStats.merge", "BatchNorm.forward"}


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (lambda x, **_: x.__setitem__(..., 7), "changed an input"),
        (lambda x, **_: "".join([]).__getitem__(0), "raised IndexError"),
        (lambda x, **_: np.float32(1e30).astype("f2"), "raised RuntimeWarning"),
        (lambda x, **_: (_ for _ in ()).throw(ValueError("no")), "names no argument"),
        (lambda x, out=None, **_: None, "not out"),
    ],
)
def test_what_must_not_happen_is_complained_about(broken, complaint, monkeypatch):
    function = next(function for function in ready.functions() if function.name == "zscore")
    monkeypatch.setattr(fastbn, "zscore", broken)
    monkeypatch.setattr(ready, "functions", lambda: (function,))
    assert any(complaint in text for text in calls.run(2, range(300)).complaints.values())
