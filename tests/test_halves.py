"""Conversions of float16 against NumPy's, over every number there is and every place where rounding changes."""

import numpy as np
import pytest

import fastbn
from fastbn._backends import current

pytestmark = pytest.mark.usefixtures("backend")

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def same(found, expected):
    """The same bits, but for those of NaN."""
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    bits = f"u{expected.itemsize}"
    np.testing.assert_array_equal(found[~nan].view(bits), expected[~nan].view(bits))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["dense", "every other", "big-endian"])
def test_every_float16_is_read(dtype, order):
    piece = {"dense": EVERY, "every other": EVERY.repeat(2)[::2], "big-endian": EVERY.astype(">f2")}[order]
    room = np.empty(piece.shape, dtype)
    current()._copies.read(room, piece)
    with np.errstate(invalid="ignore"):
        same(room, EVERY.astype(dtype))


@pytest.mark.parametrize("order", ["dense", "every other", "big-endian"])
def test_every_rounding_is_numpys(order):
    finite = np.sort(EVERY[np.isfinite(EVERY)].astype(np.float64))
    middle = (finite[1:] + finite[:-1]) / 2
    ends = [-0.0, 5e-324, -5e-324, 2.0**-25, 65519.99, 65520.0, 1e300, -np.inf, np.inf, np.nan]
    values = np.concatenate([finite, middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf), ends])
    with np.errstate(all="ignore"):
        expected = values.astype(np.float16)
    piece = {
        "dense": np.empty(values.size, np.float16),
        "every other": np.empty(2 * values.size, np.float16)[::2],
        "big-endian": np.empty(values.size, ">f2"),
    }[order]
    current()._copies.write(piece, values)
    same(piece.astype(np.float16), expected)


@pytest.mark.parametrize("tail", range(8))
def test_rows_of_maps_are_read_and_rounded_as_any_other_numbers(tail):
    """Whatever is left over when a row is converted eight values at a time."""
    identity = fastbn.ChannelStats.from_moments(1, 0.0, 1.0)
    x = EVERY[: EVERY.size - tail]
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        values = np.random.default_rng(tail).permutation(np.append(1.0003 * wide, wide * 2.0**-3))[: x.size]
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(fastbn.normalize(x, identity, None, dtype=np.float64), wide)
    np.testing.assert_array_equal(fastbn.normalize(values, identity, None, dtype=np.float16), expected)


def test_one_nan_for_all_of_extremes():
    """Whatever bits a NaN of the data has, a signalling one too, and whether all values count or not."""
    x = np.concatenate([np.array([0x7C01], np.uint16).view(np.float16), np.ones(30, np.float16)])
    for where in (None, np.arange(31) > 0, np.arange(31) < 30):
        stats = fastbn.channel_stats(x, None, where=where)
        bits = 0x3C00 if where is not None and not where[0] else 0x7E00
        assert stats.min.view(np.uint16) == stats.max.view(np.uint16) == bits
    assert np.isnan(fastbn.channel_quantiles(x[:1], [0.5], None).values).all()


def test_float16_arrays_of_every_layout():
    x = np.random.default_rng(0).normal(3, 1, (6, 5, 7, 40)).astype(np.float16)
    expected = fastbn.zscore(x)
    for axes in [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)]:
        stored = np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
        for view, wanted in [(stored, expected), (stored[::-1], expected[::-1])]:
            out = np.empty_like(view)
            np.testing.assert_array_equal(fastbn.zscore(view, out=out), wanted)
