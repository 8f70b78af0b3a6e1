"""The command line: several files as one data set, and files replaced in place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli.formats._npy import NpySink, NpySource
from years import YEARS, make_climate, names_below, saved_stats, whole

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def climate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_climate()


WAYS = {
    "a directory": ["climate"],
    "files": [f"climate/{name}" for name in YEARS],
    "a pattern": ["climate/**/19*.npy"],
    "a pattern and a file": ["climate/19*.npy", "climate/deep/1992.npy"],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("small_tiles")
def test_statistics_of_many_files_are_those_of_all_data(climate, run, way):
    run("stats", *WAYS[way], "--exact", "-o", "s.json")
    assert fastbn.ChannelStats.load("s.json") == fastbn.channel_stats(whole(climate), method="exact")


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
@pytest.mark.usefixtures("small_tiles")
def test_quantiles_of_many_files_are_those_of_all_data(climate, run, dtype):
    for name, x in climate.items():
        np.save(f"climate/{name}", abs(x).astype(dtype))
    run("quantiles", "climate", "-q", 0.1, 0.5, 0.999, "-o", "q.json")
    expected = fastbn.channel_quantiles(abs(whole(climate)).astype(dtype), (0.1, 0.5, 0.999))
    assert fastbn.ChannelQuantiles.load("q.json") == expected


def test_quantiles_of_files_with_very_many_channels(run, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(1).normal(size=(130_000, 5))
    np.save("whole.npy", x)
    np.save("left.npy", x[:, :3])
    np.save("right.npy", x[:, 3:])
    argv = ["--channel-axis", 0, "-q", 0.5, "--memory", "1MB"]
    run("quantiles", "whole.npy", *argv, "-o", "q.json")
    assert fastbn.ChannelQuantiles.load("q.json") == fastbn.channel_quantiles(x, (0.5,), 0)
    # In files of different shapes, tiles hold all channels: even one value of each is too much.
    line = refused("quantiles", "left.npy", "right.npy", *argv)
    assert "left.npy: its blocks take 1040000 bytes each in memory, and --memory allows 1000000 bytes" in line


@pytest.mark.parametrize(("first", "second"), [("u1", "i2"), ("i2", "f4"), ("f4", "f8"), ("i4", "u4")])
@pytest.mark.usefixtures("small_tiles")
def test_quantiles_of_files_of_different_dtypes(climate, run, first, second):
    x, y = (abs(climate[name]).astype(dtype) for name, dtype in zip(list(YEARS)[:2], (first, second), strict=True))
    np.save("one.npy", x)
    np.save("two.npy", y)
    run("quantiles", "one.npy", "two.npy", "-o", "q.json")
    both = np.concatenate([x, y]).astype(np.result_type(x, y))
    assert fastbn.ChannelQuantiles.load("q.json") == fastbn.channel_quantiles(both, (0, 0.25, 0.5, 0.75, 1))


@pytest.mark.parametrize("way", WAYS)
def test_each_file_is_written_by_the_statistics_of_all(climate, run, way):
    run("normalize", *WAYS[way], "out")
    stats = fastbn.channel_stats(climate["1990.npy"])
    for name in list(YEARS)[1:]:
        stats += fastbn.channel_stats(climate[name])
    deep = way in {"a directory", "a pattern"}
    expected = {(name if deep else Path(name).name): fastbn.normalize(x, stats) for name, x in climate.items()}
    assert names_below("out") == sorted(expected)
    for name, y in expected.items():
        np.testing.assert_array_equal(np.load(f"out/{name}"), y)


def test_files_of_other_dtypes_are_one_data_set_too(climate, run):
    np.save("climate/1991.npy", climate["1991.npy"].astype("i2"))
    run("normalize", "climate", "out", "--stats", saved_stats(climate))
    assert np.load("out/1991.npy").dtype == np.float32
    expected = fastbn.normalize(climate["1991.npy"].astype("i2"), fastbn.channel_stats(whole(climate)))
    np.testing.assert_array_equal(np.load("out/1991.npy"), expected)


def test_what_is_no_data_set_is_refused(climate, refused):
    np.save("climate/other.npy", np.ones((5, 4)))
    assert "climate/other.npy: channels (4,), but climate/1990.npy has channels (3,)" in refused("stats", "climate")
    Path("climate/other.npy").unlink()
    assert "several files of the name 1990.npy" in refused("normalize", "climate/1990.npy", "climate", "out")
    Path("file").write_bytes(b"")
    assert "file: not a directory" in refused("normalize", "climate", "file")
    assert "climate/1990.npy: a file that is read as well" in refused("normalize", "climate/*.npy", "climate")
    assert "climate/out: lies in climate" in refused("normalize", "climate", "climate/out")
    Path("climate/gone.npy").symlink_to("nothing.npy")
    assert "climate/gone.npy: a symbolic link to nothing" in refused("stats", "climate")
    assert not Path("out").exists()


def test_outputs_that_exist_are_replaced_on_demand_only(climate, refused, run):
    Path("out").mkdir()
    Path("out/1991.npy").write_bytes(b"old")
    assert "out/1991.npy: exists already" in refused("normalize", "climate", "out")
    assert names_below("out") == ["1991.npy"]
    run("normalize", "climate", "out", "--overwrite")
    assert names_below("out") == sorted(YEARS)


def test_in_place_every_file_is_replaced(climate, run):
    stats = fastbn.ChannelStats.load(saved_stats(climate))
    run("normalize", "climate", "--in-place", "--stats", "all.json")
    for name, x in climate.items():
        np.testing.assert_array_equal(np.load(f"climate/{name}"), fastbn.normalize(x, stats))
    assert names_below("climate") == sorted([*YEARS, "notes.txt", ".hidden.npy"])
    run("normalize", "climate/1990.npy", "--in-place")
    assert np.load("climate/1990.npy").mean(0) == pytest.approx(0, abs=1e-6)


def test_in_place_takes_no_output(climate, refused):
    assert "OUT" in refused("normalize", "climate", code=2)
    assert "--in-place" in refused("normalize", "climate/1990.npy", "climate/1990.npy", code=2)


def test_dry_run_says_what_and_does_nothing(climate, run):
    before = names_below(".")
    out = run("normalize", "climate", "out", "--dry-run")
    assert len(out.splitlines()) == len(YEARS)
    assert all(line.startswith("would write out/") for line in out.splitlines())
    record = json.loads(run("normalize", "climate", "out", "--dry-run", "--json"))
    assert record["dry_run"] is True
    assert [file["output"] for file in record["files"]] == [f"out/{name}" for name in YEARS]
    assert len(run("stats", "climate", "-o", "s.json", "--dry-run").splitlines()) == len(YEARS)
    assert names_below(".") == before


def test_a_dry_run_refuses_what_the_job_would(climate, refused):
    assert "channel_axis" in refused("normalize", "climate", "out", "--dry-run", "--channel-axis", 5)


def test_statistics_files_say_where_they_come_from(climate, run):
    run("stats", "climate", "-o", "s.json", "--nan-policy", "omit")
    source = json.loads(Path("s.json").read_text())["source"]
    assert [item["path"] for item in source["inputs"]] == [f"climate/{name}" for name in YEARS]
    assert source["inputs"][0]["bytes"] == Path("climate/1990.npy").stat().st_size
    assert source["options"] == {"nan_policy": "omit"}
    again = Path("s.json").read_bytes()
    run("stats", "climate", "-o", "s.json", "--nan-policy", "omit", "--overwrite")
    assert Path("s.json").read_bytes() == again


def test_a_nan_may_stand_for_none(climate, run):
    run("stats", "climate", "--nodata", "nan", "-o", "s.json")
    assert json.loads(Path("s.json").read_text())["source"]["options"]["nodata"] == "NaN"
    run("normalize", "climate", "out", "--nodata", "nan", "--resume")


def test_a_file_that_changes_meanwhile_is_refused(climate, refused, monkeypatch):
    read = NpySource.read

    def changing(self, tile):
        with Path("climate/1991.npy").open("ab") as file:
            file.write(b"more")
        return read(self, tile)

    monkeypatch.setattr(NpySource, "read", changing)
    assert "climate/1991.npy: somebody has changed it" in refused("stats", "climate")


def test_a_file_that_is_truncated_meanwhile_is_refused(climate, refused, monkeypatch):
    read = NpySource.read

    def cutting(self, tile):
        os.truncate(self.path, 200)
        return read(self, tile)

    monkeypatch.setattr(NpySource, "read", cutting)
    assert "climate/1990.npy: ends before its data do" in refused("stats", "climate/1990.npy")


@pytest.mark.parametrize("command", [("stats",), ("normalize", "out"), ("normalize", "y.npy", "--stats", "all.json")])
def test_a_disk_that_cannot_be_read_is_named(climate, refused, monkeypatch, command):
    saved_stats(climate)
    before = names_below(".")

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(NpySource, "read", fail)
    assert refused(command[0], "climate/1991.npy", *command[1:]) == (
        "fastbn: error: climate/1991.npy: Input/output error\n"
    )
    assert names_below(".") == before


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_a_job_that_fails_leaves_no_directories(climate, refused, monkeypatch, options):
    monkeypatch.setattr(NpySink, "write", lambda *_: 1 / 0)
    refused("normalize", "climate", "new/out", "--stats", saved_stats(climate), *options)
    assert not Path("new").exists()


@POSIX
def test_no_link_in_a_place_of_everybody_is_followed(climate, refused):
    Path("shared").mkdir()
    Path("shared").chmod(0o777)
    Path("shared/y.npy").symlink_to("../precious.npy")
    Path("to-shared.npy").symlink_to("shared/z.npy")
    for link in ("shared/y.npy", "to-shared.npy"):
        line = refused("normalize", "climate/1990.npy", link, "--overwrite")
        assert f"{link}: a symbolic link in or into " in line
    assert not Path("precious.npy").exists()
