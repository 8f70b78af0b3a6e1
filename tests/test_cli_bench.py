"""``fastbn bench``: that all sides of a row do the same work, and what is printed of it."""

from __future__ import annotations

import json
import sys
from collections import defaultdict

import numpy as np
import pytest

import fastbn
import oracle
from fastbn.cli import _bench, main
from fastbn.cli._demo_table import EPS, Case, medians

TINY = {
    "images, NCHW": ((3, 4, 5, 6), 1),
    "images, channels last": ((3, 5, 6, 4), -1),
    "table, rows x columns": ((40, 4), 1),
}


@pytest.fixture
def quick(monkeypatch):
    """Small arrays, and times that are known: fastbn takes 1 ms, the next side 2 ms, and so on."""
    monkeypatch.setattr(_bench, "QUICK", TINY)

    def timed(*functions, rounds, pause):
        for function in functions:
            function()
        return [1e-3 * (1 + k) for k in range(len(functions))]

    monkeypatch.setattr(_bench, "medians", timed)


def as_array(result):
    """What a side of a row found: an array that is normalized, or the mean."""
    if isinstance(result, fastbn.ChannelStats):
        return result.mean
    if hasattr(result, "mean_"):
        return result.mean_
    if isinstance(result, tuple):
        first = result[0]
        return np.asarray(first[1] if isinstance(first, tuple) else first)  # torch.var_mean gives the mean second
    return np.asarray(result)


@pytest.mark.parametrize("data", TINY)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_all_sides_of_a_row_do_the_same_work(data, dtype):
    shape, axis = TINY[data]
    x = np.random.default_rng(0).normal(10, 3, shape).astype(dtype)
    reduced = tuple(k for k in range(x.ndim) if k != axis % x.ndim)
    z = x.astype("f8") - x.mean(reduced, "f8", keepdims=True)
    low, high = x.min(reduced, keepdims=True), x.max(reduced, keepdims=True)
    expected = {
        "statistics": x.mean(reduced, "f8"),
        "zscore": z / x.astype("f8").std(reduced, keepdims=True),
        "minmax": (x - low) / (high - low).astype("f8"),
        "batch_norm": z / np.sqrt(x.astype("f8").var(reduced, keepdims=True) + EPS),
    }
    seen = defaultdict(set)
    for job, calls in _bench._jobs(Case(data, x, axis), _bench._peers()):
        for side, call in calls.items():
            found = as_array(call())
            np.testing.assert_allclose(found, expected[job.partition(",")[0]], rtol=2e-5, atol=2e-5, err_msg=side)
            again = as_array(call())
            assert (again is found or np.shares_memory(again, found)) == job.endswith("out=") or job == "statistics"
            seen[side].add(job)
    assert len(seen["fastbn"]) == (6 if "scikit-learn" in seen else 4)
    assert len(seen["NumPy"]) == 4
    assert ("scikit-learn" in seen) == (x.ndim == 2 and "scikit-learn" in _bench._peers())


def test_errors_are_those_of_the_first_channel():
    x = np.random.default_rng(0).normal(1000, 1, (5000, 3)).astype("f4")
    errors = _bench._errors(Case("table", x, 1), _bench._peers())
    exact = oracle.moments(x[:, 0]).var()
    ulp = np.spacing(np.float32(float(exact)))
    assert errors["fastbn"] <= 1
    assert errors["NumPy"] == pytest.approx(abs(float(x.var(0)[0]) - float(exact)) / float(ulp), rel=1e-3, abs=1e-3)
    assert errors["NumPy"] > 1


def test_the_table(quick, capsys):
    assert main(["bench", "--quick"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert f"fastbn {fastbn.__version__}" in lines[0]
    assert f"NumPy {np.__version__}" in lines[0]
    assert "logical processors" in lines[1]
    assert f"on {fastbn.get_num_threads()} thread" in lines[1]
    for data, (shape, _) in TINY.items():
        for dtype in ("float32", "float64"):
            assert f"{data}, {dtype} {shape}" in lines
    rows = [line for line in lines if line.startswith("  zscore, out=")]
    assert len(rows) == 6
    assert all(row.split()[2:6] == ["1.000", "2.000", "(", "2.0x)"] for row in rows)
    assert all(len(line) <= 110 for line in lines)
    assert lines == [line.rstrip() for line in lines]
    assert any("thread" in line and "one" in line for line in lines)


def test_json_is_one_document(quick, capsys):
    assert main(["--threads", "1", "bench", "--quick", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    assert found["threads"] == 1
    assert found["peers"]["NumPy"] == np.__version__
    assert found["processors"] >= 1
    assert {row["data"] for row in found["rows"]} == set(TINY)
    for row in found["rows"]:
        assert row["seconds"]["fastbn"] == 1e-3
        assert row["ratios"] == {name: time / 1e-3 for name, time in row["seconds"].items() if name != "fastbn"}
    assert len(found["accuracy"]) == 6
    assert all(row["ulps"]["fastbn"] <= 1 for row in found["accuracy"])


@pytest.mark.parametrize("gone", ["torch", "sklearn.preprocessing"])
def test_what_is_not_installed_is_left_out(quick, capsys, monkeypatch, gone):
    monkeypatch.setitem(sys.modules, gone, None)
    assert main(["bench", "--quick", "--json"]) == 0
    name = {"torch": "PyTorch", "sklearn.preprocessing": "scikit-learn"}[gone]
    found = json.loads(capsys.readouterr().out)
    assert name not in found["peers"]
    assert all(name not in row["seconds"] for row in found["rows"])


def test_a_busy_machine_is_said_to_be_busy():
    facts = {"fastbn": "1", "backend": "b", "threads": 2, "processors": 4, "processor": "p", "python": "3", "peers": {}}
    assert not any("busy" in line for line in _bench.lines({**facts, "load": 1.0}, iter([])))
    assert any("load 3.2" in line for line in _bench.lines({**facts, "load": 3.2}, iter([])))
    assert not any("busy" in line for line in _bench.lines({**facts, "load": None}, iter([])))


def test_pauses_do_not_count(monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    times = medians(lambda: None, lambda: None, rounds=2, pause=100.0)
    assert pauses.count(100.0) == 4
    assert max(times) < 1


def test_pytorch_has_the_same_threads_and_gets_its_own_back(quick, capsys):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    assert main(["--threads", "1", "bench", "--quick"]) == 0
    assert torch.get_num_threads() == before
    assert "fastbn and PyTorch on 1 thread," in capsys.readouterr().out
