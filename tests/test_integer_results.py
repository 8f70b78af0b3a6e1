"""Inverse transforms that end in integers: rounded to the nearest even, saturating, NaN to 0."""

import numpy as np
import pytest

import fastbn

pytestmark = pytest.mark.usefixtures("backend")

INTEGER_DTYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("through", [np.float32, np.float64])
def test_integers_come_back(dtype, axis, through):
    rng = np.random.default_rng(0)
    top = 100 if dtype in (np.int8, np.uint8) else 30_000
    x = rng.integers(0, top, (30, 4, 50)).astype(dtype)
    y, stats = fastbn.zscore(x, axis, dtype=through, return_stats=True)
    back = fastbn.denormalize(y, stats, axis, dtype=dtype)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, x)
    scaled = fastbn.minmax_scale(x, axis, dtype=through)
    np.testing.assert_array_equal(fastbn.minmax_unscale(scaled, stats, axis, dtype=dtype), x)


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
def test_rounding_and_saturation(dtype):
    stats = fastbn.ChannelStats.from_moments(2, [0.0], [1.0], min=[0.0], max=[1.0])
    ends = np.iinfo(dtype)
    low, high = int(ends.min), int(ends.max)
    given = [0.5, 1.5, 2.5, -0.5, 0.49999999999999994, np.nan, np.inf, -np.inf, 1e300, -1e300, float(high), float(low)]
    wanted = [0, 2, 2, 0, 0, 0, high, low, high, low, high, low]
    y = np.array(given)[:, np.newaxis]
    for function in (fastbn.denormalize, fastbn.minmax_unscale):
        x = function(y, stats, dtype=dtype)
        found = [int(v) for v in x[:, 0]]
        if function is fastbn.minmax_unscale:  # infinity has no place between two ends
            found, wanted = found[:6], wanted[:6]
        assert found == wanted
        out = np.zeros_like(x)
        assert function(y, stats, dtype=dtype, out=out) is out
        np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, ">i2"])
def test_in_place(dtype):
    stats = fastbn.ChannelStats.from_moments(2, [10.0], [4.0], min=[10.0], max=[30.0])
    for function, wanted in ((fastbn.minmax_unscale, [10, 30]), (fastbn.denormalize, [10, 12])):
        y = np.array([[0], [1]], dtype)
        assert function(y, stats, out=y, dtype=y.dtype.newbyteorder("=")) is y
        assert y.ravel().tolist() == wanted


def test_out_has_to_be_of_the_dtype():
    stats = fastbn.ChannelStats.from_moments(2, [0.0], [1.0], min=[0.0], max=[1.0])
    out = np.full((3, 1), 7, np.uint8)
    for function in (fastbn.denormalize, fastbn.minmax_unscale):
        with pytest.raises(ValueError, match="out: got dtype uint8; wants float64"):
            function(np.ones((3, 1)), stats, out=out)
        with pytest.raises(TypeError, match="wants float16, float32 or float64, or an integer"):
            function(np.ones((3, 1)), stats, dtype=bool)
    assert (out == 7).all()
