"""ChannelStats as a value: immutable, comparable, selectable, and stored without losing a bit."""

import contextlib
import copy
import json
import math
import os
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from fastbn import ChannelStats
from generators import CASES, FLOATS, INTEGERS, channels

pytestmark = pytest.mark.usefixtures("backend")

DTYPES = FLOATS + INTEGERS
VECTORS = ("count", "n_missing", "weight", "mean", "min", "max")


def example(dtype="float64", shape=(20, 3), axis=1):
    return fastbn.channel_stats((np.random.default_rng(0).random(shape) * 9).astype(dtype), axis)


def special():
    """Channels of NaN, infinities, a constant, numbers that no short decimal gives, and nothing."""
    x = np.array([[math.nan, math.inf, -math.inf, 0.1, 1 / 3], [1.0, 1.0, math.inf, 0.1, 1e-310]])
    return fastbn.channel_stats(x)


def bits(x):
    """The bytes of an array; a NaN is a NaN, whatever its sign and payload."""
    return np.where(np.isnan(x), x.dtype.type(np.nan), x).tobytes() if x.dtype.kind == "f" else x.tobytes()


def assert_same_bits(a, b):
    assert a == b
    assert hash(a) == hash(b)
    assert a.names == b.names
    pairs = [(getattr(a, name), getattr(b, name)) for name in VECTORS]
    pairs += [(a.var(ddof), b.var(ddof)) for ddof in (0, 1)] + [(a.std(), b.std())]
    for x, y in pairs:
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        assert bits(x) == bits(y)


# --- a value ----------------------------------------------------------------------------------------------------------


def test_it_cannot_be_changed():
    stats = example()
    for name in VECTORS:
        with pytest.raises((AttributeError, TypeError)):
            setattr(stats, name, np.zeros(3))
        with contextlib.suppress(ValueError):  # read-only, or a copy: either will do
            getattr(stats, name)[0] = 1
    with pytest.raises((AttributeError, TypeError)):
        stats.other = 1
    assert stats == example()


def test_what_it_computes_belongs_to_the_caller():
    stats = example()
    for compute in (stats.var, stats.std):
        before = compute().copy()
        with contextlib.suppress(ValueError):
            compute()[:] = -1
        assert compute().tobytes() == before.tobytes()


def test_equality_is_that_of_the_bits():
    a, b = example(), example()
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b}) == 1
    assert a != example("float32")
    assert a != example(shape=(21, 3))
    assert a != example(shape=(20, 3), axis=0)
    assert a != a.with_names(["a", "b", "c"])
    assert special() == special()
    assert hash(special()) == hash(special())
    assert a != "something else"
    x = np.random.default_rng(0).random((20, 3)) * 9
    x[0, 0] = np.nextafter(x[0, 0], 10)
    assert fastbn.channel_stats(x) != a


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_and_pickles_are_equal(dtype):
    stats = example(dtype)
    for other in (copy.copy(stats), copy.deepcopy(stats), pickle.loads(pickle.dumps(stats))):
        assert_same_bits(stats, other)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_same_bits(special(), pickle.loads(pickle.dumps(special(), protocol)))


def test_repr_is_a_short_table():
    text = repr(example().with_names(["red", "green", "blue"]))
    assert "ChannelStats" in text
    for word in ("red", "green", "blue", "mean", "std", "min", "max", "count"):
        assert word in text
    many = repr(fastbn.channel_stats(np.ones((2, 5000))))
    assert many.count("\n") < 50
    for odd in (
        ChannelStats.empty((2,)),
        ChannelStats.empty(()),
        ChannelStats.empty((0,)),
        special(),
        example(axis=None),
    ):
        assert "ChannelStats" in repr(odd)
    assert "ChannelStats" in repr(example(shape=(4, 2, 5, 3), axis=(1, 3)))


# --- empty and from_moments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_empty(shape):
    stats = ChannelStats.empty(shape)
    assert stats.shape == shape
    assert stats.count.shape == stats.mean.shape == shape
    assert not stats.count.any()
    assert np.isnan(stats.mean).all()
    assert np.isnan(stats.var()).all()


def test_from_moments():
    stats = ChannelStats.from_moments(10, [1.0, 2.0], [4.0, 0.0], min=[-3.0, 2.0], max=[5.0, 2.0])
    assert stats.shape == (2,)
    assert stats.count.tolist() == [10, 10]
    assert stats.weight.tolist() == [10.0, 10.0]
    assert stats.n_missing.tolist() == [0, 0]
    assert stats.mean.tolist() == [1.0, 2.0]
    assert stats.var().tolist() == [4.0, 0.0]
    assert stats.min.tolist() == [-3.0, 2.0]
    assert stats.max.tolist() == [5.0, 2.0]
    unknown = ChannelStats.from_moments([3, 5], [1.0, 2.0], [4.0, 1.0], ddof=1)
    assert unknown.var(1).tolist() == [4.0, 1.0]
    assert np.isnan(unknown.min).all()
    assert np.isnan(unknown.max).all()
    assert ChannelStats.from_moments(5, 1.0, 2.0).shape == ()


@given(
    st.lists(
        st.tuples(st.integers(2, 2**40), st.floats(-1e100, 1e100), st.floats(1e-100, 1e100)), min_size=1, max_size=8
    ),
    st.integers(0, 1),
)
def test_from_moments_keeps_every_bit(rows, ddof):
    count, mean, var = (list(column) for column in zip(*rows, strict=True))
    stats = ChannelStats.from_moments(count, mean, var, ddof=ddof)
    assert stats.count.tolist() == count
    assert stats.mean.tolist() == mean
    assert stats.var(ddof).tolist() == var
    other = Fraction(var[0]) * (count[0] - ddof) / (count[0] - 1 + ddof)
    assert oracle.ulps(stats.var(1 - ddof)[0], other) <= 2


def test_from_moments_of_computed_statistics_merges_like_them():
    x = np.random.default_rng(3).normal(1e6, 1, (1000, 4))
    whole, a, b = (fastbn.channel_stats(part) for part in (x, x[:300], x[300:]))
    foreign = [ChannelStats.from_moments(s.count, s.mean, s.var(1), ddof=1, min=s.min, max=s.max) for s in (a, b)]
    merged = sum(foreign)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-15)
    np.testing.assert_allclose(merged.var(), whole.var(), rtol=1e-9)  # the means were rounded to 53 bits
    assert merged.min.tolist() == whole.min.tolist()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([-1], [0.0], [1.0]), "count"),
        (([3], [0.0], [-1.0]), "var"),
        (([3, 4], [0.0, 1.0, 2.0], [1.0, 1.0]), "mean|count|shape"),
    ],
)
def test_from_moments_refuses(arguments, name):
    with pytest.raises(ValueError, match=name):
        ChannelStats.from_moments(*arguments)


def test_from_moments_refuses_ends_in_the_wrong_order():
    with pytest.raises(ValueError, match="min: got"):
        ChannelStats.from_moments(2, [1.0], [1.0], min=[5.0], max=[1.0])
    assert np.isnan(ChannelStats.from_moments(0, [1.0], [1.0], min=[5.0], max=[1.0]).min)  # of nothing


def test_from_moments_refuses_fractional_counts():
    with pytest.raises((TypeError, ValueError), match="count"):
        ChannelStats.from_moments([2.5], [0.0], [1.0])


# --- names and selection ----------------------------------------------------------------------------------------------


def test_names():
    stats = example()
    assert stats.names is None
    named = stats.with_names(["red", "green", "blue"])
    assert list(named.names) == ["red", "green", "blue"]
    assert stats.names is None
    assert named.mean.tobytes() == stats.mean.tobytes()
    assert (named + named).names == named.names
    with pytest.raises(ValueError, match="names"):
        stats.with_names(["red", "green"])
    with pytest.raises(ValueError, match="names"):
        stats.with_names(["red", "red", "blue"])


@pytest.mark.parametrize(
    "index",
    [slice(1, None), [2, 0], np.array([True, False, True]), slice(None, None, -1), [], np.array([1]), ..., -1, 0],
    ids=repr,
)
def test_select_is_numpy_indexing(index):
    x = np.random.default_rng(1).random((20, 3))
    stats = fastbn.channel_stats(x)
    chosen = stats.select(index)
    assert chosen.mean.tobytes() == stats.mean[index].tobytes()
    assert chosen.shape == stats.mean[index].shape
    assert chosen.var(1).tobytes() == stats.var(1)[index].tobytes()
    for name in VECTORS:
        assert getattr(chosen, name).tobytes() == getattr(stats, name)[index].tobytes()
    if isinstance(index, slice):
        of_slice = fastbn.channel_stats(x[:, index])  # another layout: other tiles, other last bits
        np.testing.assert_array_max_ulp(chosen.mean, of_slice.mean, 2)
        np.testing.assert_array_max_ulp(chosen.var(), of_slice.var(), 2)


def test_select_of_several_kept_axes():
    stats = fastbn.channel_stats(np.random.default_rng(2).random((4, 2, 5, 3)), (1, 3))
    assert stats.select((0, slice(1, None))).mean.tolist() == stats.mean[0, 1:].tolist()
    assert stats.select(1).shape == (3,)


def test_select_by_name():
    stats = example().with_names(["red", "green", "blue"])
    assert stats.select("green").mean.tobytes() == stats.mean[1].tobytes()
    pair = stats.select(["blue", "red"])
    assert list(pair.names) == ["blue", "red"]
    assert pair.mean.tolist() == stats.mean[[2, 0]].tolist()
    assert list(stats.select(slice(0, 2)).names) == ["red", "green"]
    for absent in ("violet", ["red", "violet"]):
        with pytest.raises((KeyError, ValueError), match="violet"):
            stats.select(absent)
    with pytest.raises((KeyError, ValueError), match="red"):
        example().select("red")


def test_select_out_of_range():
    with pytest.raises(IndexError):
        example().select(3)


# --- JSON -------------------------------------------------------------------------------------------------------------


def strict_json(text):
    """Parse JSON as the standard has it: without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"), [((20, 3), 1), ((20,), None), ((2, 3, 4, 5), (0, 2)), ((0, 3), 1), ((3, 0), 1)]
)
def test_dictionaries_keep_every_bit(dtype, shape, axis):
    stats = example(dtype, shape, axis)
    through_json = strict_json(json.dumps(stats.to_dict(), allow_nan=False))
    for d in (stats.to_dict(), through_json):
        assert_same_bits(ChannelStats.from_dict(d), stats)


@pytest.mark.parametrize(("name", "dtype"), [case for case in CASES if case[1] in ("float32", "float64", "uint64")])
def test_files_keep_every_bit(name, dtype, tmp_path):
    stats = fastbn.channel_stats(channels(name, dtype), 0)
    path = tmp_path / "stats.json"
    stats.save(path)
    strict_json(path.read_text(encoding="utf-8"))
    loaded = ChannelStats.load(path)
    assert_same_bits(loaded, stats)
    assert_same_bits(loaded + stats, stats + stats)


def test_special_values_and_names_are_stored(tmp_path):
    path = tmp_path / "stats.json"
    for stats in (
        special(),
        special().with_names(["é", "b", "", "d d", '"']),
        ChannelStats.empty((2,)),
        ChannelStats.empty(()),
        ChannelStats.from_moments(7, [1.0], [2.0]),
    ):
        stats.save(str(path))
        strict_json(path.read_text(encoding="utf-8"))
        assert_same_bits(ChannelStats.load(str(path)), stats)


def test_the_file_has_a_version():
    d = example().to_dict()
    assert any("version" in key for key in d)
    key = next(key for key in d if "version" in key)
    with pytest.raises(ValueError, match="version"):
        ChannelStats.from_dict({**d, key: 10**6})


def test_a_dictionary_that_is_none_of_ours():
    d = example().to_dict()
    for broken in ({}, {"mean": [1.0]}, *({k: v for k, v in d.items() if k != key} for key in d if key != "names")):
        with pytest.raises(ValueError):  # noqa: PT011 - which part is named depends on what is missing
            ChannelStats.from_dict(broken)
    for other in ([], None, "text", 3):
        with pytest.raises((TypeError, ValueError)):
            ChannelStats.from_dict(other)


def test_files_that_cannot_be_loaded(tmp_path):
    with pytest.raises(FileNotFoundError):
        ChannelStats.load(tmp_path / "absent.json")
    path = tmp_path / "stats.json"
    example().save(path)
    whole = path.read_text(encoding="utf-8")
    for text in ("", whole[: len(whole) // 2], "[]", "null", "not json", '{"a": 1}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError):  # noqa: PT011 - a truncated file and a foreign one are told apart in words
            ChannelStats.load(path)
    path.write_bytes(pickle.dumps(example()))
    with pytest.raises(ValueError):  # noqa: PT011 - no pickle is ever read
        ChannelStats.load(path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("place", ["absent/stats.json", "file/stats.json", "folder", "pipe", "/"])
def test_an_error_of_saving_names_the_file_asked_for(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file, and no directory")
    if place == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes with names here")
        os.mkfifo(tmp_path / place)
    before = contents(tmp_path)
    path = tmp_path / place
    with pytest.raises(OSError, match=r"\w") as caught:
        example().save(path)
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert contents(tmp_path) == before
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_names_the_file_and_leaves_it(tmp_path, monkeypatch, step):
    """A full disk shows as late as in fsync, and its error comes without a name."""
    path = tmp_path / "stats.json"
    example().save(path)
    before = contents(tmp_path)

    def fail(*arguments):
        raise OSError(28, "No space left on device", *(map(str, arguments[:1]) if step == "replace" else ()))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        example("float32").save(path)
    assert caught.value.filename == str(path)
    monkeypatch.undo()
    assert contents(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("old", [b"old", None])
def test_saving_through_a_link_writes_its_target(tmp_path, old):
    (tmp_path / "far").mkdir()
    target, link, chain = tmp_path / "far" / "stats.json", tmp_path / "link", tmp_path / "chain"
    if old is not None:
        target.write_bytes(old)
        target.chmod(0o640)
    link.symlink_to("far/stats.json")
    chain.symlink_to(link)
    example().save(chain)
    assert chain.readlink() == link
    assert link.readlink() == Path("far/stats.json")
    assert not target.is_symlink()
    assert ChannelStats.load(target) == example()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["chain", "far", "link", "stats.json"]
    if old is not None:
        assert target.stat().st_mode & 0o777 == 0o640


class BytesPath:
    """A path-like object of bytes, as os.PathLike allows."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return os.fsencode(self.path)


@pytest.mark.parametrize("kind", [str, os.fsencode, BytesPath])
def test_every_kind_of_path(tmp_path, kind):
    path = kind(tmp_path / "stats é.json")
    example().save(path)
    assert ChannelStats.load(path) == example()
    (tmp_path / "stats é.json").write_text("{}")
    with pytest.raises(ValueError, match=r"stats é\.json"):
        ChannelStats.load(path)


@pytest.mark.parametrize("path", [3, None, ["stats.json"], bytearray(b"stats.json")], ids=repr)
def test_what_is_no_path(path):
    for use in (example().save, ChannelStats.load):
        with pytest.raises(TypeError, match=f"path: got {type(path).__name__}; wants"):
            use(path)


# --- a picture --------------------------------------------------------------------------------------------------------


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    for stats in (example().with_names(["red", "green", "blue"]), special(), example(axis=None)):
        assert stats.plot(ax=ax) is ax
    own = example().plot()
    assert own is not ax
    plt.close(figure)
    plt.close(own.figure)


def test_a_link_that_leads_to_itself_is_no_place_to_save(tmp_path):
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=r"loop\.json"):
        fastbn.channel_stats([1.0, 2.0], None).save(loop)
    assert loop.is_symlink()


def test_a_name_with_a_null_character_is_refused_by_name():
    with pytest.raises(ValueError, match="path: got"):
        fastbn.channel_stats([1.0, 2.0], None).save("a\0b")
