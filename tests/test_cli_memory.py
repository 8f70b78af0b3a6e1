"""The command line keeps to the memory it is given, on files of several times that size."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastbn.cli import _flow, main
from fastbn.cli._choice import Choice
from fastbn.cli._fields import size_of
from fastbn.cli.formats import _npy, open_source

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told by /proc")
MEMORY = 48_000_000
BESIDE = 200_000_000  # what the interpreter and the libraries may take besides


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of four times the memory."""
    path = tmp_path_factory.mktemp("large") / "x.npy"
    block = np.random.default_rng(1).normal(9, 3, (10_000, 12)).astype("f4")
    np.save(path, np.tile(block, (4 * MEMORY // block.nbytes, 1)))
    return path


COMMANDS = {
    "stats": ("stats", "{x}", "-o", "{out}"),
    "exact": ("stats", "{x}", "-o", "{out}", "--exact"),
    "normalize": ("normalize", "{x}", "{out}.npy"),
    "robust": ("normalize", "{x}", "{out}.npy", "--method", "robust"),
    "quantiles": ("quantiles", "{x}", "-o", "{out}"),
    "double": ("normalize", "{x}", "{out}.npy", "--dtype", "float64"),
}


@LINUX
@pytest.mark.parametrize("command", COMMANDS)
def test_the_peak_of_memory(large, tmp_path, command):
    argv = [part.format(x=large, out=tmp_path / "out") for part in COMMANDS[command]]
    script = Path(__file__).with_name("peak.py")
    done = subprocess.run(
        [sys.executable, script, *argv, "--memory", f"{MEMORY}"], capture_output=True, text=True, check=True
    )
    assert int(done.stderr.splitlines()[-1]) < MEMORY + BESIDE  # above it there may be lines of progress


def write_zarr(path, x):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(path, data=x, chunks=(4096, x.shape[1]))


def write_hdf5(path, x):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", data=x, chunks=(4096, x.shape[1]), shuffle=True, compression="gzip", compression_opts=1
        )


def write_netcdf(path, x):
    h5netcdf = pytest.importorskip("h5netcdf")
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": x.shape[0], "level": x.shape[1]}
        file.create_variable("x", ("time", "level"), data=x)


def write_geotiff(path, x):
    rasterio = pytest.importorskip("rasterio")
    shape = {"height": len(x) // 2000, "width": 2000, "count": x.shape[1]}
    profile = {"driver": "GTiff", "dtype": "float32", "tiled": True, "crs": "EPSG:32633", **shape}
    with rasterio.open(path, "w", transform=rasterio.Affine(10, 0, 0, 0, -10, 0), **profile) as file:
        for band in range(x.shape[1]):
            file.write(x[:, band].reshape(shape["height"], -1), band + 1)


def as_table(x):
    pa = pytest.importorskip("pyarrow")
    return pa.table({f"c{k}": x[:, k] for k in range(x.shape[1])})


def write_parquet(path, x):
    pytest.importorskip("pyarrow.parquet").write_table(as_table(x), path)


def write_csv(path, x):
    pytest.importorskip("pyarrow.csv").write_csv(as_table(x[: len(x) // 2]), path)  # text is twice as long


FORMATS = {
    "x.zarr": write_zarr,
    "x.h5": write_hdf5,
    "x.nc": write_netcdf,
    "x.tif": write_geotiff,
    "x.parquet": write_parquet,
    "x.csv": write_csv,
}


@LINUX
@pytest.mark.parametrize("name", FORMATS)
def test_the_peak_of_memory_with_other_formats(large, tmp_path, name):
    FORMATS[name](tmp_path / name, np.load(large))
    script = Path(__file__).with_name("peak.py")
    argv = ["normalize", tmp_path / name, tmp_path / f"out{name}", "--memory", f"{MEMORY}"]
    done = subprocess.run([sys.executable, script, *argv], capture_output=True, text=True, check=True)
    assert int(done.stderr.splitlines()[-1]) < MEMORY + BESIDE  # above it there may be lines of progress


def test_blocks_beyond_the_memory_are_refused(tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "x.npy", np.ones((2000, 100)))
    opened = _npy.open_source

    def in_blocks(path, choice):
        source = opened(path, choice)
        (field,) = source.fields
        source.fields = (replace(field, blocks=field.shape),)
        return source

    monkeypatch.setattr(_npy, "open_source", in_blocks)
    assert main(["normalize", str(tmp_path / "x.npy"), str(tmp_path / "y.npy"), "--memory", "2MB"]) == 1
    assert "x.npy: its blocks take 3200000 bytes each in memory, and --memory allows 2000000" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize(("memory", "depth"), [(10**9, 2), (10**6, 2), (700_000, 1), (300_000, 1)])
def test_how_many_tiles_wait_depends_on_the_memory(tmp_path, monkeypatch, memory, depth):
    np.save(tmp_path / "x.npy", np.ones((40_000, 2), "f4"))
    monkeypatch.setattr(_flow, "TILE", 2**14)
    with open_source(tmp_path / "x.npy", Choice()) as source:
        found = _flow.plan(source, memory, 4)
        sizes = [sum(map(size_of, tile)) for tile in source.tiles(found.limit, whole_channels=False)]
    assert found.depth == depth
    assert (3 + 2 * depth) * max(sizes) * 8 <= memory
    assert sum(sizes) == 80_000
