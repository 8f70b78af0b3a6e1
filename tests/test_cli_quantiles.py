"""Quantiles on the command line, and what does not count of a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastbn
from fastbn.cli import main

SMALL = "1MB"  # files of some MB are then read in many pieces


@pytest.fixture
def run(capsys):
    """Run a command in this process; returns its exit code, what it printed, and its error."""

    def call(*argv):
        code = main([str(part) for part in argv])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def saved(path, array):
    np.save(path, array)
    return path


def done(answer):
    code, out, error = answer
    assert (code, error) == (0, "")
    return out


def sample(dtype, shape=(40, 3, 61, 50)):
    return np.random.default_rng(1).normal(90, 30, shape).clip(0, 255).astype(dtype)


@pytest.mark.parametrize("axis", ["1", "0,3", "none"])
@pytest.mark.parametrize("dtype", ["uint8", ">i2", "float32", "int64"])
def test_quantiles_of_a_file_are_those_of_the_array(run, tmp_path, dtype, axis):
    x = sample(dtype)
    out = tmp_path / "q.json"
    options = ["-q", 0.02, 0.5, 0.98, "-o", out, "--channel-axis", axis, "--memory", SMALL]
    printed = done(run("quantiles", saved(tmp_path / "x.npy", x), *options))
    kept = {"1": 1, "0,3": (0, 3), "none": None}[axis]
    expected = fastbn.channel_quantiles(x, [0.02, 0.5, 0.98], kept)
    assert fastbn.ChannelQuantiles.load(out) == expected
    assert printed == f"{expected!r}\n"


def test_json_defaults_and_missing_values(run, tmp_path):
    x = sample("float32", (500, 2))
    x[3, 0], x[4, 1] = np.nan, -9999
    options = ["--nodata=-9999", "--nan-policy", "omit", "--json"]
    record = json.loads(done(run("quantiles", saved(tmp_path / "x.npy", x), *options)))
    expected = fastbn.channel_quantiles(x, [0, 0.25, 0.5, 0.75, 1], nodata=-9999, nan_policy="omit")
    assert fastbn.ChannelQuantiles.from_dict(record) == expected
    assert expected.n_missing.tolist() == [1, 1]


def test_statistics_without_missing_values(run, tmp_path):
    x = sample("float32", (100_000, 4))
    x[::7, 0], x[::5, 1] = np.nan, -9999
    source = saved(tmp_path / "x.npy", x)
    options = ["--nodata=-9999", "--nan-policy", "omit", "--exact", "--memory", SMALL]
    done(run("stats", source, "-o", tmp_path / "s.json", *options))
    expected = fastbn.channel_stats(x, nodata=-9999, nan_policy="omit", method="exact")
    assert fastbn.ChannelStats.load(tmp_path / "s.json") == expected
    wide = np.array([[2**63 - 1], [2**63 - 2]], np.int64)
    record = json.loads(done(run("stats", saved(tmp_path / "w.npy", wide), "--nodata", 2**63 - 1, "--json")))
    assert (record["count"], record["max"]) == ([1], [2**63 - 2])


def test_raise_stops_the_job(run, tmp_path):
    x = sample("float32", (200_000, 2))
    x[-1, 1] = np.nan
    source = saved(tmp_path / "x.npy", x)
    for command in ("stats", "quantiles"):
        options = ["--nan-policy", "raise", "-o", tmp_path / "o.json", "--memory", SMALL]
        code, out, error = run(command, source, *options)
        assert (code, out) == (1, "")
        assert error == f"fastbn: error: {source}: channel (1,) has a NaN; nan_policy='raise' wants none\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_stretch_by_saved_quantiles(run, tmp_path, dtype):
    x = sample(dtype)
    source, ends = saved(tmp_path / "x.npy", x), tmp_path / "q.json"
    done(run("quantiles", source, "-q", 0.02, 0.98, "-o", ends))
    options = ["--method", "minmax", "--stats", ends]
    done(run("normalize", source, tmp_path / "y.npy", *options, "--clip", "--memory", SMALL))
    stats = fastbn.channel_quantiles(x, [0.02, 0.98])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), fastbn.minmax_scale(x, stats=stats, clip=True))
    done(run("normalize", source, tmp_path / "z.npy", *options))
    done(run("denormalize", tmp_path / "z.npy", tmp_path / "back.npy", *options))
    np.testing.assert_allclose(np.load(tmp_path / "back.npy"), x, atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_robust(run, tmp_path, dtype):
    x = sample(dtype)
    source = saved(tmp_path / "x.npy", x)
    options = ["--method", "robust", "--memory", SMALL]
    done(run("normalize", source, tmp_path / "y.npy", *options))
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), fastbn.robust_scale(x))
    wide = [*options, "--quantile-range", 10, 90]
    done(run("normalize", source, tmp_path / "z.npy", *wide))
    expected = fastbn.robust_scale(x, quantile_range=(10, 90))
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), expected)
    done(run("quantiles", source, "-q", 0.9, 0.5, 0.1, "-o", tmp_path / "q.json"))
    done(run("normalize", source, tmp_path / "z.npy", *wide, "--stats", tmp_path / "q.json", "--overwrite"))
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), expected)


def test_merge(run, tmp_path):
    x = sample("uint8")
    for name, part in (("a", x[:10]), ("b", x[10:])):
        fastbn.channel_quantiles(part, 0.5).save(tmp_path / f"{name}.json")
    done(run("merge", tmp_path / "a.json", tmp_path / "b.json", "-o", tmp_path / "all.json"))
    assert fastbn.ChannelQuantiles.load(tmp_path / "all.json") == fastbn.channel_quantiles(x, 0.5)
    fastbn.channel_stats(x).save(tmp_path / "s.json")
    code, _, error = run("merge", tmp_path / "a.json", tmp_path / "s.json", "-o", tmp_path / "no.json")
    assert (code, error) == (1, "fastbn: error: merge: got ChannelStats; wants ChannelQuantiles\n")
    assert not (tmp_path / "no.json").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["-q", "2"], "argument -q: got '2'; wants numbers in [0, 1]"),
        (["-q", "x"], "argument -q: got 'x'; wants numbers in [0, 1]"),
        (["--nodata", "none"], "argument --nodata: got 'none'; wants a number"),
        (["--nan-policy", "skip"], "argument --nan-policy: invalid choice: 'skip'"),
    ],
)
def test_bad_arguments(run, tmp_path, options, what):
    code, out, error = run("quantiles", tmp_path / "is not read.npy", *options)
    assert (code, out) == (2, "")
    assert error.startswith(f"fastbn: error: {what}")
    assert error.count("\n") == 1


def test_jobs_that_cannot_be_done_write_nothing(run, tmp_path):
    x = sample("uint8", (50, 3))
    source, stats, median = saved(tmp_path / "x.npy", x), tmp_path / "s.json", tmp_path / "q.json"
    fastbn.channel_stats(x).save(stats)
    fastbn.channel_quantiles(x.astype(float), 0.5).save(median)
    cases = [
        ("zscore", median, "stats: got ChannelQuantiles; wants ChannelStats"),
        ("minmax", median, "stats: got the quantiles 0.5; wants two or more"),
        ("robust", median, "stats: cannot give the quantiles (0.25, 0.5, 0.75)"),
        ("robust", stats, "stats: got ChannelStats; wants ChannelQuantiles"),
    ]
    for method, path, what in cases:
        code, _, error = run("normalize", source, tmp_path / "y.npy", "--method", method, "--stats", path)
        assert code == 1
        assert error.startswith(f"fastbn: error: {what}")
    code, _, error = run("quantiles", source, "--nodata", 300, "-o", tmp_path / "y.npy")
    assert (code, error) == (1, "fastbn: error: nodata: got 300; wants a number that uint8 data can hold\n")
    code, _, error = run("quantiles", source, "-o", median)
    assert (code, error) == (1, f"fastbn: error: {median}: exists already (--overwrite replaces it)\n")
    code, _, error = run("normalize", source, tmp_path / "y.npy", "--quantile-range", 1, 2)
    assert (code, error.split(" (see")[0]) == (2, "fastbn: error: --quantile-range means nothing with --method zscore")
    code, _, error = run("denormalize", source, tmp_path / "y.npy", "--method", "robust", "--stats", median)
    assert code == 2
    assert not (tmp_path / "y.npy").exists()
