"""Write the seeds of the corpus: small files of every kind, as this package and others write them."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))

from targets import CORPUS, CUT

import fastbn

X = np.arange(12.0).reshape(4, 3) / 7


def statistics() -> Iterator[bytes]:
    names = ["a", "b", "ü"]
    where = np.arange(12).reshape(4, 3) % 5 > 0
    special = np.array([[np.nan, np.inf, -0.0], [1, 2, 3]])
    for stats in (
        fastbn.channel_stats(X), fastbn.channel_stats(X).with_names(names), fastbn.channel_stats(X, None,
        method="exact"), fastbn.channel_stats(X.astype("u1"), 0), fastbn.channel_stats(X, weights=X),
        fastbn.channel_stats(X, where=where), fastbn.channel_stats(special), fastbn.channel_stats(special,
        method="exact"), fastbn.ChannelStats.empty((2, 2)), fastbn.channel_stats(X, where=where, method="exact"),
        fastbn.channel_stats(X > 1, 1), fastbn.channel_stats(np.array([[2**63]], np.uint64)),
        fastbn.ChannelStats.empty((0, 2)),
    ):  # fmt: skip
        yield json.dumps(stats.to_dict()).encode()
    yield b'{"format": "fastbn.ChannelStats", "version": 9}'
    yield b"\xef\xbb\xbf{}"


def quantiles() -> Iterator[bytes]:
    for found in (
        fastbn.channel_quantiles(X, 0.5), fastbn.channel_quantiles(X, (0, 0.5, 1)).with_names(["a", "b", "c"]),
        fastbn.channel_quantiles(X.astype("u1"), (0.1, 0.9)), fastbn.channel_quantiles(X.astype("i2"), 0.5, None),
        fastbn.channel_quantiles(X > 1, 0.5, 0), fastbn.channel_quantiles(np.full((2, 2), np.nan), [0.5]),
        fastbn.channel_quantiles(X[:0].astype("i1"), 0.5),
    ):  # fmt: skip
        yield json.dumps(found.to_dict()).encode()


def journal() -> Iterator[bytes]:
    job = {"job": {"command": "normalize", "identities": [[1, 2]]}}
    steps = [
        job,
        {"stats": {"format": "x"}},
        {"file": 0, "scratch": ".fastbn-0123456789abcdef.tmp"},
        {"tiles": 3},
        {"installing": True},
        {"done": 0},
    ]
    yield b"".join(json.dumps(step).encode() + b"\n" for step in steps)
    yield json.dumps(job).encode() + b"\n" + json.dumps({"job": {"in_place": True}, "done": 1}).encode() + b"\n"
    yield json.dumps(job).encode() + b'\n{"tiles": '
    yield b'{"file": 0, "scratch": "../x"}\n'


def npy() -> Iterator[bytes]:
    for x in (
        X, X.astype(">f4"), np.asfortranarray(X), X[..., None].astype("u1"), X > 1, np.float16(X), X[:0],
        np.array(1.0), X.astype("i8"), X.astype("c8"), np.array(["a"]), np.zeros(2, [("a", "f4")]),
        np.array([[None]]), np.zeros((1,) * 9),
    ):  # fmt: skip
        file = io.BytesIO()
        np.save(file, x)
        yield file.getvalue()
    file = io.BytesIO()
    np.lib.format.write_array(file, X, version=(3, 0))
    yield file.getvalue()
    yield (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4L, 2), }".ljust(127)
        + b"\n"
        + bytes(32)
    )


def csv() -> Iterator[bytes]:
    yield b"a,b,c\n1,2.5,x\n3,,y\n-4,1e300,z\n"
    yield b'"a, m";b\r\n1;2\r\n3;4\r\n'
    yield b"a\tb\n1\t2\n"
    yield "\ufeffü,b\n1,NaN\ninf,-0\n".encode()
    yield b'a,b\n"1","2\n3"\n4,5\n'
    yield b"1,2\n3,4\n"
    yield b"a,a\n1,2\n"
    yield b"t,b\n2020-01-01,true\n2021-01-01,false\n"


def _written(suffix: str, write) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        write(path)
        return path.read_bytes()


def netcdf() -> Iterator[bytes]:
    from scipy.io import netcdf_file

    for version in (1, 2):
        for record in (True, False):

            def write(path: Path, version: int = version, record: bool = record) -> None:
                with netcdf_file(path, "w", version=version) as file:
                    file.createDimension("t", None if record else 2)
                    file.createDimension("x", 3)
                    t = file.createVariable("v", "i2", ("t", "x"))
                    t[:2] = np.arange(6).reshape(2, 3)
                    t.scale_factor, t.add_offset, t._FillValue = 0.5, 1.0, np.int16(3)
                    t.units = "K"
                    u = file.createVariable("x", "f8", ("x",))
                    u[:] = np.arange(3)

            yield _written(".nc", write)


def hdf5() -> Iterator[bytes]:
    import h5py

    def write(path: Path) -> None:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("a", data=X.astype("f4"), chunks=(2, 3), compression="gzip")

    def plain(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["a"] = X.astype("f2")

    yield _written(".h5", write)
    yield _written(".h5", plain)


def parquet() -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table({"a": [1.0, 2.0, None], "b": pa.array([1, 2, 3], pa.int8()), "c": ["x", "y", "z"]})
    for options in ({}, {"compression": "none", "use_dictionary": False}):
        yield _written(".parquet", lambda path, options=options: pyarrow.parquet.write_table(table, path, **options))


def geotiff() -> Iterator[bytes]:
    import rasterio

    bands = np.arange(2 * 4 * 4, dtype="u1").reshape(2, 4, 4)
    for options in ({}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "nodata": 3}):

        def write(path: Path, options: dict[str, object] = options) -> None:
            with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=2, dtype="uint8", **options) as file:
                file.write(bands)

        yield _written(".tif", write)


def zarr() -> Iterator[bytes]:
    import zarr as library

    for version, marker, name in ((3, b"\0", "zarr.json"), (2, b"\1", ".zarray")):
        for options in ({}, {"compressors": None}, {"fill_value": 1.0}, {"chunks": (2, 2)}):
            with tempfile.TemporaryDirectory() as folder:
                every = {"shape": X.shape, "chunks": X.shape, "dtype": "f4", "zarr_format": version} | options
                array = library.create_array(folder, overwrite=True, **every)
                array[...] = X
                chunk = Path(folder) / ("c/0/0" if version == 3 else "0.0")
                yield marker + (Path(folder) / name).read_bytes() + CUT + chunk.read_bytes()
    yield b"\2" + b'{"zarr_format": 2}' + CUT + b"{}"
    yield b"\0" + b'{"zarr_format": 3, "node_type": "group", "attributes": {}}' + CUT
    sharded = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [1, 3], "codecs": [{"name": "bytes"}], "index_codecs": [{"name": "bytes"}]},
    }
    array = {
        "zarr_format": 3, "node_type": "array", "shape": [4, 3], "data_type": "float32", "fill_value": "NaN",
        "codecs": [sharded], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 3]}},
        "chunk_key_encoding": {"name": "default"},
    }  # fmt: skip
    yield b"\0" + json.dumps(array).encode() + CUT + bytes(99)


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for make in (statistics, quantiles, journal, npy, csv, netcdf, hdf5, parquet, geotiff, zarr):
            folder = CORPUS / make.__name__
            folder.mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(make()):
                (folder / f"seed-{number:02}").write_bytes(data)


if __name__ == "__main__":
    main()
