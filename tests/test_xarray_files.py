"""Labelled data of files: read once, unpacked, normalized, written and undone."""

import numpy as np
import pytest

import fastbn
from labelled import over_both, scene

xr = pytest.importorskip("xarray")
fx = fastbn.xarray
indexing = xr.core.indexing


class Counted(xr.backends.BackendArray):
    """What a file has, which notes how often it is read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.reads = values, values.shape, values.dtype, 0

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key):
        self.reads += 1
        return self.values[key]


@pytest.mark.parametrize("kept", ["band", ("lat", "band")])
@pytest.mark.parametrize("name", ["channel_stats", "stats_dataset", "zscore", "in place"])
def test_a_file_is_read_once(name, kept):
    source = Counted(scene().values)
    x = xr.Dataset({"t": xr.Variable(scene().dims, indexing.LazilyIndexedArray(source))})
    if name == "in place":
        opened = x["t"]
        fx.zscore(opened, kept, out=opened)
    else:
        getattr(fx, name)(x, kept)
    assert source.reads == 1


@over_both
def test_a_packed_file_is_normalized_and_undone(tmp_path, backing):
    pytest.importorskip("scipy")
    x = scene().drop_vars(["owner", "month"])
    x.attrs = {"units": "K"}
    x.encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -1}
    x.to_dataset().to_netcdf(tmp_path / "packed.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "packed.nc", engine="scipy", chunks=None if backing == "numpy" else {}) as packed:
        assert packed["t"].encoding["scale_factor"] == 0.01
        y, stats = packed.fastbn.zscore("band", return_stats=True)
        y.to_netcdf(tmp_path / "normalized.nc", engine="scipy")
        packed.load()
    if backing == "dask":
        stats = {name: of_variable.compute() for name, of_variable in stats.items()}
    with xr.open_dataset(tmp_path / "normalized.nc", engine="scipy") as normalized:
        np.testing.assert_array_equal(normalized["t"].values, fastbn.zscore(packed["t"].values, stats=stats["t"]))
        assert "units" not in normalized["t"].attrs
        back = fx.denormalize(normalized, stats, "band", units={"t": "K"})
    xr.testing.assert_allclose(back, packed, rtol=1e-15)
    assert back["t"].attrs == packed["t"].attrs == {"units": "K"}


def test_data_of_a_file_are_read_and_then_overwritten_in_memory(tmp_path):
    pytest.importorskip("scipy")
    x = scene().drop_vars(["owner", "month"])
    x.attrs, x.encoding = {}, {}
    x.to_dataset().to_netcdf(tmp_path / "file.nc", engine="scipy")
    for kept in ("band", ("lon", "band")):
        with xr.open_dataset(tmp_path / "file.nc", engine="scipy") as opened:
            assert fx.zscore(opened["t"], kept, out=opened["t"]).identical(fx.zscore(x, kept))
            np.testing.assert_array_equal(opened["t"].values, fx.zscore(x, kept).values)
        with xr.open_dataset(tmp_path / "file.nc", engine="scipy") as opened:
            np.testing.assert_array_equal(opened["t"].values, x.values)
