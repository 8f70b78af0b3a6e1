"""Labelled arrays for tests, over NumPy and over Dask."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

xr = pytest.importorskip("xarray")

without_dask = pytest.mark.skipif(importlib.util.find_spec("dask") is None, reason="Dask is not installed")
over_both = pytest.mark.parametrize("backing", ["numpy", pytest.param("dask", marks=without_dask)])


def backed(x, backing):
    """The same array over NumPy, or over Dask in chunks of two along every axis."""
    return x.chunk(dict.fromkeys(x.dims, 2)) if backing == "dask" else x


def scene(dtype="float64", seed=0):
    """An array with all that labels can be: (time, band, lat, lon)."""
    rng = np.random.default_rng(seed)
    shape = (4, 3, 5, 2)
    values = (rng.normal(280, 5, shape) if dtype.startswith("float") else rng.integers(0, 100, shape)).astype(dtype)
    x = xr.DataArray(
        values,
        {
            "time": np.array(["2000-01-01", "2000-01-02", "2000-01-03", "2000-02-01"], "datetime64[ns]"),
            "band": ["red", "green", "nir"],
            "lat": np.linspace(-60.0, 60.0, 5),
            "month": ("time", [1, 1, 1, 2]),
            "wavelength": ("band", [0.6, 0.5, 0.8]),
            "area": (("lat", "lon"), np.ones((5, 2))),
            "owner": ("band", np.array([1.5, None, "us"], dtype=object)),
            "station": 7,
        },
        ["time", "band", "lat", "lon"],
        "t",
        {"units": "K", "long_name": "temperature", "scale_factor": 0.01, "valid_range": [0, 400]},
    )
    x.encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -1, "zlib": True}
    x.coords["time"].encoding = {"units": "days since 1999-01-01"}
    return x


def labels(x):
    """All but the values and the attributes."""
    return x.name, x.dims, {name: (c.dims, c.attrs, c.encoding, c.values.tolist()) for name, c in x.coords.items()}
