"""The accuracy contract: every row of the stress table, in every dtype and layout, against the exact oracle."""

import math
import subprocess
import sys
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from contract import CORRECTLY_ROUNDED, assert_statistics
from generators import CASES, FLOATS, INTEGERS, TILE, channels, lengths
from known_sums import nist, pi_digits
from layouts import LAYOUTS

pytestmark = pytest.mark.usefixtures("backend")


@cache
def exact_moments(name, dtype):
    """The oracle's answer for one family: it does not depend on the layout."""
    return oracle.channel_moments(channels(name, dtype), 0)


def statistics(*rows, dtype=np.float64):
    """Statistics of rows of equal length, one channel each, as a table."""
    return fastbn.channel_stats(np.array(rows, dtype).T)


# --- the stress table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_stress_table(name, dtype, layout):
    arranged = LAYOUTS[layout](channels(name, dtype))
    stats = fastbn.channel_stats(arranged.x, arranged.axis)
    expected = [moments.repeated(arranged.times) for moments in exact_moments(name, dtype)]
    assert_statistics(stats, expected, dtype)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reach", [*range(17, 24), *range(27, 33), 40, 48])
def test_small_values_beside_large_ones_that_cancel(reach, dtype, axis):
    """The value nearest to 0 decides how much of the rounding errors is kept: both sides of each border."""
    rng = np.random.default_rng(reach)
    large, small = 1 + rng.random((2, 2, 2000)).astype(dtype)
    x = rng.permuted(np.concatenate([large, -large, np.ldexp(small, -reach)], axis=1), axis=1)
    assert_statistics(fastbn.channel_stats(x if axis == 0 else x.T, axis), oracle.channel_moments(x, 0), dtype)


@pytest.mark.parametrize("base", [2**63 - 1000, 2**62, 2**58, -(2**63)])
@pytest.mark.parametrize("step", [1, 7, 999])
def test_small_steps_in_large_integers(base, step):
    """Means near 2^63 differ by less than two words of one can tell; several tiles, at once and in pieces."""
    x = np.full((39307, 2), base, np.int64)
    x[26508:, 0] += step
    x[:200, 1] += step
    expected = oracle.channel_moments(x.T, 0)
    for arranged, axis in ((x, 1), (x.T.copy(), 0), (x[::-1], 1)):
        assert_statistics(fastbn.channel_stats(arranged, axis), expected, np.int64)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_length(dtype, axis):
    """Loops end in lanes, in runs and in tiles; channels of every length, apart and side by side."""
    rng = np.random.default_rng(3)
    for length in lengths():
        values = rng.normal(100, 20, (2, length)) if dtype != "bool" else rng.integers(0, 2, (2, length))
        x = values.astype(dtype)
        assert_statistics(fastbn.channel_stats(x if axis == 0 else x.T, axis), oracle.channel_moments(x, 0), dtype)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 100])
def test_every_width_of_a_table(dtype, width):
    """Columns side by side in vectors and at their ragged end; a column does not see its neighbours."""
    rng = np.random.default_rng(width)
    x = (rng.integers(0, 2, (300, width)) * rng.integers(1, 60, width)).astype(dtype)
    assert_statistics(fastbn.channel_stats(x), oracle.channel_moments(x), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sign", [1, -1])
def test_carry(dtype, sign):
    """All-ones significands, many times: every addition carries. 2^22 values are read, 16 KiB are stored."""
    info = np.finfo(dtype)
    value = np.array(sign * (2 - float(info.eps)), dtype)
    row = np.array([value, value / 2, value, value * 1024], dtype)
    x = np.broadcast_to(row, (1 << 10, 2, 1 << 10, 4))
    expected = oracle.moments(np.tile(row, 1 << 8)).repeated(1 << 12)
    assert_statistics(fastbn.channel_stats(x), [expected] * 2, dtype)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_many_equal_values_stay_constant(dtype):
    value = np.array(0.1 if dtype in FLOATS else 1, dtype)
    for shape in ((1 << 11, 3, 1 << 10), (1 << 21, 1)):
        stats = fastbn.channel_stats(np.broadcast_to(value, shape))
        assert (stats.mean == value).all()
        assert (stats.var() == 0).all()
        assert (stats.std(1) == 0).all()


def test_mean_of_the_largest_numbers():
    for dtype in FLOATS:
        largest = float(np.finfo(dtype).max)
        assert statistics([largest, largest], dtype=dtype).mean.tolist() == [largest]
        assert statistics([largest, -largest], dtype=dtype).mean.tolist() == [0]
        assert statistics([largest] * 3 + [-largest], dtype=dtype).mean.tolist() == [largest / 2]


def test_zero_has_no_sign():
    stats = statistics([-0.0, -0.0], [1.0, -1.0], [-0.0, 0.0])
    for vector in (stats.mean, stats.var(), stats.std(), stats.min[[0, 2]], stats.max[[0, 2]]):
        assert not np.signbit(vector).any()


def test_variance_of_ten_thousand_plus_noise_is_one():
    """Where NumPy says 9: a float32 column 1e4 + N(0, 1)."""
    x = (1e4 + np.random.default_rng(0).normal(size=(65536, 2))).astype(np.float32)
    stats = fastbn.channel_stats(x)
    assert abs(stats.var() - 1).max() < 0.02
    assert_statistics(stats, oracle.channel_moments(x), x.dtype)


FLUSHED = """
import sys
sys.path.insert(0, {tests!r})
import torch
import fastbn, oracle
from contract import assert_statistics
from generators import CASES, channels
from layouts import LAYOUTS

fastbn.set_num_threads(1)  # the modes belong to a thread
with fastbn.use_backend({backend!r}):
    for name, dtype in CASES:
        if dtype in ("float32", "float64") and name not in ("denormals", "huge", "constants"):
            for layout in ("table", "channels_first", "nchw", "reversed_table"):
                arranged = LAYOUTS[layout](channels(name, dtype))
                assert torch.set_flush_denormal(True)
                stats = fastbn.channel_stats(arranged.x, arranged.axis)
                torch.set_flush_denormal(False)
                assert_statistics(stats, oracle.channel_moments(channels(name, dtype), 0), dtype)
print("right")
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch, which can switch the mode, is not installed")
def test_others_may_have_switched_off_denormals(backend):
    """Data without denormals: flushing them to zero must cost no residual that counts."""
    code = FLUSHED.format(tests=str(Path(__file__).parent), backend=backend)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "right", done.stderr


# --- infinities and NaN -----------------------------------------------------------------------------------------------

SPECIAL = [
    [math.nan],
    [math.inf],
    [-math.inf],
    [math.inf, math.inf],
    [math.inf, -math.inf],
    [math.nan, math.inf],
    [math.nan, -math.inf, math.inf],
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_special_values_follow_ieee_and_stay_in_their_channel(dtype, layout):
    """Special values in every third channel, at every place of a lane, first and last in a tile."""
    n = 2 * TILE + 6
    x = np.random.default_rng(1).normal(5, 2, (3 * len(SPECIAL), n)).astype(dtype)
    places = np.array([0, 1, 7, 15, 16, TILE - 1, TILE, n - 1])
    for shift, values in enumerate(SPECIAL):
        for turn, value in enumerate(values):
            x[3 * shift + 1, places[(shift + 3 * turn) % places.size]] = value
    arranged = LAYOUTS[layout](x)
    expected = [moments.repeated(arranged.times) for moments in oracle.channel_moments(x, 0)]
    assert_statistics(fastbn.channel_stats(arranged.x, arranged.axis), expected, dtype)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_special_value_anywhere(dtype, value):
    """At every position of a short run, and around the borders of tiles of a long one."""
    for n, places in ((40, range(40)), (2 * TILE + 40, [*range(TILE - 2, TILE + 18), 2 * TILE - 1, 2 * TILE + 39])):
        x = np.tile(np.arange(n) % 7, (2 * len(places), 1)).astype(dtype)
        for row, place in enumerate(places):
            x[2 * row, place] = value
        expected = oracle.channel_moments(x, 0)
        assert_statistics(fastbn.channel_stats(x, 0), expected, dtype)
        assert_statistics(fastbn.channel_stats(np.ascontiguousarray(x.T)), expected, dtype)


# --- the generated sets of NIST ---------------------------------------------------------------------------------------

# Digits of the standard deviation that the stored float64 data allow, and the exact values of the stored data.
CEILING = {"PiDigits": math.inf, "NumAcc1": math.inf, "NumAcc2": 15.65, "NumAcc3": 9.46, "NumAcc4": 8.25}
STORED = {
    "PiDigits": (8.221633286657331, 2.867339060288708),
    "NumAcc1": (1.0, 1.0),
    "NumAcc2": (0.009999999999999995, 0.09999999999999998),
    "NumAcc3": (0.01000000000698492, 0.1000000000349246),
    "NumAcc4": (0.01000000011175871, 0.10000000055879354),
}


@pytest.mark.parametrize(("name", "values", "mean", "std"), list(nist()), ids=list(CEILING))
def test_nist_sets(name, values, mean, std):
    moments = oracle.moments(values)
    assert (oracle.rounded(moments.var(1)), oracle.rounded(moments.std(1))) == STORED[name]
    for x in (values[:, None], values[None, None, :]):
        stats = fastbn.channel_stats(x)
        assert_statistics(stats, [moments], np.float64)
        assert oracle.rounded(Fraction(mean)) == pytest.approx(stats.mean.item(), rel=3e-16, abs=0)
        certified, found = Fraction(std), Fraction(stats.std(1).item())
        digits = -math.log10(abs(found - certified) / certified) if found != certified else math.inf
        assert digits >= min(CEILING[name], 14) - 0.01


def test_nist_numbers_as_integers_and_in_single_precision():
    digits = pi_digits()
    assert (digits.sum(), (digits**2).sum()) == (22674, 143922)
    for dtype in ("uint8", "float16", "int64", "float32"):
        assert_statistics(fastbn.channel_stats(digits.astype(dtype)[:, None]), [oracle.moments(digits.tolist())], dtype)
    for base in (1, 10**6, 10**7):
        x = np.array([10 * base + 2, *[10 * base + 1, 10 * base + 3] * 500])[:, None]
        stats = fastbn.channel_stats(x)
        assert (stats.mean.item(), stats.std(1).item()) == (10 * base + 2, 1)
    singles = {"NumAcc2": 0.09999996423721315, "NumAcc3": 0.09375520298582414, "NumAcc4": 0.0}
    for name, values, _, _ in nist():
        if name in singles:
            std = fastbn.channel_stats(values.astype(np.float32)[:, None]).std(1).item()
            assert oracle.ulps(std, Fraction(singles[name])) <= 3  # the reference is rounded itself


# --- properties -------------------------------------------------------------------------------------------------------


def floats(dtype):
    """Any finite number of the dtype."""
    return st.floats(width=8 * np.dtype(dtype).itemsize, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_any_finite_numbers(dtype, data):
    values = data.draw(st.lists(floats(dtype), min_size=1, max_size=70))
    x = np.array(values, dtype)
    expected = [oracle.moments(x)]
    assert_statistics(fastbn.channel_stats(x[:, None]), expected, dtype)
    assert_statistics(fastbn.channel_stats(x[None, None]), expected, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_any_bit_patterns(dtype, data):
    """Uniform exponents, NaN and the infinities among them."""
    size = np.dtype(dtype).itemsize
    raw = data.draw(st.binary(min_size=size, max_size=40 * size))
    x = np.frombuffer(raw[: len(raw) // size * size], dtype)
    assert_statistics(fastbn.channel_stats(x[:, None]), [oracle.moments(x)], dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
def test_any_integers(dtype, data):
    x = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=3, max_side=12)))
    x.flags.writeable = False
    assert_statistics(fastbn.channel_stats(x), oracle.channel_moments(x), dtype)


@given(
    st.integers(-(2**52), 2**52),
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=60),
    st.integers(-400, 400),
)
def test_any_lattice(anchor, steps, exponent):
    """(A + k) h: the variance is h^2 var(k), whatever A."""
    x = np.ldexp(np.array([anchor + k for k in steps], np.float64), exponent)
    moments = oracle.moments(x)
    assert moments.var() == oracle.moments(steps).var() * Fraction(4) ** exponent
    assert_statistics(fastbn.channel_stats(x[:, None]), [moments], np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data(), count=st.integers(1, 9000))
@example(data=None, count=2 * TILE + 1)
def test_any_constant(dtype, data, count):
    value = np.array(1 / 3 if data is None else data.draw(floats(dtype)), dtype)
    stats = fastbn.channel_stats(np.broadcast_to(value, (count, 2)))
    assert (stats.mean == value).all()
    assert (stats.var() == 0).all()
    assert (stats.min == value).all()
    assert (stats.max == value).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    data=st.data(),
    special=st.lists(st.sampled_from([math.nan, math.inf, -math.inf]), max_size=4),
)
def test_any_mix_of_special_values(dtype, data, special):
    values = data.draw(st.permutations(special + data.draw(st.lists(floats(dtype), min_size=1, max_size=20))))
    x = np.array([values, values[::-1]], dtype)
    assert_statistics(fastbn.channel_stats(x, 0), oracle.channel_moments(x, 0), dtype)


@pytest.mark.parametrize("method", ["compensated", "exact"])
@pytest.mark.parametrize(("shape", "axis"), [((70_000, 1), 1), ((40_001, 3), 1), ((3, 70_000), 0), ((2, 3, 17_001), 1)])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_sums_of_the_largest_short_integers(dtype, shape, axis, method):
    """A lane's sums are as large as they can be: the ends of the dtype, alone and in turn."""
    ends = np.iinfo(dtype)
    for values in ([ends.max], [ends.min], [ends.min, ends.max, ends.max]):
        x = np.resize(np.array(values, dtype), shape)
        assert_statistics(fastbn.channel_stats(x, axis, method=method), oracle.channel_moments(x, axis), dtype)


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED)
def test_small_types_round_correctly_on_many_random_channels(dtype):
    """2000 channels of 3 to 40 values: no order of roundings but a single one gets all of them right."""
    rng = np.random.default_rng(11)
    for rows in (3, 7, 11, 40):
        raw = rng.integers(0, 256, (rows, 500 * np.dtype(dtype).itemsize), np.uint8)
        x = raw % 2 == 1 if dtype == "bool" else raw.view(dtype)
        x = np.where(np.isfinite(x), x, np.array(1, dtype))
        assert_statistics(fastbn.channel_stats(x), oracle.channel_moments(x), dtype)
