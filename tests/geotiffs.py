"""GeoTIFF files for tests, and what rasterio says of one."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli import main

rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402
from rasterio.errors import NotGeoreferencedWarning  # noqa: E402


def from_origin(west, north, xsize, ysize):
    return Affine(xsize, 0, west, 0, -ysize, north)


PLACE = {"crs": "EPSG:32633", "transform": from_origin(500000, 5000000, 10, 10)}
SHAPE = (3, 50, 70)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 32}


def numbers(dtype="uint8", shape=SHAPE, seed=5):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 100, shape).astype(dtype)


def save(path, x, *, mask=None, say=lambda file: None, beside=False, **profile):
    count, height, width = x.shape
    whole = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": x.dtype.name, **PLACE}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**whole, **profile}) as file:
            say(file)
            file.write(x)
            if mask is not None:
                file.write_mask(mask)


class Look:
    """What rasterio says of a file."""

    def __init__(self, path):
        with warnings.catch_warnings(), rasterio.open(path) as file:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self.values = file.read()
            self.mask = file.dataset_mask()
            self.spaces = file.tag_namespaces()
            self.tags = {name: file.tags(ns=name) for name in [None, *self.spaces]}
            self.band_tags = [file.tags(band) for band in file.indexes]
            for name in (
                "crs", "transform", "gcps", "rpcs", "descriptions", "units", "scales", "offsets", "colorinterp",
                "nodatavals", "mask_flag_enums", "block_shapes", "profile", "dtypes",
            ):  # fmt: skip
                setattr(self, name, getattr(file, name))


def there():
    return sorted(path.name for path in Path().iterdir())


def done(*argv):
    assert main([str(part) for part in argv]) == 0


def normalized(x, absent=None, **options):
    """The library's answer to arrays in memory, missing values as NaN; of bands by their own statistics."""
    where = None if absent is None else ~np.broadcast_to(absent, x.shape)
    stats = fastbn.channel_stats(x, channel_axis=0, where=where)
    y = fastbn.normalize(x, stats=stats, channel_axis=0, **options)
    return y if absent is None else np.where(absent, np.float64(np.nan).astype(y.dtype), y)


LAYOUTS = {
    "strips": {},
    "tiles": TILED,
    "planes": {"interleave": "band"},
    "planes in tiles": {"interleave": "band", **TILED},
    "one strip": {"blockysize": 50, "compress": "deflate"},
    "deflate": {"compress": "deflate", "predictor": 2, **TILED},
    "lzw": {"compress": "lzw", "interleave": "band"},
    "big": {"bigtiff": "YES"},
    "big-endian": {"endianness": "BIG"},
}
