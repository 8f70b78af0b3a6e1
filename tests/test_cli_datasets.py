"""The command line: several files as one data set, files replaced in place, jobs that are gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli import _flow, _journal, main
from fastbn.cli.formats._npy import NpySink, NpySource

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
YEARS = {"1990.npy": 40, "1991.npy": 7, "deep/1992.npy": 90}


@pytest.fixture
def climate(tmp_path, monkeypatch):
    """A directory of years, which have different lengths and the same three channels; returns the arrays."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    arrays = {}
    for name, length in YEARS.items():
        path = Path("climate") / name
        path.parent.mkdir(exist_ok=True)
        arrays[name] = rng.normal([280, 3, -50], [9, 1, 20], (length, 3)).astype("f4")
        np.save(path, arrays[name])
    Path("climate/notes.txt").write_text("not an array")
    Path("climate/.hidden.npy").write_bytes(b"not an array")
    return arrays


@pytest.fixture
def small_tiles(monkeypatch):
    """Cut into many tiles what has some thousand values."""
    monkeypatch.setattr(_flow, "TILE", 24)
    monkeypatch.setattr(_flow, "LEAST_VALUES", 1)


def names_below(directory):
    return sorted(str(path.relative_to(directory)) for path in Path(directory).rglob("*") if path.is_file())


def whole(arrays):
    return np.concatenate([arrays[name] for name in YEARS])


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


def saved_stats(arrays):
    fastbn.channel_stats(whole(arrays)).save("all.json")
    return "all.json"


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


# Going on with a job


class Stop(Exception):
    """What ends a job in these tests."""


@pytest.fixture
def stopping(monkeypatch):
    """Let the n-th tile that is written from now on end the job; every tile is noted in the journal."""
    monkeypatch.setattr(_journal, "EVERY", 0.0)
    monkeypatch.setattr(_journal, "SHARE", 0.0)
    write = NpySink.write

    def after(count):
        left = [count]

        def stop(self, tile, values):
            if not left[0]:
                raise Stop
            left[0] -= 1
            write(self, tile, values)

        monkeypatch.setattr(NpySink, "write", stop)

    return after


def contents(directory):
    return {name: (Path(directory) / name).read_bytes() for name in names_below(directory)}


@pytest.mark.parametrize("stats", [True, False])
@pytest.mark.parametrize("tiles", [0, 1, 3, 6])
@pytest.mark.usefixtures("small_tiles")
def test_a_job_goes_on_where_it_was_stopped(climate, run, refused, stopping, stats, tiles):
    argv = ["normalize", "climate", "out", *(("--stats", saved_stats(climate)) if stats else ())]
    run(*argv[:2], "whole", *argv[3:])
    stopping(tiles)
    refused(*argv, "--resume")
    assert not set(contents("out")) & {"deep/1992.npy"}
    assert ".fastbn-journal" in contents("out") or (stats and not tiles)
    refused(*argv, "--resume")  # nothing is lost by another try
    total = sum(-(-length // 8) for length in YEARS.values())
    stopping(total - tiles)  # it fails if a tile were written again
    run(*argv, "--resume")
    assert contents("out") == contents("whole")


@pytest.mark.usefixtures("small_tiles")
def test_a_job_in_place_goes_on_where_it_was_stopped(climate, run, refused, stopping):
    stats = saved_stats(climate)
    run("normalize", "climate", "whole", "--stats", stats)
    for tiles in (7, 3, 2):
        stopping(tiles)
        refused("normalize", "climate", "--in-place", "--stats", stats, "--resume")
    stopping(100)
    run("normalize", "climate", "--in-place", "--stats", stats, "--resume")
    found = contents("climate")
    assert {name: found[name] for name in YEARS} == contents("whole")
    assert set(found) == {*YEARS, "notes.txt", ".hidden.npy"}


@pytest.mark.usefixtures("small_tiles")
def test_a_job_that_ended_between_renaming_and_saying_so(climate, run, monkeypatch):
    run("normalize", "climate/1990.npy", "whole.npy")
    note = _journal.Journal.note

    def killed(self, **entry):
        if "done" in entry:
            raise Stop
        note(self, **entry)

    monkeypatch.setattr(_journal.Journal, "note", killed)
    assert main(["normalize", "climate/1990.npy", "--in-place", "--resume"]) == 1
    monkeypatch.setattr(_journal.Journal, "note", note)
    assert Path("climate/1990.npy").read_bytes() == Path("whole.npy").read_bytes()
    assert main(["normalize", "climate/1990.npy", "--in-place", "--resume"]) == 0
    assert Path("climate/1990.npy").read_bytes() == Path("whole.npy").read_bytes()
    assert names_below("climate") == sorted([*YEARS, "notes.txt", ".hidden.npy"])


@pytest.mark.usefixtures("small_tiles")
def test_without_resume_a_stopped_job_leaves_nothing(climate, refused, stopping):
    stopping(3)
    refused("normalize", "climate/1990.npy", "y.npy")
    assert names_below(".") == sorted(f"climate/{name}" for name in [*YEARS, "notes.txt", ".hidden.npy"])


@pytest.mark.usefixtures("small_tiles")
def test_without_resume_what_an_earlier_job_left_is_cleared_away(climate, run, refused, stopping):
    before = names_below(".")
    stopping(3)
    refused("normalize", "climate/1990.npy", "y.npy", "--resume")
    assert len(names_below(".")) == len(before) + 2  # what is written, and the journal
    stopping(100)
    run("normalize", "climate/1990.npy", "y.npy")
    assert names_below(".") == sorted([*before, "y.npy"])


@pytest.mark.usefixtures("small_tiles")
def test_a_journal_of_another_job_is_refused_with_the_reason(climate, refused, stopping):
    stopping(3)
    argv = ["normalize", "climate/1990.npy", "y.npy", "--resume"]
    refused(*argv)
    kept = contents(".")
    assert "its method was 'zscore', and is now 'minmax'" in refused(*argv, "--method", "minmax")
    assert "its dtype was None, and is now 'float64'" in refused(*argv, "--dtype", "float64")
    assert "its stats was None" in refused(*argv, "--stats", saved_stats(climate))
    Path("all.json").unlink()
    assert contents(".") == kept
    np.save("climate/1990.npy", climate["1990.npy"] + 1)
    assert "an input has changed" in refused(*argv)


DAMAGES = {
    "no json": b"job\n",
    "other json": b"[1, 2]\n",
    "numbers": b'{"done": "x"}\n',
    "nested": b"[" * 10**5 + b"\n",
    "somewhere else": b'{"file": 0, "scratch": "../../precious"}\n',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_journals_do_no_harm(climate, refused, damage):
    Path("precious").write_bytes(b"precious")
    Path("out").mkdir()
    Path("out/.fastbn-journal").write_bytes(DAMAGES[damage])
    before = contents(".")
    line = refused("normalize", "climate", "out", "--resume")
    assert "out/.fastbn-journal: " in line
    assert contents(".") | {"out/.fastbn-journal": b""} == before | {"out/.fastbn-journal": b""}


@POSIX
@pytest.mark.usefixtures("small_tiles")
def test_one_process_at_a_time_is_at_a_job(climate, refused, stopping):
    import fcntl

    stopping(3)
    refused("normalize", "climate/1990.npy", "y.npy", "--resume")
    (journal,) = (path for path in Path().iterdir() if path.name.endswith("journal"))
    with journal.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for options in ((), ("--resume",)):
            line = refused("normalize", "climate/1990.npy", "y.npy", *options)
            assert "another process is at this job" in line


KILLED = """
import os, signal, sys
from fastbn.cli import _flow, _journal, main
from fastbn.cli.formats._npy import NpySink
_flow.TILE, _flow.LEAST_VALUES, _journal.EVERY, _journal.SHARE = 24, 1, 0.0, 0.0
write, left = NpySink.write, [int(sys.argv[1])]
def stop(self, tile, values):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    write(self, tile, values)
NpySink.write = stop
sys.exit(main(sys.argv[2:]))
"""


@POSIX
@pytest.mark.usefixtures("small_tiles")
def test_after_sigkill_the_same_bytes(climate, run):
    run("normalize", "climate", "whole")
    argv = ["normalize", "climate", "out", "--resume"]
    for tiles in (2, 5):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tiles), *argv], check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert "deep/1992.npy" not in names_below("out")
    done = subprocess.run([sys.executable, "-c", KILLED, "1000", *argv], check=True, capture_output=True)
    assert contents("out") == contents("whole")
