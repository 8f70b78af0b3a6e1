"""What is fuzzed: for every reader a function of the bytes of a file, which takes documented errors and no others.

A target needs neither a fuzzer nor instrumented code, so that ordinary tests can run the corpus through it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import tempfile
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fastbn
from fastbn.cli._commands import COMMANDS
from fastbn.cli._errors import LONGEST, JobError, describe
from fastbn.cli._journal import Journal
from fastbn.cli._parser import parse

CORPUS = Path(__file__).parent / "corpus"
CUT = b"\n--8<--\n"  # between the files of a store
FORESEEN = (JobError, ValueError, TypeError, OSError, ImportError)  # what the command line says in its own words
_SHARED = Path("/dev/shm")  # noqa: S108 - memory where there is such; only a folder of our own is made in it
_FOLDER = tempfile.TemporaryDirectory(prefix="fastbn-fuzz-", dir=_SHARED if _SHARED.is_dir() else None)
FOLDER = Path(_FOLDER.name)


class Target(NamedTuple):
    """Something that reads bytes."""

    name: str
    read: Callable[[bytes], None]
    libraries: tuple[str, ...] = ()  # that it needs
    native: bool = False  # whether these read the bytes in compiled code, which is not this project's

    @property
    def available(self) -> bool:
        return all(importlib.util.find_spec(library) is not None for library in self.libraries)

    @property
    def corpus(self) -> list[Path]:
        """Seeds, and what fuzzing has found."""
        return sorted(path for path in (CORPUS / self.name).glob("*") if path.is_file())


def _of_statistics(kind: type[Any]) -> Callable[[bytes], None]:
    """Read a record by `load`, and do with what comes what users do."""
    path = FOLDER / f"{kind.__name__}.json"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            stats = kind.load(path)
        except (ValueError, OSError) as error:  # TypeError is for paths
            _check_line(str(error))
            return
        assert kind.from_dict(json.loads(json.dumps(stats.to_dict(), allow_nan=False))) == stats
        repr(stats)
        hash(stats)
        with contextlib.suppress(ValueError):  # quantiles without a histogram, sums beyond what is counted
            stats.merge(stats).to_dict()
        if kind is fastbn.ChannelStats:
            for ddof in (0, 1):
                assert not (stats.var(ddof) < 0).any()
                assert not (stats.std(ddof) < 0).any()

    return read


def _journal(data: bytes) -> None:
    """Read a journal as a job that goes on, and as one that starts anew."""
    path = FOLDER / ".out.npy.fastbn-journal"
    for resume in (True, False):
        path.write_bytes(data)
        try:
            with Journal(path, {"command": "normalize", "identities": [[1, 2]]}, resume=resume) as journal:
                journal.note(done=0)
        except JobError as error:
            _check_line(describe(error))
        finally:
            path.unlink(missing_ok=True)
    assert not any(FOLDER.glob(".fastbn-*")), "left a file"


def _of_file(name: str, *options: str) -> Callable[[bytes], None]:
    """Let the command line look at a file of such a name, and compute statistics and quantiles of it."""
    path = FOLDER / name
    info, stats, quantiles = (
        parse([command, str(path), *options, *more])
        for command, *more in (("info",), ("stats", "--json"), ("quantiles", "-q", "0.5"))
    )

    def read(data: bytes) -> None:
        path.write_bytes(data)
        _job(info)
        _job(stats)
        _job(quantiles)

    return read


def _zarr(data: bytes) -> None:
    """A store of format 3 or 2: a byte that says which, then its metadata, then a chunk."""
    store = FOLDER / "x.zarr"
    shutil.rmtree(store, ignore_errors=True)
    (store / "c" / "0").mkdir(parents=True)
    metadata, _, chunk = data[1:].partition(CUT)
    name = {0: "zarr.json", 1: ".zarray", 2: ".zgroup"}.get(data[0] % 3 if data else 0, "")
    (store / name).write_bytes(metadata)
    if name == ".zgroup":
        (store / "c" / ".zarray").write_bytes(chunk)
    for place in ("0", "0.0", "c/0/0", "c/0.0"):
        (store / place).write_bytes(chunk)
    for args in _zarr_jobs(store):
        _job(args)


def _zarr_jobs(store: Path) -> list[Namespace]:
    return [parse(["info", str(store)]), parse(["stats", "--json", str(store)])]


def _job(args: Namespace) -> None:
    """Do a job: it succeeds, or the command line has its own words for why not, in one line."""
    before = set(FOLDER.iterdir())
    with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries; those of this package are errors in its tests
        try:
            COMMANDS[args.command](args)
        except FORESEEN as error:
            _check_line(describe(error))
            return
    assert set(FOLDER.iterdir()) == before, "left a file"
    if args.command == "stats":
        json.loads(out.getvalue(), parse_constant=_refuse)


def _check_line(line: str) -> None:
    """What the user is told is one line, and not too long for it."""
    assert len(line.splitlines()) == 1, line
    assert line.isprintable(), line
    assert len(line) <= LONGEST + 100, line


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


TARGETS = {
    target.name: target
    for target in (
        Target("statistics", _of_statistics(fastbn.ChannelStats)),
        Target("quantiles", _of_statistics(fastbn.ChannelQuantiles)),
        Target("journal", _journal),
        Target("npy", _of_file("x.npy")),
        Target("zarr", _zarr, ("zarr",)),
        Target("netcdf", _of_file("x.nc"), ("scipy", "h5netcdf", "h5py")),
        Target("csv", _of_file("x.csv"), ("pyarrow",), native=True),
        Target("parquet", _of_file("x.parquet"), ("pyarrow",), native=True),
        Target("hdf5", _of_file("x.h5"), ("h5py",), native=True),
        Target("geotiff", _of_file("x.tif"), ("rasterio",), native=True),
    )
}
