"""Frames of pandas and polars: columns are channels, by their names; what is missing counts as missing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from fastbn import _frames

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

COLUMNS = {
    "whole": np.array([3, 1, 2**60 + 1, 7], dtype=np.int64),
    "half": np.array([0.5, 1.5, 1e9, -3.25]),
    "single": np.array([0.1, 0.2, 0.3, 1e4], dtype=np.float32),
    "yes": np.array([True, False, True, True]),
    "byte": np.array([0, 255, 7, 9], dtype=np.uint8),
}
INTEGERS = st.integers(-(2**62), 2**62)


@pytest.fixture(params=[pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def frame(request):
    return request.param


def numbers(made):
    return made.to_numpy()


def test_every_column_is_its_own_dtype_s(frame):
    """Nothing is converted: 2^60 + 1 is no float64."""
    stats = fastbn.channel_stats(frame(COLUMNS))
    assert stats.names == tuple(COLUMNS)
    for i, column in enumerate(COLUMNS.values()):
        alone = fastbn.channel_stats(column, None)
        part = stats.select([i])
        assert part.mean.tobytes() == alone.mean.tobytes()
        assert part.std(1).tobytes() == alone.std(1).tobytes()
        assert part.count == column.size
        assert part.min == np.float64(column.min())
    exact = oracle.moments(COLUMNS["whole"]).mean
    assert stats.select("whole").mean == oracle.rounded(exact)


def test_columns_of_one_dtype_keep_it(frame):
    x = np.array([[1, 10], [3, 2**60 + 1]], dtype=np.int64)
    stats = fastbn.channel_stats(frame({"b": x[:, 0], "a": x[:, 1]}))
    assert stats.names == ("b", "a")
    assert stats.max.dtype == np.int64
    assert stats.max.tolist() == [3, 2**60 + 1]
    assert stats.with_names(None) == fastbn.ChannelStats.concatenate(
        [fastbn.channel_stats(x[:, i], None) for i in range(2)]
    )


@given(st.lists(st.one_of(st.none(), INTEGERS), min_size=1, max_size=20), st.sampled_from(["compensated", "exact"]))
def test_missing_integers_stay_integers(values, method):
    there = [v for v in values if v is not None]
    for made in (
        pd.DataFrame({"a": pd.array(values, dtype="Int64")}),
        pl.DataFrame({"a": pl.Series(values, dtype=pl.Int64)}),
    ):
        stats = fastbn.channel_stats(made, method=method)
        assert (stats.count[0], stats.n_missing[0]) == (len(there), len(values) - len(there))
        if there:
            exact = Fraction(sum(there), len(there))
            assert abs(oracle.ulps(stats.mean[0], exact)) <= (Fraction(1, 2) if method == "exact" else 1)
            assert (stats.min[0], stats.max[0]) == (min(there), max(there))


@pytest.mark.parametrize(
    "dtype", ["Float32", "Float64", "Int16", "UInt64", "boolean", "float64[pyarrow]", "int8[pyarrow]"]
)
def test_nullable_types_of_pandas(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    plain = np.array([1, 0, 1]) if dtype == "boolean" else np.array([3, 1, 5])
    column = pd.array([*plain.astype(bool if dtype == "boolean" else int).tolist(), None], dtype=dtype)
    stats = fastbn.channel_stats(pd.DataFrame({"a": column}))
    assert (stats.count.tolist(), stats.n_missing.tolist()) == ([3], [1])
    assert stats.mean[0] == oracle.rounded(Fraction(int(plain.sum()), 3))


def test_nan_follows_the_policy(frame):
    made = frame({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0]})
    assert np.isnan(fastbn.channel_stats(made).mean).tolist() == [True, False]
    stats = fastbn.channel_stats(made, nan_policy="omit")
    assert (stats.mean.tolist(), stats.n_missing.tolist()) == ([2.0, 2.0], [1, 0])
    last = made[["b", "a"]]
    for call in (fastbn.channel_stats, fastbn.zscore):
        with pytest.raises(ValueError, match=r"x: channel \(1,\) has a NaN"):
            call(last, nan_policy="raise")
    assert fastbn.channel_stats(last[:1], nan_policy="raise").names == ("b", "a")


@pytest.mark.parametrize(
    "series",
    [lambda values: pd.Series(values, index=["q", "p"]), lambda values: pd.Series(values, index=[1, 0]), pl.Series],
    ids=["labels", "numbers", "polars"],
)
def test_nodata_of_columns_go_by_position(frame, series):
    stats = fastbn.channel_stats(frame({"p": [1.0, 2.0], "q": [5.0, 2.0]}), nodata=series([1.0, 5.0]))
    assert stats.count.tolist() == [1, 1]


def test_what_counts_is_said_as_for_arrays(frame):
    x = np.arange(12.0).reshape(4, 3)
    made = frame({name: x[:, i] for i, name in enumerate("abc")})
    where, weights = x % 5 != 0, np.array([[1.0], [2.0], [0.0], [4.0]])
    for options in ({"where": where}, {"weights": weights}, {"nodata": 4.0}, {"nodata": [0.0, 1.0, 11.0]}):
        found, wanted = fastbn.channel_stats(made, **options), fastbn.channel_stats(x, **options)
        assert found.count.tolist() == wanted.count.tolist()
        assert found.weight.tolist() == wanted.weight.tolist()
        np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-15)
    for name, said in (("where", np.ones((3, 3), bool)), ("weights", np.ones(4))):
        with pytest.raises(ValueError, match=rf"^{name}: got shape .*; wants one that broadcasts to \(4, 3\)"):
            fastbn.channel_stats(made, **{name: said})
    with pytest.raises(TypeError, match=r"^where: got a masked array"):
        fastbn.channel_stats(made, where=np.ma.MaskedArray(where, where))
    with pytest.raises(ValueError, match=r"nodata: got shape \(2,\)"):
        fastbn.channel_stats(made, nodata=[1.0, 2.0])


@pytest.mark.parametrize(
    "call",
    [
        fastbn.zscore,
        fastbn.minmax_scale,
        fastbn.robust_scale,
        lambda x: fastbn.normalize(x, fastbn.ChannelStats.from_moments(3, [1.0, 2.0], [4.0, 9.0])),
        lambda x: fastbn.denormalize(x, fastbn.ChannelStats.from_moments(3, [1.0, 2.0], [4.0, 9.0])),
        lambda x: fastbn.zscore(x, None),
    ],
    ids=["zscore", "minmax", "robust", "normalize", "denormalize", "whole"],
)
def test_frames_come_out(frame, call):
    x = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]], order="F")
    made = frame({"q": x[:, 0], "p": x[:, 1]})
    y = call(made)
    assert type(y) is frame
    assert list(y.columns) == ["q", "p"]
    assert numbers(y).tobytes() == call(x).tobytes()
    assert numbers(made).tobytes() == x.tobytes()  # as it was


def test_frames_of_one_dtype_are_not_copied(frame):
    made = frame(np.arange(12.0).reshape(4, 3, order="F"))
    assert np.shares_memory(_frames._table(_frames.opened(made, "x")), made.to_numpy())


@pytest.mark.parametrize("channel_axis", [-1, (1,), (-1,)])
def test_columns_by_any_name_of_their_axis(frame, channel_axis):
    made = frame(COLUMNS)
    assert fastbn.channel_stats(made, channel_axis) == fastbn.channel_stats(made)
    assert fastbn.zscore(made, channel_axis, return_stats=True)[1].names == tuple(COLUMNS)


def test_statistics_of_other_columns_are_refused(frame):
    """Silently, one column would be scaled as another."""
    made = frame({"a": [1.0, 3.0], "b": [10.0, 50.0]})
    swapped = made[["b", "a"]]
    stats, quantiles = fastbn.channel_stats(made), fastbn.channel_quantiles(made, [0.0, 1.0])
    calls = [
        fastbn.normalize,
        lambda x, stats: fastbn.denormalize(x, stats=stats),
        lambda x, stats: fastbn.zscore(x, stats=stats),
        lambda x, stats: fastbn.minmax_scale(x, stats=stats),
        fastbn.minmax_unscale,
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"stats: got channel 'a' for column 'b'; wants .*stats\.select"):
            call(swapped, stats)
        right = call(swapped, stats.select(list(swapped.columns)))
        assert numbers(right).tobytes() == numbers(call(made, stats)[["b", "a"]]).tobytes()
        assert numbers(call(swapped, stats.with_names(None)))[0, 0] != numbers(right)[0, 0]
    with pytest.raises(ValueError, match="stats: got channel 'a' for column 'b'"):
        fastbn.minmax_scale(swapped, stats=quantiles)


def test_data_by_keyword_and_its_name_in_errors(frame):
    made, stats = frame({"a": [1.0, 3.0]}), fastbn.ChannelStats.from_moments(2, [1.0], [4.0])
    assert numbers(fastbn.denormalize(y=made, stats=stats)).tolist() == [[3.0], [7.0]]
    with pytest.raises(TypeError, match=r"^y: got column 'bad'"):
        fastbn.denormalize(frame({"bad": ["x"]}), stats)


def test_the_index_stays():
    made = pd.DataFrame({"a": [1, 3]}, index=["x", "y"])
    y, stats = fastbn.zscore(made, return_stats=True)
    assert list(y.index) == ["x", "y"]
    assert stats.names == ("a",)
    assert y["a"].tolist() == [-1.0, 1.0]


def test_what_is_missing_becomes_nan(frame):
    values = pd.array([1, 3, None], dtype="Int64") if frame is pd.DataFrame else [1, 3, None]
    y = fastbn.zscore(frame({"a": values}))
    assert numbers(y)[:2, 0].tolist() == [-1.0, 1.0]
    assert np.isnan(numbers(y)[2, 0])
    with pytest.raises(TypeError, match="missing values"):
        fastbn.denormalize(frame({"a": values}), fastbn.ChannelStats.from_moments(2, [1.0], [1.0]), dtype="int32")


def test_names_that_come_twice_are_no_names():
    made = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "a"])
    assert fastbn.channel_stats(made).names is None
    assert fastbn.channel_stats(pd.DataFrame(np.eye(2))).names == ("0", "1")


@pytest.mark.parametrize("values", [["x", "y"], [b"x", b"y"], [None, [1]]], ids=["strings", "bytes", "objects"])
def test_columns_that_are_no_numbers_are_named(frame, values):
    made = frame({"good": [1.0, 2.0], "bad": values})
    for call in (fastbn.channel_stats, fastbn.zscore):
        with pytest.raises(TypeError, match=r"x: got column 'bad' of type .*; wants columns of numbers"):
            call(made)


def test_dates_and_categories_are_no_numbers():
    times = pd.to_datetime(["2026-01-01", "2026-01-02"])
    for column in (
        times,
        times - times[0],
        pd.Categorical(["a", "b"]),
        np.array([1j, 2j]),
        pd.arrays.SparseArray([0.0]),
    ):
        with pytest.raises(TypeError, match="column 'bad'"):
            fastbn.channel_stats(pd.DataFrame({"bad": column}))


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double")
def test_long_doubles_are_named():
    with pytest.raises(TypeError, match="column 'bad' of type"):
        fastbn.channel_stats(pd.DataFrame({"bad": np.ones(2, np.longdouble)}))


@pytest.mark.parametrize("dtype", ["Int128", "UInt128", "Decimal", "Date", "Duration", "Categorical", "Null"])
def test_types_of_polars_that_are_no_numbers(dtype):
    kind = getattr(pl, dtype, None)
    if kind is None:
        pytest.skip("not in this version of polars")
    bad = pl.DataFrame({"bad": pl.Series([None], dtype=kind)})
    with pytest.raises(TypeError, match=f"column 'bad' of type {dtype}"):
        fastbn.channel_stats(bad)


@pytest.mark.parametrize("base", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_of_subclasses_are_frames(base):
    kind = type("Mine", (base,), {})
    y = fastbn.zscore(kind({"a": [1.0, 3.0]}))
    assert isinstance(y, base)
    assert numbers(y).tolist() == [[-1.0], [1.0]]


def test_frames_are_not_written_to(frame):
    made = frame({"a": [1.0, 2.0]})
    with pytest.raises(TypeError, match="out: got some for a frame"):
        fastbn.zscore(made, out=np.empty((2, 1)))


def test_what_does_not_take_frames_says_so(frame):
    with pytest.raises(TypeError, match="DataFrame, which layer_norm does not take; wants an array"):
        fastbn.layer_norm(frame({"a": [1.0, 2.0]}))


def test_lazy_frames_are_not_read():
    with pytest.raises(TypeError, match=r"x\.collect\(\)"):
        fastbn.channel_stats(pl.DataFrame({"a": [1.0]}).lazy())


def test_an_empty_frame(frame):
    assert fastbn.channel_stats(frame({})).shape == (0,)
    stats = fastbn.channel_stats(frame({"a": np.empty(0), "b": np.empty(0)}))
    assert stats.count.tolist() == [0, 0]
    assert stats.names == ("a", "b")


def test_rows_without_columns():
    made = pd.DataFrame(index=[1, 2, 3])
    assert fastbn.channel_stats(made).shape == (0,)
    assert fastbn.zscore(made).shape == (3, 0)


@pytest.mark.parametrize("channel_axis", [None, 0, (0, 1)])
def test_other_axes_are_those_of_the_table(frame, channel_axis):
    x = np.arange(6.0).reshape(3, 2)
    made = frame({"a": x[:, 0], "b": x[:, 1]})
    found, wanted = fastbn.channel_stats(made, channel_axis), fastbn.channel_stats(x, channel_axis)
    assert found.mean.tolist() == wanted.mean.tolist()
    assert found.names is None
    y, stats = fastbn.zscore(made, channel_axis, return_stats=True)
    assert numbers(y).tobytes() == fastbn.zscore(x, channel_axis).tobytes()
    assert stats == wanted
    assert fastbn.channel_quantiles(made, 0.5, channel_axis) == fastbn.channel_quantiles(x, 0.5, channel_axis)


# Series


@pytest.fixture(params=["pandas", "polars"])
def series(request):
    """Make a series with a name from numbers, None among them."""
    if request.param == "polars":
        return lambda values, dtype: pl.Series("a", values, dtype=getattr(pl, dtype))
    return lambda values, dtype: pd.Series(pd.array(values, dtype=dtype), name="a")


def test_a_series_is_one_channel(series):
    made = series([1, None, 2**60 + 1], "Int64")
    stats = fastbn.channel_stats(made, None)
    assert (stats.count, stats.n_missing, stats.max.dtype) == (2, 1, np.int64)
    assert stats.max == 2**60 + 1
    assert stats.mean == oracle.rounded(Fraction(2**60 + 2, 2))
    assert fastbn.channel_quantiles(made, 0.0, None).values == 1.0


def test_series_come_out(series):
    made = series([1.0, 3.0, None], "Float64")
    y, stats = fastbn.zscore(made, None, return_stats=True)
    assert type(y) is type(made)
    assert y.name == "a"
    assert y.to_numpy()[:2].tolist() == [-1.0, 1.0]
    assert np.isnan(y.to_numpy()[2])
    assert fastbn.denormalize(y=y, stats=stats, channel_axis=None).to_numpy()[:2].tolist() == [1.0, 3.0]
    assert made.to_list()[:2] == [1.0, 3.0]  # as it was


def test_the_index_of_a_series_stays():
    made = pd.Series([1.0, 3.0], index=["x", "y"], name="a")
    y = fastbn.minmax_scale(made, None)
    assert (list(y.index), y.tolist()) == (["x", "y"], [0.0, 1.0])
    assert fastbn.channel_stats(made, 0).mean.tolist() == [1.0, 3.0]


def test_series_that_are_refused(series):
    made = series([1.0, 2.0], "Float64")
    with pytest.raises(ValueError, match=r"channel_axis: got 1 for an array of shape \(2,\)"):
        fastbn.zscore(made)
    with pytest.raises(TypeError, match="out: got some for a series"):
        fastbn.zscore(made, None, out=np.empty(2))
    for bad in (pd.Series(["x"], name="a"), pl.Series("a", ["x"])):
        with pytest.raises(TypeError, match="x: got column 'a' of type"):
            fastbn.zscore(bad, None)
