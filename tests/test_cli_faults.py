"""The command line when something goes wrong: names that mislead, jobs in place that were stopped, closed streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli import _files, _flow, _journal
from fastbn.cli.formats._npy import NpySink, NpySource

POSIX = pytest.mark.skipif(os.name != "posix", reason="links and descriptors of POSIX")
NAMES = ("a.npy", "b.npy", "c.npy")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A directory of three files, and where it is the current one; returns the arrays."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(11)
    arrays = {name: rng.normal(5, 2, (40, 3)).astype("f4") for name in NAMES}
    Path("data").mkdir()
    for name, x in arrays.items():
        np.save(f"data/{name}", x)
    return arrays


@pytest.fixture
def failing(monkeypatch):
    """Let writing fail after some tiles, of which each is noted in the journal; None: never."""
    monkeypatch.setattr(_flow, "TILE", 24)
    monkeypatch.setattr(_flow, "LEAST_VALUES", 1)
    monkeypatch.setattr(_journal, "EVERY", 0.0)
    monkeypatch.setattr(_journal, "SHARE", 0.0)
    write = NpySink.write

    def after(count):
        left = iter(range(count))

        def failed(self, tile, values):
            if next(left, None) is None:
                raise OSError(5, "Input/output error")
            write(self, tile, values)

        monkeypatch.setattr(NpySink, "write", failed)

    return after


def contents(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir()}


# Names


@pytest.mark.parametrize("out", ["data/b.npy", "data/../data/b.npy"])
@pytest.mark.parametrize("command", [("stats", "data"), ("quantiles", "data"), ("stats", "data/*.npy")])
def test_statistics_never_replace_what_was_read(data, refused, command, out):
    assert f"{out}: a file that is read as well" in refused(*command, "-o", out, "--overwrite")
    np.testing.assert_array_equal(np.load("data/b.npy"), data["b.npy"])


@pytest.mark.usefixtures("data")
def test_a_picture_never_replaces_what_was_read(refused):
    Path("data/b.npy").rename("data/b.png")
    before = contents("data")
    for command in (["stats", "data/*"], ["normalize", "data/*", "out"]):
        line = refused(*command, "--plot", "data/b.png", "--overwrite")
        assert "data/b.png: a file that is read as well" in line
    assert contents("data") == before


@POSIX
@pytest.mark.usefixtures("data")
def test_in_place_a_link_beside_its_file_is_refused_before_anything_is_replaced(refused):
    Path("data/d.npy").symlink_to("b.npy")
    before = contents("data")
    assert "data/d.npy: the same file as data/b.npy" in refused("normalize", "data", "--in-place")
    assert contents("data") == before


@pytest.mark.usefixtures("data")
def test_outputs_of_a_pattern_stay_below_their_directory(refused):
    Path("data/deep").mkdir()
    assert "'..' behind a pattern" in refused("normalize", "data/*/../a.npy", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "argv", [["stats", ""], ["normalize", "", "--in-place"], ["normalize", "data", ""], ["stats", "data", "-o", ""]]
)
def test_an_empty_name_is_not_the_current_directory(data, refused, argv):
    assert "got ''" in refused(*argv, code=2)
    np.testing.assert_array_equal(np.load("data/a.npy"), data["a.npy"])


@POSIX
@pytest.mark.usefixtures("data")
def test_names_that_no_terminal_has_characters_for():
    name = os.fsdecode(b"\xff.npy")
    try:
        Path("data/a.npy").rename(name)
    except OSError:
        pytest.skip("a file system with Unicode names only")
    done = subprocess.run(
        [sys.executable, "-m", "fastbn", "normalize", name, "out.npy"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"of \udcff.npy" in done.stdout


# Streams


@POSIX
def test_without_standard_error_nothing_is_said_on_standard_output(tmp_path):
    command = f'"{sys.executable}" -m fastbn stats nowhere.npy 2>&-'
    done = subprocess.run(command, shell=True, cwd=tmp_path, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


@POSIX
def test_statistics_come_through_a_pipe(data, run):
    stats = fastbn.channel_stats(data["a.npy"])
    reading, writing = os.pipe()
    os.write(writing, json.dumps(stats.to_dict()).encode())
    os.close(writing)
    stats.save("s.json")
    run("merge", f"/dev/fd/{reading}", "s.json", "-o", "m.json")
    os.close(reading)
    assert fastbn.ChannelStats.load("m.json").count.tolist() == [80, 80, 80]


# Missing values


def test_raise_stops_a_job_with_given_statistics_too(data, refused, run):
    fastbn.channel_stats(data["a.npy"]).save("s.json")
    data["b.npy"][7, 2] = np.nan
    np.save("b.npy", data["b.npy"])
    for command in ("normalize", "denormalize"):
        line = refused(command, "b.npy", "out.npy", "--stats", "s.json", "--nan-policy", "raise")
        assert "b.npy: channel (2,) has a NaN" in line
    assert not Path("out.npy").exists()
    np.save("b.npy", np.nan_to_num(data["b.npy"], nan=-9))
    options = ("--nan-policy", "raise", "--nodata=-9")
    run("normalize", "b.npy", "out.npy", "--stats", "s.json", *options)


# Jobs that are stopped


@pytest.mark.parametrize("tiles", [5, 7, 10])
def test_a_job_in_place_that_failed_midway_can_be_finished_and_not_begun_anew(data, refused, failing, tiles, run):
    run("normalize", "data", "whole")
    failing(tiles)
    refused("normalize", "data", "--in-place")
    stopped = contents("data")
    assert stopped["a.npy"] == contents("whole")["a.npy"]
    for argv in (["normalize", "data", "--in-place"], ["normalize", "data", "--in-place", "--method", "minmax"]):
        assert "go on with it by --resume" in refused(*argv)
    assert contents("data") == stopped
    failing(100)
    run("normalize", "data", "--in-place", "--resume")
    assert contents("data") == contents("whole")


def test_a_job_in_place_that_replaced_nothing_leaves_nothing(data, refused, failing):
    before = contents("data")
    failing(3)
    refused("normalize", "data", "--in-place")
    assert contents("data") == before


def test_what_is_said_to_be_complete_is_synced(data, monkeypatch, run):
    steps = []
    note, fsync = _journal.Journal.note, os.fsync

    def noting(self, **entry):
        note(self, **entry)
        steps.append("installing" if entry.get("installing") else "other")

    def syncing(handle):
        fsync(handle)
        size = os.fstat(handle).st_size
        steps.append("data" if size == Path("data/a.npy").stat().st_size else "journal")

    monkeypatch.setattr(_journal.Journal, "note", noting)
    monkeypatch.setattr(os, "fsync", syncing)
    run("normalize", "data", "out")
    assert steps.count("installing") == len(NAMES)
    for _ in NAMES:
        end = steps.index("installing")
        assert "data" in steps[:end]
        steps = steps[end + 1 :]
        steps = steps[steps.index("other") :]  # the next file begins


KILLED = """
import os, signal, sys
from fastbn.cli import main
from fastbn.cli.formats._npy import NpySink
write, left = NpySink.write, [2]
def stop(self, tile, values):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    write(self, tile, values)
NpySink.write = stop
main(sys.argv[1:])
"""


@POSIX
@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_after_sigkill_nothing_is_left_beside_the_outputs(data, options, run):
    subprocess.run([sys.executable, "-c", KILLED, "normalize", "data", "out"], check=False)
    assert len(contents("out")) == 4  # two files, a part of the third, and the journal
    run("normalize", "data", "out", *(options or ("--overwrite",)))
    assert sorted(contents("out")) == list(NAMES)


def test_a_file_whose_beginning_was_removed_is_begun_anew(data, refused, failing, monkeypatch, run):
    def unable(*_):
        raise OSError(5, "Input/output error")

    run("normalize", "data", "whole")
    install = _files.Building.install
    monkeypatch.setattr(_files.Building, "install", unable)
    refused("normalize", "data", "out", "--resume")
    monkeypatch.setattr(_files.Building, "install", install)
    for path in Path("out").glob("*.tmp"):
        path.unlink()
    run("normalize", "data", "out", "--resume")
    assert contents("out") == contents("whole")


def test_a_job_that_is_done_is_not_begun_again(data, refused, monkeypatch, run):
    run("normalize", "data", "out")
    before = contents("out")
    monkeypatch.setattr("fastbn.cli.formats._npy.NpySource.read", None)  # statistics would be in vain
    assert "out/a.npy: exists already" in refused("normalize", "data", "out", "--resume")
    assert contents("out") == before


@pytest.mark.parametrize("written", [b"", b'{"job": {"fastbn'])
def test_a_journal_that_was_cut_off_at_its_beginning_says_nothing(data, written, run):
    Path("out").mkdir()
    Path("out/.fastbn-journal").write_bytes(written)
    run("normalize", "data", "out", "--resume")
    assert sorted(contents("out")) == list(NAMES)


@pytest.mark.usefixtures("data")
def test_a_beginning_that_somebody_has_truncated_is_not_gone_on_with(refused, failing, run):
    failing(3)
    refused("normalize", "data/a.npy", "out.npy", "--resume")
    (scratch,) = Path().glob("*.tmp")
    os.truncate(scratch, 200)
    failing(100)
    assert f"{scratch}: not as the job left it" in refused("normalize", "data/a.npy", "out.npy", "--resume")
    assert not Path("out.npy").exists()
    run("normalize", "data/a.npy", "out.npy")
    assert sorted(path.name for path in Path().iterdir()) == ["data", "out.npy"]


@pytest.mark.parametrize("command", [("stats",), ("quantiles",), ("normalize", "out.npy", "--stats", "s.json")])
@pytest.mark.usefixtures("failing")
def test_a_file_that_is_written_to_while_it_is_read_is_refused(data, refused, monkeypatch, command):
    fastbn.channel_stats(data["a.npy"]).save("s.json")
    read = NpySource.read

    def changing(self, tile):
        values = read(self, tile)
        np.save("data/a.npy", data["b.npy"])
        os.utime("data/a.npy", ns=(0, 0))
        return values

    monkeypatch.setattr(NpySource, "read", changing)
    line = refused(command[0], "data/a.npy", *command[1:])
    assert "data/a.npy: somebody has changed it" in line
    assert not Path("out.npy").exists()
