"""GeoTIFF files that are being written: laid out as the one that is read, with all that it says but its values."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from fastbn import get_num_threads

from .._errors import JobError, describe
from .._fields import Tile, Values, size_of
from .._tiles import cut
from ._geotiff_scene import Scene, Tags, Told, gdal, open_one, plain, unreferenced

if TYPE_CHECKING:
    from ._geotiff import GeoTiffSource

LOSSLESS = ("DEFLATE", "LZW", "ZSTD", "PACKBITS", "LZMA")  # and for floats; any other becomes the first
PREDICTING = ("DEFLATE", "LZW", "ZSTD")
FLOAT_PREDICTOR = "3"
COPIED = 2**20  # values of what is passed through, at once
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
HEAD = 2**16  # bytes of what is said of a file, in general
NOT_A_KEY = {"self", "bidx", "ns"}  # rasterio takes tags as keyword arguments, beside these


class GeoTiffSink:
    """A GeoTIFF file that is being written, every block once."""

    def __init__(self, scratch: Path, source: GeoTiffSource, dtype: np.dtype[Any]) -> None:
        self._source = source
        self._path = scratch
        self._left = math.prod(source.fields[0].shape)
        self._written = 0  # bytes, before they are compressed
        self._passed = [band for band in source.kept if band not in source.bands]
        self._check_free(HEAD)
        self._written = 0
        self._input = Scene(source.path, source.told)  # another thread reads from that of the source
        try:
            with _writing(self._path), gdal(source.cache), unreferenced():
                self._output = rasterio.open(plain(scratch), "w", **_profile(source, dtype))
                _describe(self._output, source.told, source.kept)
        except BaseException:
            self._input.close()
            raise

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        source = self._source
        (place,), (value,) = tile, values
        window = Window.from_slices(*place.at[1:])
        with _writing(self._path), gdal(source.cache):
            if not self._written and value.absent is not None:
                self._output.nodata = np.nan
            self._check_free(value.data.nbytes)
            bands = source.bands[place.at[0]]
            if source.separate:
                self._write_planes(bands, value.data, window)
            else:
                self._write_blocks(bands, value.data, window)
            self._left -= size_of(place)
            if not self._left:
                self._copy_planes(self._output.count + 1)

    def sync(self) -> None:
        pass  # never continued

    def close(self) -> None:
        try:
            with _writing(self._path), gdal(self._source.cache):
                self._output.close()
                if not self._left:
                    self._check()
                    if self._input.masked:
                        self._write_mask()
        finally:
            self._input.close()

    def _write_blocks(self, bands: Sequence[int], data: NDArray[Any], window: Window) -> None:
        """Write blocks that hold all bands, at once."""
        if self._passed:
            data = np.concatenate([data, self._input.data.read(self._passed, window=window, out_dtype=data.dtype)])
        numbers = [self._source.kept.index(band) + 1 for band in (*bands, *self._passed)]
        self._output.write(np.ascontiguousarray(data), numbers, window=window)

    def _write_planes(self, bands: Sequence[int], data: NDArray[Any], window: Window) -> None:
        """Write parts of planes, each of which is complete before the next begins."""
        for band, values in zip(bands, data, strict=True):
            number = self._source.kept.index(band) + 1
            self._copy_planes(number)
            self._output.write(np.ascontiguousarray(values), number, window=window)

    def _copy_planes(self, end: int) -> None:
        """Copy what is passed through, up to a band of the output, where bands are in planes of their own."""
        while self._source.separate and self._passed and (number := self._source.kept.index(self._passed[0]) + 1) < end:
            band = self._passed.pop(0)
            for window in self._windows():
                data = self._input.data.read(band, window=window, out_dtype=self._output.dtypes[0])
                self._output.write(data, number, window=window)

    def _windows(self) -> Iterator[Window]:
        field = self._source.fields[0]
        for index in cut(field.shape[1:], (0, 1), COPIED, (field.blocks or field.shape)[1:]):
            yield Window.from_slices(*index)

    def _check_free(self, nbytes: int) -> None:
        """Refuse a disk that is full, of which GDAL tells nobody but the standard error."""
        waiting = min(self._written, self._source.cache)  # in GDAL's cache
        if shutil.disk_usage(self._path.parent).free < waiting + nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._written += nbytes

    def _check(self) -> None:
        """Look whether all blocks are there: what GDAL cannot write when it closes a file is no error to it."""
        size = self._path.stat().st_size
        with open_one(self._path) as output:
            height, width = output.block_shapes[0]
            rows, columns = -(-output.height // height), -(-output.width // width)
            for band in output.indexes if self._source.separate else (1,):
                for y in range(rows):
                    for x in range(columns):
                        start, length = (
                            int(output.get_tag_item(f"BLOCK_{what}_{x}_{y}", "TIFF", bidx=band) or 0)
                            for what in ("OFFSET", "SIZE")
                        )
                        if not length or start + length > size:
                            raise OSError(errno.EIO, "a part could not be written", str(self._path))

    def _write_mask(self) -> None:
        """Add the mask for all bands to a file that is complete: its blocks would come between others."""
        with open_one(self._path, "r+") as output:
            for window in self._windows():
                output.write_mask(self._input.shared(window), window=window)
        with open_one(self._path) as output:
            there = MaskFlags.per_dataset in output.mask_flag_enums[0]
            for window in self._windows():
                if not there or not np.array_equal(output.read_masks(1, window=window), self._input.shared(window)):
                    raise OSError(errno.EIO, "its mask could not be written", str(self._path))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what GDAL has to say into errors that name a file."""
    try:
        yield
    except (JobError, OSError) as error:
        if isinstance(error, rasterio.errors.RasterioError):
            raise _cannot(path, error) from error
        raise
    except Exception as error:
        raise _cannot(path, error) from error


def _cannot(path: Path, error: Exception) -> OSError:
    return OSError(errno.EIO, f"cannot be written: {describe(error.__cause__ or error)}", str(path))


def compression(told: Told) -> str:
    """How an output is compressed: as its input, if floats can be, and without loss."""
    found = told.structure.get("COMPRESSION", "NONE").upper()
    return found if found in {*LOSSLESS, "NONE"} else LOSSLESS[0]


def _profile(source: GeoTiffSource, dtype: np.dtype[Any]) -> dict[str, Any]:
    told, field = source.told, source.fields[0]
    _, height, width = field.shape
    _, block_height, block_width = field.blocks or field.shape
    compress = compression(told)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": dtype.name,
        "count": len(source.kept),
        "height": height,
        "width": width,
        "compress": compress,
        "interleave": "band" if source.separate else "pixel",
        "blockysize": block_height,
        "bigtiff": "IF_SAFER",
        "num_threads": get_num_threads(),  # that compress: the file is the same with any number
    }
    if block_width < width:
        profile |= {"tiled": True, "blockxsize": block_width}
    if compress in PREDICTING and told.structure.get("PREDICTOR", "1") != "1":
        profile["predictor"] = FLOAT_PREDICTOR
    colors = tuple(told.colors[band - 1] for band in source.kept)
    profile["photometric"] = "RGB" if colors[:3] == RGB else "MINISBLACK"
    if told.crs is not None:
        profile["crs"] = told.crs
    if told.transform != Affine.identity():
        profile["transform"] = told.transform
    return profile


def _describe(output: Any, told: Told, bands: Sequence[int]) -> None:
    """Write what is said of a file and of its bands."""
    if told.gcps[0] and told.transform == Affine.identity():
        output.gcps = told.gcps
    if told.rpcs is not None:
        output.rpcs = told.rpcs
    _tag(output, 0, told.tags)
    for number, band in enumerate(bands, 1):
        _tag(output, number, told.band_tags[band - 1])
        if told.descriptions[band - 1]:
            output.set_band_description(number, told.descriptions[band - 1])
        if told.units[band - 1]:
            output.set_band_unit(number, told.units[band - 1])
    colors = [told.colors[band - 1] for band in bands]
    output.colorinterp = [ColorInterp.gray if color == ColorInterp.palette else color for color in colors]


def _tag(output: Any, band: int, tags: Tags) -> None:
    for space, found in tags.items():
        if space is not None and space.startswith("xml:"):
            # One text, which rasterio splits and joins at an equals sign.
            text = found.get(space, "")
            found = dict([text.split("=", 1)]) if "=" in text else {}  # noqa: PLW2901
        output.update_tags(band, space, **{key: value for key, value in found.items() if key not in NOT_A_KEY})
