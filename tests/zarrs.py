"""Zarr stores for tests, written and read by the library."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

zarr = pytest.importorskip("zarr", minversion="3.0.8")

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and links of POSIX")
FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])
VARIABLES = ("deep/er/t", "n", "t")  # of `group`


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def store(name, values, zarr_format=3, **options):
    """An array in a store, written by the library."""
    options.setdefault("chunks", values.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # codecs that are not in the specification
        array = zarr.create_array(
            name, shape=values.shape, dtype=values.dtype, zarr_format=zarr_format, overwrite=True, **options
        )
        array[...] = values
    return array


def opened(name, path=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.open_array(name, path=path, mode="r")


def metadata(path, zarr_format=3):
    return json.loads((Path(path) / ("zarr.json" if zarr_format == 3 else ".zarray")).read_text())


def edited(path, zarr_format=3, /, **changes):
    """Change what the metadata of a store say."""
    file = Path(path) / ("zarr.json" if zarr_format == 3 else ".zarray")
    file.write_text(json.dumps(metadata(path, zarr_format) | changes))


def numbers(shape, dtype, seed=0):
    x = np.random.default_rng(seed).normal(100, 20, shape).round(1)
    return x.astype(dtype) if np.dtype(dtype) != bool else x > 100


def group(name, zarr_format, *, consolidated=False):
    """A data set with coordinates, text, groups in groups; its arrays."""
    root = zarr.create_group(name, zarr_format=zarr_format, overwrite=True, attributes={"title": "a title"})
    arrays = {
        "t": (numbers((6, 3, 4), "f4"), ("time", "level", "x"), {"units": "K", "coordinates": "area"}),
        "n": (numbers((6, 3), "i2", 1), ("time", "level"), {}),
        "deep/er/t": (numbers((5, 3), "f8", 2), ("time", "level"), {}),
        "time": (np.arange(6), ("time",), {"bounds": "time_bounds"}),
        "time_bounds": (np.arange(12.0).reshape(6, 2), ("time", "two"), {}),
        "area": (np.arange(4.0), ("x",), {}),
        "flags": (np.array(list("abc"), "U1"), ("level",), {}),
        "waves": (np.array([1, 2j, 3]), ("level",), {}),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # text is not in the specification
        for path, (values, dims, attributes) in arrays.items():
            if zarr_format == 3:
                named = {"dimension_names": dims}
            else:
                named = {"fill_value": None}
                attributes["_ARRAY_DIMENSIONS"] = list(dims)
            array = root.create_array(
                path, shape=values.shape, dtype=values.dtype, chunks=tuple(min(2, n) for n in values.shape),
                attributes=attributes,
                **named,
            )  # fmt: skip
            array[...] = values
        if consolidated:
            zarr.consolidate_metadata(name, zarr_format=zarr_format)
    return {path: values for path, (values, _, _) in arrays.items()}
