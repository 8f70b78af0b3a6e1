"""Any step of writing may fail, for once or from then on: one line says so, and nothing is there by halves."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastbn
from allocations import counted
from conftest import tree
from fastbn.cli import _journal
from faults import numbered, watched, writes
from small_jobs import FORMATS, outcome

pytestmark = pytest.mark.usefixtures("small_tiles", "folder")
ROWS = 24
FULL = errno.ENOSPC, "disk full"
BROKEN = errno.EIO, "I/O error"
STRIDE = 1 if "FASTBN_KILLS" in os.environ else 5  # of the steps where there are hundreds
# What GDAL and Arrow write by themselves fails on a real disk, in `test_full_disk.py`.
WATCHED = [name for name in FORMATS if name not in {"x.tif", "x.parquet"}]


class Fault:
    """Raises an error at a step, and knows whether it came to that."""

    def __init__(self, number):
        self.raised = False
        self.number = number

    def step(self, number, *, after):
        def fail(name):
            self.raised = True
            raise OSError(self.number, os.strerror(self.number))

        return numbered(fail, number, kind=writes, after=after)


def directory():
    for name in ("a.npy", "b.npy", "c.npy"):
        Path("data").mkdir(exist_ok=True)
        FORMATS["x.npy"](Path("data", name), ROWS)


def statistics():
    FORMATS["x.npy"](Path("x.npy"), ROWS)
    os.utime("x.npy", (0, 0))  # which is in the statistics
    fastbn.channel_stats(np.load("x.npy")).save("one.json")
    Path("s.json").write_text("old")


JOBS = {name: (lambda name=name: FORMATS[name](Path(name), ROWS), f"normalize {name} y-{name}") for name in WATCHED} | {
    "stats": (statistics, "stats x.npy -o s.json --overwrite"),
    "merge": (statistics, "merge one.json one.json -o s.json --overwrite"),
}


MADE = {}


def begin(make):
    """A folder with nothing else in it, the same every time: files may say when they were made, or others modified."""
    for path in Path().iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if make not in MADE:
        make()
        MADE[make] = tree(Path())
    for path, content in MADE[make].items():
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
        os.utime(path, (0, 0))
    return tree(Path())


@pytest.mark.parametrize("error", [FULL, BROKEN], ids=lambda error: error[1])
@pytest.mark.parametrize("job", JOBS)
def test_any_step_may_fail(capfd, run, tally, job, error):
    make, argv = JOBS[job]
    number, kind = error
    begin(make)
    run(*argv.split())
    wanted, failed, fault = tree(Path()), 0, Fault(number)
    for step in range(1, 10**4):
        before = begin(make)
        fault.raised = False
        with watched(fault.step(step, after=error is FULL)):
            line = outcome(capfd, *argv.split())
        if line is None:  # it was a step that a job can do without, as to sync a directory, or there is none any more
            assert tree(Path()) == wanted
        else:
            assert os.strerror(number) in line
            assert ".json: " in line or "y-" in line
            assert tree(Path()) == before
        if not fault.raised:
            break
        failed += 1
    assert failed
    tally(f"faults injected: {kind}", failed)


@pytest.fixture
def noted(monkeypatch):
    """Have every tile noted in the journal."""
    monkeypatch.setattr(_journal, "EVERY", 0.0)
    monkeypatch.setattr(_journal, "SHARE", 0.0)


RESUMED = {
    "npy": (JOBS["x.npy"][0], "normalize x.npy y.npy"),
    "in place": (JOBS["x.npy"][0], "normalize x.npy --in-place"),
    "zarr": (JOBS["x.zarr"][0], "normalize x.zarr y.zarr"),
    "directory": (directory, "normalize data out"),
    "directory in place": (directory, "normalize data --in-place"),
}


@pytest.mark.usefixtures("noted")
@pytest.mark.parametrize("job", RESUMED)
def test_after_any_step_that_failed_a_job_is_resumed(capfd, run, tally, job):
    make, argv = RESUMED[job]
    command = [*argv.split(), "--resume"]
    begin(make)
    run(*command)
    wanted, failed, fault = tree(Path()), 0, Fault(errno.ENOSPC)
    for step in range(1, 10**4, 1 if "npy" in command[1] else STRIDE):
        before = begin(make)
        fault.raised = False
        with watched(fault.step(step, after=True)):
            line = outcome(capfd, *command)
        for path, content in tree(Path()).items():
            if ".fastbn-" not in str(path) and content != before.get(path):
                assert content == wanted.get(path)
        if tree(Path()) != wanted:
            assert os.strerror(errno.ENOSPC) in line
            run(*command)
        assert tree(Path()) == wanted
        if not fault.raised:
            break
        failed += 1
    assert failed
    tally("faults injected: disk full", failed)


@pytest.mark.parametrize("job", ["x.npy", "merge"])
def test_any_allocation_may_fail(capfd, run, tally, job):
    make, argv = JOBS[job]
    begin(make)
    run(*argv.split())
    wanted = tree(Path())
    tried = range(1, 10**5, STRIDE)
    with counted() as allocations:
        for number in tried:
            before = begin(make)
            allocations.fail(number)
            line = outcome(capfd, *argv.split())
            failed = allocations.failed
            allocations.fail(0)
            if line is None:
                assert tree(Path()) == wanted
                break
            assert failed
            assert "Unable to allocate" in line
            assert tree(Path()) in (before, wanted)  # what was written is printed last
    assert number > 1
    tally("faults injected: out of memory", tried.index(number))
