"""GeoTIFF files that are being written: laid out as the one that is read, with all that it says but its values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from .._fields import Tile, Values, size_of
from .._tiles import cut
from ._geotiff_scene import Scene, Tags, Told, gdal, library, plain, unreferenced

if TYPE_CHECKING:
    from ._geotiff import GeoTiffSource

LOSSLESS = ("DEFLATE", "LZW", "ZSTD", "PACKBITS", "LZMA")  # and for floats; any other becomes the first
PREDICTING = ("DEFLATE", "LZW", "ZSTD")
FLOAT_PREDICTOR = "3"
COPIED = 2**22  # values of what is passed through, at once
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
NOT_A_KEY = {"self", "bidx", "ns"}  # rasterio takes tags as keyword arguments, beside these


class GeoTiffSink:
    """A GeoTIFF file that is being written, every block once."""

    def __init__(self, scratch: Path, source: GeoTiffSource, dtype: np.dtype[Any]) -> None:
        self._source = source
        self._path = scratch
        self._left = math.prod(source.fields[0].shape)
        self._begun = False
        self._passed = [band for band in source.kept if band not in source.bands]
        self._input = Scene(source.path, source.told)  # another thread reads from that of the source
        try:
            with self._library(), gdal(source.cache), unreferenced():
                self._output = rasterio.open(plain(scratch), "w", **_profile(source, dtype))
                _describe(self._output, source.told, source.kept)
        except BaseException:
            self._input.close()
            raise

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        source = self._source
        (place,), (value,) = tile, values
        window = Window.from_slices(*place.at[1:])
        with self._library(), gdal(source.cache):
            if not self._begun and value.absent is not None:
                self._output.nodata = np.nan
            self._begun = True
            bands, data = list(source.bands[place.at[0]]), value.data
            if self._passed and not source.separate:  # all that is in a block has to be written at once
                bands += self._passed
                data = np.concatenate([data, self._input.data.read(self._passed, window=window, out_dtype=data.dtype)])
            self._output.write(
                np.ascontiguousarray(data), [source.kept.index(band) + 1 for band in bands], window=window
            )
            self._left -= size_of(place)
            if not self._left:
                self._pass_through()

    def sync(self) -> None:
        pass  # never continued

    def close(self) -> None:
        self._input.close()
        with self._library(), gdal(self._source.cache):
            self._output.close()

    def _pass_through(self) -> None:
        """Copy what has not been read: bands in planes of their own, and the mask, which GDAL writes last."""
        source = self._source
        _, *shape = source.fields[0].shape
        _, *blocks = source.fields[0].blocks or (0, *shape)
        bands = self._passed if source.separate else []
        for band in bands:
            for index in cut(shape, (0, 1), COPIED, blocks):
                window = Window.from_slices(*index)
                self._output.write(
                    self._input.data.read(band, window=window, out_dtype=self._output.dtypes[0]),
                    source.kept.index(band) + 1,
                    window=window,
                )
        if self._input.masked:
            for index in cut(shape, (0, 1), COPIED, blocks):
                window = Window.from_slices(*index)
                self._output.write_mask(self._input.shared(window), window=window)

    def _library(self) -> Any:
        return library(self._path, "cannot be written")


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
            _, _, text = found.get(space, "").partition("=")
            found = dict([text.split("=", 1)]) if "=" in text else {}  # noqa: PLW2901
        output.update_tags(band, space, **{key: value for key, value in found.items() if key not in NOT_A_KEY})
