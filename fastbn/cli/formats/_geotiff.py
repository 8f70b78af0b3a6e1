"""GeoTIFF files through rasterio: one array of bands, rows and columns, every band a channel.

``--bands`` picks bands, and their order; an output has these alone. Bands with a scale or an offset hold physical
values, raw * scale + offset, in float32 where that is exact enough (integers of up to 16 bits without an offset), else
in float64; the output has neither. Missing is what the file's nodata, its mask (inside, or beside it in ``.msk``) or
its band of transparency says. Such an alpha band is no channel, unless ``--bands`` names it: it goes into the output as
it is, and so does a mask. Overviews, statistics among the tags, colour tables and colour profiles do not: they would be
those of other values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.dtypes import check_dtype
from rasterio.windows import Window

from fastbn._layout import split_axes

from .._choice import Choice
from .._errors import JobError
from .._fields import Field, Source, Tile, Values
from ._geotiff_scene import CACHE, MASK, NOTES, Scene, Told, ask, gdal, library
from ._geotiff_sink import GeoTiffSink, compression

DIMS = ("band", "y", "x")
# What a byte of a file may stand for, and what any file may: sparse files hold nothing but their size.
MOST_PER_BYTE = 2**16
ALWAYS_FINE = 2**32
FLOAT32_SCALES = (1e-30, 1e30)  # times any integer of 16 bits, a float32 holds it with all of its digits
EDGE = 16  # of a tile in a TIFF file: a multiple of it


class GeoTiffSource(Source):
    """The bands of a GeoTIFF file."""

    format = "GeoTIFF"

    def __init__(self, path: Path, scene: Scene, told: Told, field: Field, bands: Sequence[int], kept: Sequence[int]):
        self.path = path
        self.fields = (field,)
        self.told = told
        self.bands = tuple(bands)  # of the field
        self.kept = tuple(kept)  # of an output: the same and those of transparency
        self.separate = told.structure.get("INTERLEAVE") == "BAND"
        block = math.prod(field.blocks or ()) * np.dtype(np.float64).itemsize
        self.cache = max(CACHE, 4 * block)
        self.copies = 1 + (self.cache > CACHE) + (field.dtype != np.dtype(scene.data.dtypes[0])) + (kept != bands)
        self._scene = scene
        self._masks = scene.masks([band for band in scene.alpha if band not in bands])

    def slowest_first(self, field: Field) -> tuple[int, ...]:  # noqa: ARG002
        # Values come band by band, however the file has them; where all bands are in one block, they are read at once.
        return (0, 1, 2) if self.separate else (1, 2, 0)

    def read(self, tile: Tile) -> list[Values]:
        (place,) = tile
        bands = self.bands[place.at[0]]
        window = Window.from_slices(*place.at[1:])
        with library(self.path), gdal(self.cache):
            raw = self._scene.data.read(bands, window=window)
            absent = None
            for mask in self._masks:
                hidden = mask(window, bands)
                absent = hidden if absent is None else absent | hidden
        if absent is not None:
            absent = np.broadcast_to(absent, raw.shape)
        return [Values(physical(raw, self.told, bands, self.fields[0].dtype), absent)]

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> GeoTiffSink:  # noqa: ARG002 - never resumed
        return GeoTiffSink(scratch, self, dtypes[0])

    def needs(self, dtypes: Sequence[np.dtype[Any]]) -> int:
        (dtype,) = dtypes
        if not check_dtype(dtype.name):
            raise JobError(f"{self.path}: GDAL writes no GeoTIFF files of {dtype}; --dtype float32 is the smallest")
        if compression(self.told) != "NONE":
            return 0
        return len(self.kept) * math.prod(self.fields[0].shape[1:]) * dtype.itemsize

    @property
    def identity(self) -> Any:
        beside = [self.path.with_name(self.path.name + suffix) for suffix in ("", MASK, NOTES)]
        return [[status.st_size, status.st_mtime_ns] for path in beside if path.exists() for status in [path.stat()]]

    def close(self) -> None:
        self._scene.close()


def open_source(path: Path, choice: Choice) -> GeoTiffSource:
    """Open the bands of a GeoTIFF file."""
    choice.only(path, "GeoTIFF files", "channel_axis", "channel_dim", "bands")
    with ExitStack() as stack, library(path):
        told = ask(path)
        scene = stack.enter_context(Scene(path, told))
        data = scene.data
        raw = _dtype(path, data.dtypes)
        _check_size(path, data, raw)
        kept = _bands(path, choice.bands, data.count)
        bands = [band for band in kept if choice.bands is not None or band not in scene.alpha]
        if not bands:
            raise JobError(f"{path}: has no bands but those of transparency")
        dtype = _physical_dtype(path, raw, told, bands)
        axis = choice.kept(path, DIMS, 0)
        shape = (len(bands), data.height, data.width)
        kept_axes = _kept_axes(path, shape, axis)
        field = Field(
            None,
            shape,
            dtype,
            axis,
            (0, 1, 2),
            _blocks(data, told, len(bands)),
            _nodata(path, told, scene, dtype, bands, kept_axes, shape),
            _names(told, bands) if kept_axes == (0,) else None,
        )
        source = GeoTiffSource(path, scene, told, field, bands, kept)
        stack.pop_all()
        return source


def physical(raw: NDArray[Any], told: Told, bands: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """What raw values of some bands, the first axis, stand for."""
    if raw.dtype == dtype and not _scaled(told, bands):
        return raw
    one_each = (-1,) + (1,) * (raw.ndim - 1)
    scale, offset = (np.array([of_all[band - 1] for band in bands]) for of_all in (told.scales, told.offsets))
    values: NDArray[Any] = np.multiply(raw, scale.reshape(one_each), dtype=np.float64)
    values += offset.reshape(one_each)
    return values.astype(dtype, copy=False)


def _scaled(told: Told, bands: Sequence[int]) -> bool:
    return any((told.scales[band - 1], told.offsets[band - 1]) != (1.0, 0.0) for band in bands)


def _physical_dtype(path: Path, raw: np.dtype[Any], told: Told, bands: Sequence[int]) -> np.dtype[Any]:
    if not _scaled(told, bands):
        return raw
    scales, offsets = ([of_all[band - 1] for band in bands] for of_all in (told.scales, told.offsets))
    if not all(map(math.isfinite, [*scales, *offsets])):
        raise JobError(f"{path}: scales {scales} and offsets {offsets}, which should be finite numbers")
    small, large = FLOAT32_SCALES
    fits = all(small < abs(scale) < large for scale in scales)
    exact = raw.kind in "iu" and raw.itemsize <= 2 and fits and not any(offsets)
    return np.dtype(np.float32 if exact else np.float64)


def _dtype(path: Path, names: Sequence[str]) -> np.dtype[Any]:
    if len(set(names)) > 1 or names[0].startswith("complex"):
        raise JobError(f"{path}: holds {', '.join(sorted(set(names)))}; wants real numbers of one type")
    return np.dtype(names[0])


def _check_size(path: Path, data: Any, dtype: np.dtype[Any]) -> None:
    claimed = data.count * data.height * data.width * dtype.itemsize
    present = path.stat().st_size
    if claimed > max(ALWAYS_FINE, MOST_PER_BYTE * present):
        raise JobError(f"{path}: claims {claimed} bytes of values, and the file has {present}: truncated, or nothing")


def _bands(path: Path, wanted: Sequence[int] | None, count: int) -> list[int]:
    if wanted is None:
        return list(range(1, count + 1))
    for band in wanted:
        if band > count:
            raise JobError(f"{path}: --bands: there is no band {band}, only {count}")
    return list(wanted)


def _kept_axes(path: Path, shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    try:
        return split_axes(shape, axis).kept
    except ValueError as error:
        raise JobError(f"{path}: {error}") from None


def _blocks(data: Any, told: Told, count: int) -> tuple[int, int, int]:
    """What is read and written at once: an output's tiles have edges that the format allows."""
    height, width = data.block_shapes[0]
    if width < data.width:
        height, width = (math.lcm(edge, -(-edge // EDGE) * EDGE) for edge in (height, width))
    return (1 if told.structure.get("INTERLEAVE") == "BAND" else count, height, width)


def _names(told: Told, bands: Sequence[int]) -> tuple[str, ...] | None:
    names = [told.descriptions[band - 1] or "" for band in bands]
    return tuple(names) if all(names) and len(set(names)) == len(names) else None


def _nodata(
    path: Path,
    told: Told,
    scene: Scene,
    dtype: np.dtype[Any],
    bands: Sequence[int],
    kept: tuple[int, ...],
    shape: tuple[int, ...],
) -> Any:
    """The value that stands for none, as it comes out of `physical`; an array with NaN for bands without one."""
    raw = np.dtype(scene.data.dtypes[0])
    values = [_held(told.nodata[band - 1], raw, said=band in scene.said) for band in bands]
    if all(value is None for value in values):
        return None
    found = [
        np.nan if value is None else physical(np.array([value], raw), told, [band], dtype)[0]
        for band, value in zip(bands, values, strict=True)
    ]
    if all(value == found[0] or value != value != found[0] != found[0] for value in found):
        return found[0]
    if 0 not in kept:
        raise JobError(f"{path}: its bands have different nodata, so that they have to be among the channels")
    each = np.array(found, np.float64 if dtype.kind in "iu" else dtype)
    full = np.broadcast_to(each[:, np.newaxis, np.newaxis], shape)
    return full[tuple(slice(None) if axis in kept else 0 for axis in range(len(shape)))]


def _held(value: float | None, dtype: np.dtype[Any], *, said: bool) -> Any:
    """A nodata value in a dtype, and None for one that it cannot hold, for which no value stands."""
    if value is None:
        # rasterio knows floats alone: the greatest integers of 64 bits become one that is none of them.
        return np.iinfo(dtype).max if said and dtype.kind in "iu" and dtype.itemsize == 8 else None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            held = dtype.type(value)
        return held if np.isfinite(held) or not math.isfinite(value) else None
    limits = np.iinfo(dtype)
    whole = math.isfinite(value) and value == math.floor(value)
    return int(value) if whole and limits.min <= value <= limits.max else None
