"""pandas and polars frames in the scikit-learn estimators: names, missing values, and frames that come back."""

import re
import tracemalloc

import numpy as np
import pytest

import fastbn

pytest.importorskip("sklearn")

from sklearn.preprocessing import StandardScaler as TheirStandardScaler

from fastbn.sklearn import MinMaxScaler, StandardScaler

pytestmark = pytest.mark.host

BOTH = (StandardScaler, MinMaxScaler)
COLUMNS = {"a": [1.0, 2.0, 4.0], "b": [0.5, None, 2.5], "c": [7.0, 7.0, 7.0]}
NUMBERS = np.array([[1.0, 0.5, 7.0], [2.0, np.nan, 7.0], [4.0, 2.5, 7.0]])


@pytest.fixture(params=["pandas", "polars"])
def frames(request):
    """A library of frames."""
    return pytest.importorskip(request.param)


@pytest.fixture
def named_frames(frames):
    """Those whose names scikit-learn reads: polars has no interchange protocol any more, which it used before 1.9."""
    if not hasattr(TheirStandardScaler().fit(frames.DataFrame(COLUMNS)), "feature_names_in_"):
        pytest.skip("this scikit-learn does not read the names of these frames")
    return frames


def numbers(frame):
    """The values of a frame; what is missing is NaN."""
    return np.asarray(frame, dtype=np.float64)


@pytest.mark.parametrize("cls", BOTH)
def test_frames_are_tables(named_frames, cls):
    scaler, expected = cls().fit(named_frames.DataFrame(COLUMNS)), cls().fit(NUMBERS)
    assert scaler.feature_names_in_.tolist() == scaler.get_feature_names_out().tolist() == ["a", "b", "c"]
    assert scaler.stats_ == expected.stats_.with_names(["a", "b", "c"])
    for method in ("fit_transform", "transform", "inverse_transform"):
        y = getattr(scaler, method)(named_frames.DataFrame(COLUMNS))
        assert type(y) is np.ndarray
        assert np.array_equal(y, getattr(expected, method)(NUMBERS), equal_nan=True)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_come_back(named_frames, cls, container):
    made = pytest.importorskip(container)
    scaler = cls().set_output(transform=container)
    for y in (scaler.fit_transform(named_frames.DataFrame(COLUMNS)), scaler.transform(named_frames.DataFrame(COLUMNS))):
        assert type(y) is made.DataFrame
        assert list(y.columns) == ["a", "b", "c"]
        assert np.array_equal(numbers(y), cls().fit_transform(NUMBERS), equal_nan=True)
    assert list(scaler.fit_transform(NUMBERS).columns) == ["x0", "x1", "x2"]


@pytest.mark.parametrize("cls", BOTH)
def test_rows_keep_their_labels(cls):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(COLUMNS, index=["x", "y", "z"], dtype=np.float32)
    y = cls().set_output(transform="pandas").fit_transform(frame)
    assert y.index.tolist() == ["x", "y", "z"]
    assert y.dtypes.tolist() == [np.float32] * 3


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("kind", ["Int64", "Float32", "Float64", "int64[pyarrow]", "double[pyarrow]"])
def test_nullable_columns_have_missing_values(cls, kind):
    pd = pytest.importorskip("pandas")
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype=kind), "b": pd.array([2, 4, 9], dtype=kind)})
    scaler = cls().fit(frame)
    assert scaler.stats_.count.tolist() == [2, 3]
    assert scaler.transform(frame)[:, 0].tolist() == pytest.approx(
        {StandardScaler: [-1, np.nan, 1], MinMaxScaler: [0, np.nan, 1]}[cls], nan_ok=True
    )


@pytest.mark.parametrize("cls", BOTH)
def test_columns_of_several_dtypes(frames, cls):
    mixed = frames.DataFrame({"i": [1, 2, 4], "f": [0.5, 1.5, 2.5], "b": [True, False, True]})
    expected = cls().fit_transform(np.array([[1, 0.5, 1], [2, 1.5, 0], [4, 2.5, 1]]))
    assert np.array_equal(cls().fit_transform(mixed), expected)


@pytest.mark.parametrize("cls", BOTH)
def test_words_are_no_numbers(frames, cls):
    with pytest.raises(ValueError, match="could not convert string to float: 'x'"):
        cls().fit(frames.DataFrame({"a": [1.0, 2.0], "words": ["x", "y"]}))


@pytest.mark.parametrize("cls", BOTH)
def test_names_are_compared(named_frames, cls):
    frame = named_frames.DataFrame(COLUMNS)
    scaler = cls().fit(frame)
    others = {"z": COLUMNS["a"], "b": COLUMNS["b"], "c": COLUMNS["c"]}
    stats = scaler.stats_
    for wrong in (others, {name: COLUMNS[name] for name in ("b", "a", "c")}):
        for method in (scaler.transform, scaler.partial_fit):
            with pytest.raises(ValueError, match="The feature names should match"):
                method(named_frames.DataFrame(wrong))
    assert scaler.stats_ == stats
    with pytest.raises(
        ValueError, match=re.escape("merge: got the feature names ['z', 'b', 'c']; wants ['a', 'b', 'c']")
    ):
        scaler.merge(cls().fit(named_frames.DataFrame(others)))
    assert scaler.merge(cls().fit(frame)).feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="merge: got the feature names"):
        scaler.merge(cls().fit(NUMBERS))


@pytest.mark.parametrize("cls", BOTH)
def test_missing_names_are_a_warning(named_frames, cls):
    frame = named_frames.DataFrame(COLUMNS)
    named, nameless = cls().fit(frame), cls().fit(NUMBERS)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.transform(NUMBERS)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.partial_fit(NUMBERS)
    assert named.stats_.names == ("a", "b", "c")
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        nameless.transform(frame)
    named.inverse_transform(NUMBERS)
    assert not hasattr(named.fit(NUMBERS), "feature_names_in_")
    assert named.stats_.names is None


def test_names_that_are_none():
    pd = pytest.importorskip("pandas")
    assert not hasattr(StandardScaler().fit(pd.DataFrame(NUMBERS)), "feature_names_in_")
    with pytest.raises(TypeError, match="Feature names are only supported if all input features have string names"):
        StandardScaler().fit(pd.DataFrame(NUMBERS, columns=["a", 1, 2]))


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_what_is_no_table_does_not_become_a_frame(cls, container):
    pytest.importorskip(container)
    for scaler, x in ((cls(), np.ones((4, 3, 2))), (cls(channel_axis=0, copy=False), np.eye(3))):
        before = x.copy()
        scaler.set_output(transform=container).fit(x)
        for method in (scaler.transform, scaler.fit_transform):
            with pytest.raises(
                ValueError, match=f"channel_axis={scaler.channel_axis} for an output of {container}; wants"
            ):
                method(x)
        assert np.array_equal(x, before)
        assert scaler.set_output(transform="default").transform(x).shape == x.shape


@pytest.mark.parametrize("channel_axis", [0, None])
def test_rows_as_channels_have_no_names(frames, channel_axis):
    square = frames.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    scaler = StandardScaler(channel_axis=channel_axis).fit(square)
    assert scaler.stats_ == fastbn.channel_stats([[1.0, 3.0], [2.0, 5.0]], channel_axis)


def test_a_frame_of_one_dtype_is_not_copied():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.ones((2**17, 16)))
    scaler = StandardScaler()
    tracemalloc.start()
    scaler.fit_transform(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**17 * 16 * 8 + 8 * 2**20
