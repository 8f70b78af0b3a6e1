"""Small files of every format, cut into several tiles by small ones: what jobs are tried on that are to fail."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fastbn.cli import main

COLUMNS = 3


def numbers(rows):
    return np.random.default_rng(3).normal([280, 3, -50], [9, 1, 20], (rows, COLUMNS)).astype("f4")


def write_npy(path, rows):
    np.save(path, numbers(rows))


def write_zarr(path, rows):
    zarr = pytest.importorskip("zarr", minversion="3.0.8")
    root = zarr.create_group(path)
    for name, values in {"x": numbers(rows), "y": numbers(rows)[::2]}.items():
        array = root.create_array(name, shape=values.shape, dtype="f4", chunks=(rows // 3, COLUMNS))
        array[...] = values
    labels = root.create_array("labels", shape=(4,), dtype="?", chunks=(2,))  # is copied
    labels[...] = True


def write_hdf5(path, rows):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=numbers(rows), chunks=(rows // 3, COLUMNS), compression="gzip")
        file["y"] = numbers(rows)
        file["labels"] = [b"a", b"b"]


def write_netcdf(path, rows):
    h5netcdf = pytest.importorskip("h5netcdf")
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": rows, "level": COLUMNS}
        file.create_variable("x", ("time", "level"), data=numbers(rows))
        file.create_variable("y", ("time", "level"), data=numbers(rows), chunks=(rows // 3, COLUMNS))


def write_classic(path, rows):
    netcdf_file = pytest.importorskip("scipy.io").netcdf_file
    with netcdf_file(path, "w") as file:
        file.createDimension("time", rows)
        file.createDimension("level", COLUMNS)
        file.createVariable("x", "f4", ("time", "level"))[:] = numbers(rows)
        file.createVariable("y", "f4", ("time",))[:] = numbers(rows)[:, 0]


def write_geotiff(path, rows):
    rasterio = pytest.importorskip("rasterio")
    profile = {"driver": "GTiff", "dtype": "float32", "count": COLUMNS, "width": 4, "height": rows}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", blockysize=rows // 6, compress="deflate", **profile) as file:
            file.write(np.repeat(numbers(rows).T[:, :, np.newaxis], 4, axis=2))


def table(rows):
    pa = pytest.importorskip("pyarrow")
    names = pa.array([f"row {k}" for k in range(rows)])
    return pa.table({"name": names, **{f"c{k}": numbers(rows)[:, k] for k in range(COLUMNS)}})


def write_parquet(path, rows):
    pytest.importorskip("pyarrow.parquet").write_table(table(rows), path, row_group_size=rows // 3)


def write_csv(path, rows):
    pytest.importorskip("pyarrow.csv").write_csv(table(rows), path)


FORMATS = {
    "x.npy": write_npy,
    "x.csv": write_csv,
    "x.parquet": write_parquet,
    "x.h5": write_hdf5,
    "x.nc": write_netcdf,
    "classic.nc": write_classic,
    "x.tif": write_geotiff,
    "x.zarr": write_zarr,
}


def whole(path):
    """What a file holds, or all files of a directory."""
    if path.is_file():
        return path.read_bytes()
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def outcome(capfd, *argv):
    """Run a command: None if it is done, else the one line that says why it is not."""
    capfd.readouterr()
    code = main([str(part) for part in argv])
    printed = capfd.readouterr()
    if not code:
        assert printed.err == ""
        return None
    assert (code, printed.out) == (1, "")
    # Of a disk that fills while it writes, GDAL's libtiff tells the standard error itself.
    said = "".join(line for line in printed.err.splitlines(keepends=True) if not line.startswith("_tiff"))
    assert said.startswith("fastbn: error: ")
    assert said.endswith("\n")
    assert said.count("\n") == 1
    return said
