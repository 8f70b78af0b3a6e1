"""The generators and the layouts: each row of the stress table is as hard as its name says."""

import math
from fractions import Fraction

import numpy as np
import pytest

import oracle
from generators import CASES, FAMILIES, FLOATS, LONG, TILE, channels
from known_sums import gen_sum, nist, pi_digits
from layouts import LAYOUTS, factors


def exact(name, dtype):
    return oracle.channel_moments(channels(name, dtype), 0)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_every_family_is_finite_and_the_same_in_every_run(name, dtype):
    data = channels(name, dtype)
    assert data.dtype == dtype
    assert np.isfinite(data).all()
    again = FAMILIES[name](np.dtype(dtype), np.random.default_rng(sum(name.encode())))
    assert again.tobytes() == data.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        data[0, 0] = 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cond", [1e4, 1e8, 1e12, 1e15])
def test_sums_have_the_condition_asked_for(dtype, cond):
    values = gen_sum(np.dtype(dtype), 400, cond, np.random.default_rng(8))
    assert values.dtype == dtype
    assert cond / 30 <= oracle.moments(values).cond <= cond


@pytest.mark.parametrize("dtype", FLOATS)
def test_lattices_have_the_variance_of_their_steps(dtype):
    data = channels("lattices", dtype)
    balanced = exact("lattices", dtype)[3:]
    assert [m.var() for m in balanced] == [Fraction(1, 2**12)] * 3
    assert max(abs(m.mean) * 2**6 for m in balanced) == 2 ** (np.finfo(dtype).nmant) + 16
    assert (np.diff(np.unique(data[0])) == 2.0**-6).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_halfway_means_lie_between_two_numbers(dtype):
    moments = exact("halfway", dtype)
    step = Fraction(2) ** -38
    assert [m.mean - 2**15 for m in moments[:3]] == [step, 2 * step, 3 * step]
    assert moments[5].mean == -moments[0].mean
    if dtype != "float16":
        assert 0 < moments[3].mean - moments[0].mean < step / 2**60
        assert 0 < moments[0].mean - moments[4].mean < step / 2**60


def test_ratios_of_mean_and_deviation_reach_their_ends():
    for dtype, least in (("float16", 1e2), ("float32", 1e6), ("float64", 9e11)):
        ratios = [abs(float(m.mean)) / float(m.std()) for m in exact("mean_over_std", dtype)]
        assert ratios[0] < 2
        assert ratios[-1] > least / 2


def test_cancellation_and_outliers():
    for dtype in ("float32", "float64"):
        assert all(1e9 < m.cond <= 10**15 for m in exact("cancellation", dtype))
    places = {int(np.argmax(abs(row))) for row in channels("outliers", "float64")}
    assert {0, 5, TILE, 2 * TILE, LONG - 1} <= places


def test_pi_and_the_sets_of_nist():
    digits = pi_digits()
    assert digits[:11].tolist() == [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    assert (digits.size, digits.sum(), (digits**2).sum()) == (5000, 22674, 143922)
    assert [(name, values.size) for name, values, _, _ in nist()] == [
        ("PiDigits", 5000),
        ("NumAcc1", 3),
        ("NumAcc2", 1001),
        ("NumAcc3", 1001),
        ("NumAcc4", 1001),
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 13), (6, 35), (7, 60)])
def test_layouts_show_every_value_and_nothing_else(layout, shape):
    data = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    arranged = LAYOUTS[layout](data)
    assert not arranged.x.flags.writeable
    found = list(oracle.channels(arranged.x, arranged.axis))
    assert [sorted(values) for values in found] == [sorted(row * arranged.times) for row in data.tolist()]


def test_layouts_differ_in_what_they_say():
    data = np.ones((6, 60), np.float32)
    views = {name: arrange(data).x for name, arrange in LAYOUTS.items()}
    assert not views["misaligned"].flags.aligned
    assert not views["big_endian"].dtype.isnative
    assert views["fortran"].flags.f_contiguous
    assert max(views["reversed_axes"].strides) < 0
    assert 0 in views["broadcast"].strides
    for name in ("sliced", "cut_rows", "cut_columns", "transposed", "table_of_columns"):
        assert not views[name].flags.c_contiguous
    for name in ("table", "nchw", "channels_last", "channels_first", "kept_apart"):
        assert views[name].flags.c_contiguous


def test_factors():
    assert [factors(n) for n in (1, 12, 35, 4097, LONG)] == [(1, 1), (3, 4), (5, 7), (17, 241), (110, 112)]
