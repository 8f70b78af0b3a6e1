"""Reading that fails, or gives less than was asked for: one line says so, or the result is right."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import fastbn
from conftest import tree
from fastbn.cli import _flow
from faults import file_class, numbered, opening, reads, watched
from small_jobs import FORMATS, outcome, whole

pytestmark = pytest.mark.usefixtures("small_tiles", "folder")
ROWS = 24
ERROR = os.strerror(errno.EIO)


@contextmanager
def reading_watched(name, step):
    """Call `step` before each read of a job's input, also where a library in C would read it."""
    with ExitStack() as stack:
        opened = opening(file_class(step))

        def reader(path):
            return stack.enter_context(opened(path, "rb"))  # which HDF5 and Arrow would leave open

        stack.enter_context(watched(step))
        if name.endswith((".csv", ".parquet")):
            pa = pytest.importorskip("pyarrow")
            stack.enter_context(patch.object(pa, "OSFile", lambda path: pa.PythonFile(reader(path), mode="r")))
        if name in {"x.h5", "x.nc"}:
            h5py = pytest.importorskip("h5py")
            from fastbn.cli.formats import _hdf5_source

            stack.enter_context(patch.object(_hdf5_source, "open_file", lambda path: h5py.File(reader(path), "r")))
        yield


WATCHED = [name for name in FORMATS if name != "x.tif"]  # GDAL reads by itself alone


@pytest.mark.parametrize("name", WATCHED)
def test_short_reads_change_nothing(run, tally, name):
    FORMATS[name](Path(name), ROWS)
    run("normalize", name, "wanted")
    steps = []
    with reading_watched(name, steps.append):
        run("normalize", name, "found")
    assert whole(Path("found")) == whole(Path("wanted"))
    assert steps.count("read")
    tally("faults injected: short read", steps.count("read"))


@pytest.mark.parametrize("name", WATCHED)
def test_any_read_may_fail(capfd, tally, name):
    FORMATS[name](Path(name), ROWS)
    before, raised = tree(Path()), []

    def fail(_):
        raised.append(True)
        raise OSError(errno.EIO, ERROR)

    for number in range(1, 10**4):
        with reading_watched(name, numbered(fail, number, kind=reads)):
            line = outcome(capfd, "normalize", name, f"out-{name}")
        if len(raised) < number:
            assert line is None
            break
        assert ERROR in line
        assert f"{name}: " in line
        assert tree(Path()) == before
    assert raised
    tally("faults injected: I/O error", len(raised))


@pytest.mark.parametrize("argv", ["normalize x.npy y.npy --stats s.json", "merge s.json s.json -o m.json"])
def test_any_read_of_statistics_may_fail(capfd, tally, argv):
    FORMATS["x.npy"](Path("x.npy"), ROWS)
    fastbn.channel_stats(np.load("x.npy")).save("s.json")
    before, raised = tree(Path()), []

    def fail(_):
        raised.append(True)
        raise OSError(errno.EIO, ERROR)

    for number in range(1, 10**3):
        with watched(numbered(fail, number, kind=reads)):
            line = outcome(capfd, *argv.split())
        if len(raised) < number:
            assert line is None
            break
        assert line in {f"fastbn: error: {name}: {ERROR}\n" for name in ("x.npy", "s.json")}
        assert tree(Path()) == before
    assert raised
    tally("faults injected: I/O error", len(raised))


def test_statistics_that_cannot_be_read_are_named(tally):
    stats = fastbn.channel_stats(np.eye(3))
    stats.save("s.json")

    def fail(_):
        raise OSError(errno.EIO, ERROR)

    with watched(numbered(fail, 1, kind=reads)), pytest.raises(OSError, match=ERROR) as caught:
        fastbn.ChannelStats.load("s.json")
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, "s.json")
    with watched(lambda _: None):
        assert fastbn.ChannelStats.load("s.json") == stats
    tally("faults injected: I/O error", 1)


@pytest.mark.parametrize(("method", "step"), [("compensated", 1), ("exact", 9)])
def test_statistics_that_were_cut_off_are_refused(tally, method, step):
    fastbn.channel_stats(np.random.default_rng(0).normal(size=(9, 2)), method=method).save("s.json")
    text = Path("s.json").read_bytes()
    lengths = range(0, len(text.rstrip()), step)
    for length in lengths:
        Path("s.json").write_bytes(text[:length])
        with pytest.raises(ValueError, match=r"s\.json"):
            fastbn.ChannelStats.load("s.json")
    tally("faults injected: short read", len(lengths))


@contextmanager
def spoiled(spoil, number):
    """Call `spoil` before a tile is read for the n-th time."""
    read, left = _flow._read, [number]

    def spoiling(source, tile):
        left[0] -= 1
        if not left[0]:
            spoil()
        return read(source, tile)

    with patch.object(_flow, "_read", spoiling):
        yield left


def files_of(path):
    return (
        [path]
        if path.is_file()
        else sorted(file for file in path.rglob("*") if file.is_file() and file.suffix != ".json")
    )


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_truncated_while_it_is_read(capfd, tally, name, keep):
    for folder in ("original", "data"):
        Path(folder).mkdir()
    FORMATS[name](Path("original", name), ROWS)
    path, spoilt = Path("data", name), 0

    def spoil():
        for file in files_of(path):
            os.truncate(file, int(keep * file.stat().st_size))

    for number in range(1, 10**3):
        shutil.rmtree("data")
        shutil.copytree("original", "data")
        with spoiled(spoil, number) as left:
            line = outcome(capfd, "normalize", path, f"out-{name}")
        if left[0] > 0:
            assert line is None
            break
        assert str(path) in line
        assert {found.name for found in Path().iterdir()} == {"data", "original"}
        spoilt += 1
    assert spoilt
    tally("faults injected: short read", spoilt)
