"""Sums in float32 on devices that are slow at float64: which are chosen, and what they give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from contract import assert_statistics
from fastbn._accumulators import accumulators


@pytest.fixture(autouse=True)
def as_before():
    before = fastbn.get_accumulators()
    yield
    fastbn.set_accumulators(before)


@pytest.fixture
def float32(backend):
    if backend != "cuda":
        pytest.skip("of GPUs")
    fastbn.set_accumulators("float32")


@pytest.mark.parametrize(
    ("said", "ratio", "expected"),
    [
        ("auto", 2, "float64"),
        ("auto", 4, "float64"),
        ("auto", 32, "float32"),
        ("float64", 64, "float64"),
        ("float32", 2, "float32"),
    ],
)
def test_choice(said, ratio, expected):
    fastbn.set_accumulators(said)
    assert fastbn.get_accumulators() == said
    assert accumulators(ratio) == expected


def test_unknown_kind_is_refused_and_nothing_changes():
    fastbn.set_accumulators("float64")
    with pytest.raises(ValueError, match="kind: got 'fp16'; wants one of 'auto', 'float64', 'float32'"):
        fastbn.set_accumulators("fp16")
    assert fastbn.get_accumulators() == "float64"


def test_environment(monkeypatch):
    monkeypatch.setattr("fastbn._accumulators._settings", {})
    monkeypatch.setenv("FASTBN_ACCUMULATORS", "float32")
    assert fastbn.get_accumulators() == "float32"
    monkeypatch.setenv("FASTBN_ACCUMULATORS", "half")
    with pytest.raises(ValueError, match="FASTBN_ACCUMULATORS: got 'half'"):
        fastbn.get_accumulators()
    monkeypatch.setenv("FASTBN_ACCUMULATORS", "")
    assert fastbn.get_accumulators() == "auto"


def check(x, axis):
    stats = fastbn.channel_stats(x, axis)
    assert_statistics(stats, oracle.channel_moments(x, axis), x.dtype.name)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1000.0])
def test_far_from_zero_nothing_is_lost(dtype, axis, offset):
    rng = np.random.default_rng(7)
    x = (offset + rng.standard_normal((2, 450) if axis == 0 else (450, 2))).astype(dtype)
    check(x, axis)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("power", [-149, -126, -100, -60, -41, -20, 30, 54, 62, 100, 127])
def test_squares_beyond_float32(power):
    rng = np.random.default_rng(power + 200)
    x = np.ldexp(rng.choice([-1.0, 1.0], (2, 450)) * (1 + rng.random((2, 450))), power).astype(np.float32)
    x[~np.isfinite(x)] = 0
    check(x, 0)
    x[1] *= np.float32(2.0**-20)  # and channels of other sizes beside them
    check(x, 0)


@pytest.mark.usefixtures("float32")
def test_one_large_value_among_small_ones():
    x = np.random.default_rng(3).standard_normal((1, 900)).astype(np.float32)
    for at in (0, 77, 899):
        x[0, at] = 3e7
        check(x, 0)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(bad):
    x = np.arange(600, dtype=np.float32).reshape(2, 300)
    x[1, 123] = bad
    check(x, 0)


@pytest.mark.usefixtures("float32")
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
        elements=st.floats(-100, 100, width=16),
    )
)
def test_any_array(x):
    check(x, 1)
