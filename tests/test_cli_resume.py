"""The command line: jobs that were stopped and are gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastbn.cli import _journal, main
from fastbn.cli.formats._npy import NpySink
from years import YEARS, contents, make_climate, names_below, saved_stats

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def climate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_climate()


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
    "beyond all numbers": b'{"tiles": 1e999}\n',
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


@pytest.mark.parametrize("options", [(), ("--resume",)])
@pytest.mark.parametrize("way", ["../precious", "link", "from the root"])
@pytest.mark.usefixtures("small_tiles")
def test_a_journal_that_names_what_lies_elsewhere_does_no_harm_there(climate, run, refused, stopping, options, way):
    name = ".fastbn-0123456789abcdef.tmp"
    stopping(3)
    refused("normalize", "climate", "out", "--resume")
    Path("precious").mkdir()
    Path("precious", name).write_bytes(b"precious")
    if way == "link":
        Path("out/link").symlink_to("../precious")
    elif way == "from the root":
        way = str(Path("precious").absolute())
    with Path("out/.fastbn-journal").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"file": 0, "scratch": f"{way}/{name}"}) + "\n")
    stopping(100)
    run("normalize", "climate", "out", *options)
    assert contents("precious") == {name: b"precious"}


@pytest.mark.parametrize("length", [239, 240, 255])
@pytest.mark.usefixtures("small_tiles")
def test_names_as_long_as_they_can_be_have_journals(climate, run, refused, stopping, length):
    name = "y" * (length - 4) + ".npy"
    run("normalize", "climate/1990.npy", "whole.npy")
    stopping(3)
    refused("normalize", "climate/1990.npy", name, "--resume")
    stopping(3)
    run("normalize", "climate/1990.npy", name, "--resume")
    assert Path(name).read_bytes() == Path("whole.npy").read_bytes()
    assert set(names_below(".")) - {f"climate/{year}" for year in YEARS} == {
        "climate/.hidden.npy", "climate/notes.txt", "whole.npy", name,
    }  # fmt: skip


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


@POSIX
@pytest.mark.parametrize("step", ["a new one", "an earlier one"])
@pytest.mark.usefixtures("small_tiles")
def test_a_journal_that_another_process_has_just_removed_is_not_written(climate, refused, stopping, monkeypatch, step):
    import fcntl

    argv = ["normalize", "climate/1990.npy", "y.npy", "--resume"]
    if step == "an earlier one":
        stopping(3)
        refused(*argv)
    stopping(100)
    journal, lock = Path(".y.npy.fastbn-journal"), fcntl.flock

    def too_late(file, how):
        if getattr(file, "name", None) == journal and journal.exists():
            journal.unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert "another process is at this job" in refused(*argv)
    assert not Path("y.npy").exists()


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
