"""Jobs on Zarr stores that are stopped, and resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastbn.cli import _journal, main
from zarrs import FORMATS, POSIX, contents, group, numbers, store

zarr = pytest.importorskip("zarr")

from fastbn.cli.formats import _zarr, _zarr_store  # noqa: E402 - they need the library

pytestmark = pytest.mark.usefixtures("folder")


@FORMATS
@pytest.mark.parametrize("kind", ["array", "group"])
def test_a_job_is_resumed(folder, monkeypatch, capsys, zarr_format, kind):
    if kind == "array":
        options = {"shards": (12, 4)} if zarr_format == 3 else {}
        store("x.zarr", numbers((100, 4), "f4"), zarr_format, chunks=(6, 2), **options)
    else:
        group("x.zarr", zarr_format)
    monkeypatch.setattr(_journal, "EVERY", 0)
    monkeypatch.setattr(_journal, "SHARE", 0)
    monkeypatch.setattr("fastbn.cli._flow.TILE", 12)
    monkeypatch.setattr("fastbn.cli._flow.LEAST_VALUES", 1)
    argv = ["normalize", "x.zarr"]
    assert main([*argv, "whole.zarr"]) == 0
    write, written = _zarr.ZarrSink.write, []

    def failing(self, tile, values):
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        write(self, tile, values)
        written.append(tile)

    monkeypatch.setattr(_zarr.ZarrSink, "write", failing)
    assert main([*argv, "y.zarr", "--resume"]) == 1
    assert "y.zarr: No space left on device" in capsys.readouterr().err
    assert len(list(folder.glob(".fastbn-*.tmp"))) == 1
    last = written[-1][0]
    monkeypatch.setattr(_zarr.ZarrSink, "write", write)
    resumed = []
    monkeypatch.setattr(_zarr.ZarrSource, "read", reading_noted(_zarr.ZarrSource.read, resumed))
    assert main([*argv, "y.zarr", "--resume"]) == 0
    assert last not in resumed
    assert contents(folder / "y.zarr") == contents(folder / "whole.zarr")
    assert {path.name for path in folder.iterdir()} == {"x.zarr", "y.zarr", "whole.zarr"}


def reading_noted(read, tiles):
    def noted(self, tile):
        tiles.append(tile[0])
        return read(self, tile)

    return noted


def test_a_store_that_somebody_changes_is_another(folder):
    store("x.zarr", numbers((100, 4), "f4"), chunks=(10, 4))
    identity = identity_of("x.zarr")
    assert identity_of("x.zarr") == identity
    assert json.loads(json.dumps(identity)) == identity
    store_array = zarr.open_array("x.zarr", mode="r+")
    store_array[:10] = 0
    changed = identity_of("x.zarr")
    assert changed != identity
    store_array.attrs["a"] = 1
    assert identity_of("x.zarr") != changed


def identity_of(name):
    from fastbn.cli._choice import Choice

    with _zarr.open_source(Path(name), Choice()) as source:
        return source.identity


def test_a_chunk_appears_when_it_is_whole(folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        _zarr_store._put(folder / "c/0", b"content")
    monkeypatch.undo()
    assert [path.name for path in (folder / "c").iterdir()] == [".0.partial"]
    _zarr_store._put(folder / "c/0", b"content")
    assert contents(folder / "c") == {Path("0"): b"content"}


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored, in the background
from fastbn.cli import main
from fastbn.cli.formats import _zarr
write = _zarr.ZarrSink.write
def slow(self, tile, values):
    write(self, tile, values)
    print("writing", flush=True)
    time.sleep(0.2)
_zarr.ZarrSink.write = slow
import fastbn.cli._flow
fastbn.cli._flow.TILE = 100
sys.exit(main(["normalize", "x.zarr", "y.zarr"]))
"""


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_leave_nothing(folder, name):
    store("x.zarr", numbers((1000, 2), "f4"), chunks=(10, 2))
    before = contents(folder)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", SLOW], **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.Signals[name])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors in {f"fastbn: error: stopped by {name}\n", "fastbn: error: interrupted\n"}
    assert contents(folder) == before


def test_a_missing_library(refused_cleanly, monkeypatch):
    store("x.zarr", numbers((4, 2), "f4"))
    for name in ("zarr", "zarr.storage"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("_zarr", "_zarr_bounds", "_zarr_store", "_zarr_metadata"):
        monkeypatch.delitem(sys.modules, f"fastbn.cli.formats.{name}")
    assert 'x.zarr: Zarr files need zarr: pip install "fastbn[zarr]"' in refused_cleanly("stats", "x.zarr")
