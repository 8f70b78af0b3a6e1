"""A real disk that fills: what a job was writing does not appear, what was there stays, and one line says why."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import fastbn
from conftest import tree
from fastbn.cli import _flow, _journal, _normalize, _transform
from small_jobs import FORMATS, numbers, outcome, whole, write_npy

pytestmark = pytest.mark.usefixtures("several_tiles", "folder")
PAGE = 4096
PAGES = 128
ROWS = 1200  # of three numbers: files of a few pages


@pytest.fixture
def several_tiles(monkeypatch):
    monkeypatch.setattr(_flow, "TILE", ROWS)


class Disk:
    """A small disk that is mounted somewhere."""

    def __init__(self, place):
        self.place = place

    def leave_free(self, pages):
        """Fill it but for some pages."""
        self.make_room()
        taken = os.statvfs(self.place).f_bfree - pages
        if taken > 0:
            with (self.place / "ballast").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, taken * PAGE)

    def make_room(self):
        (self.place / "ballast").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path_factory):
    """A disk of 512 kB, in memory."""
    place = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={PAGES * PAGE}", "tmpfs", place]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here, but by root or under `unshare -rm`: {done.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def misjudged(monkeypatch):
    """What is free when a job begins is not there any more when it writes."""
    monkeypatch.setattr(_normalize, "check_space", lambda out, needed: None)


def put_old(source, out):
    """Something that an output would replace."""
    if source.is_dir():
        shutil.copytree(source, out)
    else:
        out.write_bytes(b"old")


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sweep(disk, capfd, argv, outs, old=None):
    """Run a command with 0, 1, 2, ... free pages until it is done; returns how often it was not."""
    for pages in range(PAGES):
        disk.make_room()
        for out in outs:
            remove(out)
            if old is not None:
                put_old(old, out)
        disk.leave_free(pages)
        before = tree(disk.place)
        line = outcome(capfd, *argv)
        if line is None:
            return pages
        assert "No space left on device" in line or "bytes, and its disk has" in line
        assert any(f"{out}: " in line for out in outs)
        assert tree(disk.place) == before
    raise AssertionError("never done")


@pytest.mark.parametrize("name", FORMATS)
def test_a_new_file_is_written_whole_or_not_at_all(disk, capfd, run, tally, name):
    FORMATS[name](Path(name), ROWS)
    run("normalize", name, f"wanted-{name}")
    out = disk.place / name
    failed = sweep(disk, capfd, ["normalize", name, out], [out])
    assert failed
    assert whole(out) == whole(Path(f"wanted-{name}"))
    disk.make_room()
    assert list(disk.place.iterdir()) == [out]
    tally("faults injected: disk full", failed)


@pytest.mark.usefixtures("misjudged")
@pytest.mark.parametrize("name", FORMATS)
def test_an_old_file_stays_until_the_new_one_is_whole(disk, capfd, run, tally, name):
    FORMATS[name](Path(name), ROWS)
    run("normalize", name, f"wanted-{name}")
    out = disk.place / name
    failed = sweep(disk, capfd, ["normalize", name, out, "--overwrite"], [out], Path(name))
    assert failed
    assert whole(out) == whole(Path(f"wanted-{name}"))
    tally("faults injected: disk full", failed)


STATISTICS = {
    "stats": ["stats", "x.npy", "-o", "{disk}/s.json", "--plot", "{disk}/s.png"],
    "quantiles": ["quantiles", "x.npy", "-o", "{disk}/s.json", "--plot", "{disk}/s.pdf"],
    "merge": ["merge", "one.json", "one.json", "-o", "{disk}/s.json"],
    "normalize": ["normalize", "x.npy", "{disk}/y.npy", "--plot", "{disk}/s.png"],
}


@pytest.mark.parametrize("command", STATISTICS)
def test_statistics_and_pictures(disk, capfd, tally, monkeypatch, command):
    figures = pytest.importorskip("matplotlib.figure")
    # To draw takes most of a second; that pictures are made in memory is seen once, below.
    monkeypatch.setattr(figures.Figure, "savefig", lambda self, out, **_: out.write(bytes(20_000)))
    write_npy("x.npy", ROWS)
    fastbn.channel_stats(np.load("x.npy")).save("one.json")
    argv = [part.format(disk=disk.place) for part in STATISTICS[command]]
    outs = [Path(part) for part in argv if part.startswith(str(disk.place))]
    failed = 0
    for pages in range(PAGES):
        disk.make_room()
        for out in outs:
            out.unlink(missing_ok=True)
        disk.leave_free(pages)
        line = outcome(capfd, *argv)
        there = {path.name for path in disk.place.iterdir()} - {"ballast"}
        if line is None:
            break
        assert "No space left on device" in line or "bytes, and its disk has" in line
        assert any(f"{out}: " in line for out in outs)
        assert there == ({"y.npy"} if command == "normalize" and "y.npy: " not in line else set())
        failed += 1
    assert failed
    assert there == {out.name for out in outs}
    tally("faults injected: disk full", failed)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_picture_in_any_form(disk, capfd, tally, form):
    pytest.importorskip("matplotlib")
    write_npy("x.npy", ROWS)
    disk.leave_free(1)
    before = tree(disk.place)
    line = outcome(capfd, "stats", "x.npy", "--plot", disk.place / f"p.{form}")
    assert f"p.{form}: No space left on device" in line
    assert tree(disk.place) == before
    tally("faults injected: disk full", 1)


def failure(call):
    try:
        call()
    except OSError as error:
        return error
    return None


def test_saved_statistics_stay_until_others_are_saved(disk, tally):
    stats = fastbn.channel_stats(np.zeros((4, 3)))
    many, path = fastbn.channel_stats(numbers(ROWS), 0), disk.place / "s.json"
    for pages in range(PAGES):
        disk.make_room()
        stats.save(path)
        disk.leave_free(pages)
        error = failure(lambda: many.save(path))
        if error is None:
            break
        assert (error.errno, error.filename) == (errno.ENOSPC, str(path))
        assert fastbn.ChannelStats.load(path) == stats
        assert {found.name for found in disk.place.iterdir()} == {"ballast", "s.json"}
    assert pages
    assert fastbn.ChannelStats.load(path) == many
    tally("faults injected: disk full", pages)


class Filling:
    """Lets a sink fill the disk when it has written so many tiles."""

    def __init__(self, monkeypatch, disk):
        self.left = -1
        make = _transform.Writing._fill

        def fill(writing, source, *args):
            sink = source.sink

            def filling(*arguments):
                made = sink(*arguments)
                write = made.write

                def write_and_fill(tile, values):
                    write(tile, values)
                    self.left -= 1
                    if not self.left:
                        disk.leave_free(0)

                made.write = write_and_fill
                return made

            source.sink = filling
            make(writing, source, *args)

        monkeypatch.setattr(_transform.Writing, "_fill", fill)


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_fills_after_any_tile(disk, capfd, run, tally, monkeypatch, name):
    FORMATS[name](Path(name), ROWS)
    run("normalize", name, f"wanted-{name}")
    out, filling = disk.place / name, Filling(monkeypatch, disk)
    failed = 0
    for filling.left in range(1, PAGES):
        disk.make_room()
        remove(out)
        line = outcome(capfd, "normalize", name, out)
        if line is None:
            assert whole(out) == whole(Path(f"wanted-{name}"))
        else:
            assert f"{out}: " in line
            assert {path.name for path in disk.place.iterdir()} == {"ballast"}
            failed += 1
        if filling.left > 0:
            break
    tally("faults injected: disk full", failed)


@pytest.fixture
def noted(monkeypatch):
    """Have every tile noted in the journal."""
    monkeypatch.setattr(_journal, "EVERY", 0.0)
    monkeypatch.setattr(_journal, "SHARE", 0.0)


@pytest.mark.usefixtures("misjudged", "noted")
@pytest.mark.parametrize("name", ["x.npy", "x.zarr", "data"])
def test_when_there_is_room_a_job_is_resumed(disk, capfd, run, tally, name):
    Path("data").mkdir()
    for number in range(3):
        write_npy(f"data/{number}.npy", ROWS)
    if name != "data":
        FORMATS[name](Path(name), ROWS)
    run("normalize", name, "wanted")
    out = disk.place / name
    failed = 0
    for pages in range(PAGES):
        remove(out)
        disk.leave_free(pages)
        line = outcome(capfd, "normalize", name, out, "--resume")
        if line is not None:
            assert "No space left on device" in line
            assert f"{disk.place}" in line
            failed += 1
            disk.make_room()
            run("normalize", name, out, "--resume")
        assert whole(out) == whole(Path("wanted"))
        assert {path.name for path in disk.place.iterdir()} <= {"ballast", name}
        if line is None:
            break
    assert failed
    tally("faults injected: disk full", failed)


@pytest.mark.usefixtures("misjudged", "noted")
def test_when_there_is_room_a_job_in_place_is_resumed(disk, capfd, run, tally):
    Path("data").mkdir()
    for number in range(3):
        write_npy(f"data/{number}.npy", ROWS)
    run("normalize", "data", "wanted")
    data = disk.place / "data"
    failed = 0
    for pages in range(PAGES):
        disk.make_room()
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree("data", data)
        disk.leave_free(pages)
        line = outcome(capfd, "normalize", data, "--in-place", "--resume")
        if line is not None:
            assert "No space left on device" in line
            failed += 1
            disk.make_room()
            run("normalize", data, "--in-place", "--resume")
        assert whole(data) == whole(Path("wanted"))
        if line is None:
            break
    assert failed
    tally("faults injected: disk full", failed)
