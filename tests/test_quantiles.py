"""Quantiles per channel: against NumPy's bits, and against sorted Python numbers and fractions."""

import json
import math
import pickle
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from generators import CASES, FLOATS, INTEGERS, channels
from layouts import LAYOUTS

Q = [0.0, 0.02, 0.25, 1 / 3, 0.5, 0.98, 1.0]
NARROW = ("bool", "int8", "uint8", "int16", "uint16")
WIDE = tuple(dtype for dtype in (*FLOATS, *INTEGERS) if dtype not in NARROW)


def numpy_quantiles(values, q=Q):
    """NumPy's, of channels (C, n), or of lists of what counts; NaN where there is nothing."""
    found = [np.quantile(np.asarray(row, np.float64), q) if len(row) else np.full(len(q), np.nan) for row in values]
    return np.stack(found, axis=-1) + 0.0


def assert_bits(found, expected):
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float64


def data_of(dtype, shape, seed=0):
    """Values over the whole range of a dtype, with ties."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.3
    if dtype in FLOATS:
        return (rng.normal(size=shape) * 100).round(1).astype(dtype)
    ends = np.iinfo(dtype)
    return rng.integers(ends.min, ends.max, shape, dtype, endpoint=True) // 3


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), (1, 2), (0, 1, 2), (), None])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_every_dtype_and_axis_has_numpys_bits(dtype, axis):
    x = data_of(dtype, (5, 31, 17))
    found = fastbn.channel_quantiles(x, Q, axis)
    kept = oracle.kept_axes(x, axis)
    reduced = tuple(a for a in range(3) if a not in kept)
    assert_bits(found.values, np.quantile(x.astype(np.float64), Q, axis=reduced) + 0.0)
    assert found.shape == oracle.kept_shape(x, axis)
    assert (found.count == math.prod(x.shape[a] for a in reduced)).all()
    assert not found.n_missing.any()
    assert found.dtype == dtype


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "uint64"])
def test_layouts(dtype, layout):
    values = data_of(dtype, (6, 2520))
    data = LAYOUTS[layout](values)
    expected = numpy_quantiles(np.repeat(values, data.times, axis=1))
    found = fastbn.channel_quantiles(data.x, Q, data.axis)
    assert_bits(found.values.reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "bool", "uint8"])
@pytest.mark.parametrize("shape", [(3, 70_001), (40, 66_000), (3000, 7), (2, 200_000)])
@pytest.mark.parametrize("threads", [1, 3])
def test_counting_and_sorting_blocks(shape, dtype, threads):
    """Blocks with fewer values than bins and with more, whole channels shorter than the bins; rows and columns."""
    values = data_of(dtype, shape)
    before = fastbn.get_num_threads()
    fastbn.set_num_threads(threads)
    try:
        for x, axis in ((values, 0), (np.ascontiguousarray(values.T), 1)):
            found = fastbn.channel_quantiles(x, Q, axis)
            assert_bits(found.values, np.quantile(values.astype(np.float64), Q, axis=1))
            assert (found.count == shape[1]).all()
    finally:
        fastbn.set_num_threads(before)


@pytest.mark.parametrize("dtype", WIDE)
def test_pieces_of_channels(dtype):
    """More channels than are ordered at a time, and one channel larger than a piece."""
    for shape in ((300, 1500), (2, 300_001)):
        values = data_of(dtype, shape)
        assert_bits(fastbn.channel_quantiles(values, Q, 0).values, numpy_quantiles(values))


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_hard_data_against_sorted_numbers(name, dtype):
    """Where a quantile falls on a value it is that value rounded once; between two it lies between them."""
    values = channels(name, dtype)
    n = values.shape[1]
    found = fastbn.channel_quantiles(values, Q, 0).values
    for c, row in enumerate(values.tolist()):
        if any(v != v for v in row):
            assert np.isnan(found[:, c]).all()
            continue
        ordered = sorted(row)
        assert (found[0, c], found[-1, c]) == (float(ordered[0]), float(ordered[-1]))
        for q, value in zip(Q, found[:, c], strict=True):
            place = min(math.floor(q * (n - 1)), n - 1)
            low, high = float(ordered[place]), float(ordered[min(place + 1, n - 1)])
            assert low <= value <= high, (q, low, value, high)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40), st.integers(0, 8))
def test_int64_against_fractions(values, eighths):
    check_integers(values, eighths, np.int64)


@given(st.lists(st.integers(2**63 - 40, 2**63 + 40), min_size=1, max_size=40), st.integers(0, 8))
def test_uint64_near_2_to_63_against_fractions(values, eighths):
    check_integers(values, eighths, np.uint64)


def check_integers(values, eighths, dtype):
    found = float(fastbn.channel_quantiles(np.array(values, dtype), eighths / 8, None).values)
    ordered = sorted(values)
    place = Fraction(eighths * (len(values) - 1), 8)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if low == high:
        assert found == float(low)  # rounded once, as Python does
    else:
        exact = low + (high - low) * (place - math.floor(place))
        assert abs(Fraction(found) - exact) <= 3 * max(oracle.ulp(low), oracle.ulp(high))
        assert float(low) <= found <= float(high)


@given(
    st.sampled_from([*FLOATS, *INTEGERS]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=1, max_dims=3, max_side=9),
            elements=None if dtype in INTEGERS else st.floats(-60000, 60000, width=16),
        )
    ),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.booleans(),
)
def test_property_numpys_bits(x, q, whole):
    axis = None if whole else 0
    reduced = tuple(range(x.ndim)) if whole else tuple(range(1, x.ndim))
    assert_bits(fastbn.channel_quantiles(x, q, axis).values, np.quantile(x.astype(np.float64), q, axis=reduced) + 0.0)


def test_infinities_and_overflow():
    """NumPy makes NaN of the first ones, and -inf of the last."""
    values = [[-math.inf, 0, math.inf], [-math.inf, -math.inf, 1], [-1.7e308, 1.7e308, 1.7e308]]
    found = fastbn.channel_quantiles(values, [0, 0.25, 0.5, 1], 0).values
    expected = [
        [-math.inf, -math.inf, 0, math.inf],
        [-math.inf, -math.inf, -math.inf, 1],
        [-1.7e308, 0, 1.7e308, 1.7e308],
    ]
    assert_bits(found.T, expected)
    assert not np.signbit(fastbn.channel_quantiles([-0.0, -0.0], 0.5, None).values)


def test_input_stays_and_big_endian_is_read():
    x = data_of("float32", (50, 3))
    held = x.copy()
    x.flags.writeable = False
    found = fastbn.channel_quantiles(x, Q)
    np.testing.assert_array_equal(x, held)
    for dtype in (">f4", ">f2", ">i8"):
        assert_bits(fastbn.channel_quantiles(x.astype(dtype), Q).values, numpy_quantiles(x.astype(dtype).T))
    assert_bits(fastbn.channel_quantiles(x.astype(">i2"), Q).values, numpy_quantiles(x.astype("i2").T))
    assert found == fastbn.channel_quantiles(x.tolist() and x, tuple(Q))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_counting_copies_no_data(dtype):
    x = np.zeros((4_000_000, 8), dtype)  # 32 or 64 MB
    x[::3] = 7
    fastbn.channel_quantiles(x[:1000], 0.5)
    tracemalloc.start()
    try:
        fastbn.channel_quantiles(x, 0.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 2**20


# --- what counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_where_and_masked_arrays(dtype, masked):
    values = data_of(dtype, (7, 3000))
    counts = np.random.default_rng(1).random(values.shape) < np.array([1, 0.9, 0.5, 0.1, 0.001, 0, 0.5])[:, None]
    x = np.ma.MaskedArray(values, mask=~counts) if masked else values
    found = fastbn.channel_quantiles(x, Q, 0, where=None if masked else counts)
    assert_bits(found.values, numpy_quantiles([row[keep] for row, keep in zip(values, counts, strict=True)]))
    assert found.count.tolist() == counts.sum(axis=1).tolist()
    assert found.n_missing.tolist() == (~counts).sum(axis=1).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_gaps_in_long_channels(dtype):
    """The greatest value, which stands for what is absent while a block is sorted, also among what counts."""
    values = data_of(dtype, (20, 70_000))
    values[::2, ::5] = np.iinfo(dtype).max
    counts = np.random.default_rng(2).random(values.shape) < 0.5
    for x, where, axis in ((values, counts, 0), (values.T.copy(), counts.T, 1)):
        found = fastbn.channel_quantiles(x, Q, axis, where=where)
        assert_bits(found.values, numpy_quantiles([row[keep] for row, keep in zip(values, counts, strict=True)]))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32"])
def test_nodata_per_channel(dtype):
    values = np.array([[1, 2, 3, 4, 9], [9, 5, 6, 5, 1]], dtype)
    found = fastbn.channel_quantiles(values, 0.5, 0, nodata=[9, 5])
    assert_bits(found.values, [2.5, 6.0])
    assert found.n_missing.tolist() == [1, 2]
    assert fastbn.channel_quantiles(values, 0.5, 0, nodata=9).count.tolist() == [4, 4]


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_policies(dtype):
    x = np.array([[1, 2], [math.nan, 3], [4, 6]], dtype)
    assert_bits(fastbn.channel_quantiles(x, [0, 0.5]).values, [[math.nan, 2], [math.nan, 3]])
    omitted = fastbn.channel_quantiles(x, [0, 0.5], nan_policy="omit")
    assert_bits(omitted.values, [[1, 2], [2.5, 3]])
    assert (omitted.count.tolist(), omitted.n_missing.tolist()) == ([2, 3], [1, 0])
    for function in (fastbn.channel_quantiles, fastbn.robust_scale):
        with pytest.raises(ValueError, match=r"x: channel \(0,\) has a NaN; nan_policy='raise' wants none"):
            function(x, **({"q": 0.5} if function is fastbn.channel_quantiles else {}), nan_policy="raise")
    masked = fastbn.channel_quantiles(x, 0.5, where=~np.isnan(x), nan_policy="raise")
    assert_bits(masked.values, [2.5, 3])


@pytest.mark.parametrize("q", [0.0, 0.1, 0.9])
def test_a_nan_is_found_wherever_it_is(q):
    """Also where the channel is not sorted, and no quantile is near its end."""
    x = np.random.default_rng(4).normal(size=(40, 1000))
    x[np.arange(20), np.arange(20) * 50] = math.nan
    assert np.isnan(fastbn.channel_quantiles(x, q, 0).values).tolist() == [True] * 20 + [False] * 20


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int64"])
def test_nothing_counts(dtype):
    for x, shape in ((np.zeros((0, 3), dtype), (3,)), (np.zeros((3, 0), dtype), (0,)), (np.zeros((2, 3), dtype), (3,))):
        found = fastbn.channel_quantiles(x, Q, where=np.zeros(x.shape, bool))
        assert found.values.shape == (len(Q), *shape)
        assert np.isnan(found.values).all()
        assert found.count.tolist() == [0] * shape[0]
        assert fastbn.ChannelQuantiles.from_dict(json.loads(json.dumps(found.to_dict()))) == found


# --- the value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NARROW)
def test_merging_is_exact_and_commutes(dtype):
    x = data_of(dtype, (3, 5000, 2))
    where = np.random.default_rng(3).random(x.shape) < 0.7
    where[:, :100] = False
    cuts = [slice(0, 100), slice(100, 101), slice(101, 2000), slice(2000, 5000)]
    parts = [fastbn.channel_quantiles(x[:, cut], Q, (0, 2), where=where[:, cut]) for cut in cuts]
    whole = fastbn.channel_quantiles(x, Q, (0, 2), where=where)
    assert sum(parts) == whole
    assert parts[3].merge(parts[1], parts[0], parts[2]) == whole
    assert parts[0] + parts[2] == parts[2] + parts[0]
    assert parts[0].merge() == parts[0]
    assert parts[2] != parts[3]
    assert_bits(whole.quantile([0.1, 0.9]), fastbn.channel_quantiles(x, [0.1, 0.9], (0, 2), where=where).values)
    assert_bits(whole.quantile(0.9), fastbn.channel_quantiles(x, 0.9, (0, 2), where=where).values)


def test_what_does_not_merge_says_why():
    table = np.arange(6).reshape(3, 2)
    byte, wide = (fastbn.channel_quantiles(table.astype(dtype), 0.5) for dtype in ("u1", "f4"))
    with pytest.raises(ValueError, match=r"float32 data, which hold no histogram; wants those of bool.*convert them"):
        wide + wide
    others = {
        "shape": fastbn.channel_quantiles(table.astype("u1"), 0.5, 0),
        "dtype": wide,
        "q": fastbn.channel_quantiles(table.astype("u1"), 0.25),
    }
    for what, other in others.items():
        with pytest.raises(ValueError, match=f"merge: got {what} "):
            byte.merge(other)
    with pytest.raises(ValueError, match="wants the same names"):
        byte.with_names("ab").merge(byte.with_names("cd"))
    with pytest.raises(TypeError, match="merge: got ChannelStats; wants ChannelQuantiles"):
        byte.merge(fastbn.channel_stats(table))
    with pytest.raises(TypeError):
        byte + 1
    with pytest.raises(ValueError, match=r"q: got 0.25; these quantiles of float32 data hold 0.5 and no histogram"):
        wide.quantile(0.25)
    assert_bits(wide.quantile([0.5, 0.5]), [[2, 3]] * 2)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("q", [0.3, [0.3], [0.1, 0.9]])
def test_files_pickles_and_names_keep_every_bit(tmp_path, dtype, q):
    x = data_of(dtype, (30, 3))
    found = fastbn.channel_quantiles(x, q).with_names(["a", "b", "c"])
    found.save(tmp_path / "q.json")
    assert fastbn.ChannelQuantiles.load(tmp_path / "q.json") == found
    copied = pickle.loads(pickle.dumps(found))
    assert copied == found
    assert hash(copied) == hash(found)
    assert found != found.with_names(None)
    assert found.names == ("a", "b", "c")
    some = found.select(["c", "a"])
    assert some == fastbn.channel_quantiles(x[:, [2, 0]], q).with_names(["c", "a"])
    assert found.select("b") == fastbn.channel_quantiles(x[:, 1], q, None)
    grid = fastbn.channel_quantiles(x.reshape(5, 6, 3), q, (1, 2))
    assert grid.select((slice(2, 4), 1)) == fastbn.channel_quantiles(x.reshape(5, 6, 3)[:, 2:4, 1], q)
    assert repr(found).splitlines()[0] == f"ChannelQuantiles: 3 channels, shape (3,), {dtype} data"


def test_it_cannot_change():
    found = fastbn.channel_quantiles(np.arange(6, dtype=np.uint8), 0.5, None)
    with pytest.raises(AttributeError, match="ChannelQuantiles is immutable"):
        found.q = 0.3
    values = fastbn.channel_quantiles(np.arange(6.0).reshape(3, 2), [0.5])
    values.values[:] = 0
    values.quantile([0.5])[:] = 0
    values.count[:] = 0
    assert values == fastbn.channel_quantiles(np.arange(6.0).reshape(3, 2), [0.5])


DAMAGE = {
    "format": "other",
    "version": 2,
    "shape": [3],
    "dtype": "uint16x",
    "q": [2],
    "values": [["NaN", 1.0]],
    "count": [1, 2],
    "n_missing": [-1, 0],
    "names": ["a", "a"],
    "histogram": {"values": [[1, 0], [1]], "counts": [[1, 1], [3]]},
}


@pytest.mark.parametrize("key", DAMAGE)
def test_damaged_records_are_refused(tmp_path, key):
    record = fastbn.channel_quantiles(np.array([[0, 1], [4, 1], [4, 1]], np.uint8), [0.5]).to_dict()
    assert fastbn.ChannelQuantiles.from_dict(record).count.tolist() == [3, 3]
    for wrong in ({**record, key: DAMAGE[key]}, {k: v for k, v in record.items() if k != key}):
        with pytest.raises(ValueError, match=r"quantiles|version"):
            fastbn.ChannelQuantiles.from_dict(wrong)
        (tmp_path / "q.json").write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=r"path: .*q\.json"):
            fastbn.ChannelQuantiles.load(tmp_path / "q.json")


@pytest.mark.parametrize(
    "wrong", [{"count": [2**62]}, {"n_missing": [2**63 - 1]}, {"count": [0]}, {"count": [2**63 - 1], "n_missing": [1]}]
)
def test_counts_that_cannot_be_are_refused(wrong):
    record = fastbn.channel_quantiles(np.array([[1.0], [2.0]]), [0.5]).to_dict()
    assert fastbn.ChannelQuantiles.from_dict(record).count == 2
    with pytest.raises(ValueError, match="damaged quantiles"):
        fastbn.ChannelQuantiles.from_dict(record | wrong)


def test_a_quantile_asked_for_twice_is_shown_twice():
    shown = repr(fastbn.channel_quantiles(np.array([1.0, 2.0, 4.0]), [0.5, 0.5, 0.0], None)).splitlines()
    assert shown[1].split() == ["channel", "count", "0.5", "0.5", "0.0"]
    assert shown[2].split() == ["all", "3", "2", "2", "1"]


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan, [0.5, 2], []])
def test_q_outside_is_refused(q):
    for ask in (lambda: fastbn.channel_quantiles([1.0], q, None), lambda: COUNTED.quantile(q)):
        with pytest.raises(ValueError, match=r"^q: "):
            ask()


@pytest.mark.parametrize("q", ["0.5", None, ["a"], 1j])
def test_q_that_is_no_number_is_refused(q):
    with pytest.raises(TypeError, match=r"^q: "):
        fastbn.channel_quantiles([1.0], q, None)


COUNTED = fastbn.channel_quantiles(np.arange(5, dtype=np.uint8), 0.5, None)


def test_q_may_be_an_array_or_a_number_of_numpy():
    assert fastbn.channel_quantiles(np.arange(5, dtype=np.uint8), np.float64(0.5), None) == COUNTED
    assert_bits(COUNTED.quantile(np.array([0.0, 1.0])), [0, 4])
    assert COUNTED.quantile(np.array(0.5)).shape == ()
