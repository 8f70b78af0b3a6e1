"""GeoTIFF files as GDAL reads them, kept from what a hostile file could have it do.

GDAL guesses formats by content, has names for archives and for the network (``/vsizip/``, ``/vsicurl/``), and opens
files beside the named one, of any format. So names are made ones of plain files, one driver may open them, and the
values are read with sight of no other file. What stands beside a file in text (``.tfw``, ``.aux.xml`` and the like) is
taken by a second look, which asks for no values. The mask beside it (``.msk``) is opened as a GeoTIFF of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from .._errors import JobError, describe

MASK, NOTES = ".msk", ".aux.xml"  # what is added to the name of a file
LONGEST_NOTES = 2**24  # bytes
CACHE = 2**25  # bytes of GDAL's blocks in memory, if each is much smaller
FILE_CACHE = 2**22  # bytes of each file
NOT_KEPT = ("IMAGE_STRUCTURE", "OVERVIEWS", "SUBDATASETS", "DERIVED_SUBDATASETS", "RPC", "COLOR_PROFILE")

Hidden = Callable[[Window, Sequence[int]], NDArray[np.bool_]]  # (window, bands) -> where nothing is; of 1 or all bands
Tags = dict[str | None, dict[str, str]]  # by namespace

# GDAL keeps the blocks of all files in one cache, from which any thread that needs room writes those of another one.
# One thread at a time, the order of blocks in an output is always the same.
_alone = threading.RLock()


@contextmanager
def gdal(cache: int = CACHE, *, alone: bool = True) -> Iterator[None]:
    """Settings for whatever calls GDAL, which belong to a thread: no other file is looked for if `alone`."""
    settings = {
        "GDAL_CACHEMAX": cache,
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR" if alone else "FALSE",
        "GDAL_PAM_ENABLED": not alone,  # else it would leave files beside those that it writes
        "GDAL_TIFF_INTERNAL_MASK": True,
        # A cached file lets a reader seek to any place; of others, libtiff prints that it cannot be.
        "VSI_CACHE": True,
        "VSI_CACHE_SIZE": FILE_CACHE,
    }
    with _alone, _undecodable(), rasterio.Env(**settings):
        yield


@contextmanager
def _undecodable() -> Iterator[None]:
    """Keep rasterio from printing that it cannot decode a message of GDAL, which has bytes of a damaged file in it."""
    hooks = sys.excepthook, sys.unraisablehook

    def shown(kind: type[BaseException], value: BaseException, traceback: Any) -> None:
        if kind is not UnicodeDecodeError:
            hooks[0](kind, value, traceback)

    def unraisable(what: sys.UnraisableHookArgs) -> None:
        if what.exc_type is not UnicodeDecodeError:
            hooks[1](what)

    sys.excepthook, sys.unraisablehook = shown, unraisable
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = hooks


@contextmanager
def library(path: Path, what: str = "not a GeoTIFF file, or a damaged one") -> Iterator[None]:
    """Say in one line what GDAL could not do, with its own reason."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        reason = error.__cause__ or error
        raise JobError(f"{path}: {what}: {describe(reason)}") from error


def plain(path: Path) -> str:
    """A name that GDAL can only take for one of a file."""
    full = os.path.abspath(path)  # noqa: PTH100 - a Path would drop the dot again
    return f"/.{full}" if full.startswith("/") else full


@contextmanager
def unreferenced() -> Iterator[None]:
    """Pictures without a place on the earth are welcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_one(path: Path, mode: str = "r") -> Any:
    """Open a GeoTIFF file and nothing else."""
    with unreferenced():
        return rasterio.open(plain(path), mode, driver="GTiff")


class Told(NamedTuple):
    """What a file says beside its values, files beside it included."""

    crs: Any
    transform: Any
    gcps: Any  # points, and their CRS
    rpcs: Any
    tags: Tags
    band_tags: tuple[Tags, ...]
    structure: dict[str, str]
    colors: tuple[ColorInterp, ...]
    descriptions: tuple[str | None, ...]
    units: tuple[str | None, ...]
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]


def ask(path: Path) -> Told:
    """Look at all but the values of a file."""
    notes = path.with_name(path.name + NOTES)
    if notes.exists() and notes.stat().st_size > LONGEST_NOTES:
        raise JobError(f"{notes}: more than {LONGEST_NOTES} bytes of notes on an image")
    with gdal(alone=False), unreferenced(), open_one(path) as data:
        return Told(
            data.crs,
            data.transform,
            data.gcps,
            data.rpcs,
            _tags(data, 0),
            tuple(_tags(data, band) for band in data.indexes),
            data.tags(ns="IMAGE_STRUCTURE"),
            data.colorinterp,
            data.descriptions,
            data.units,
            data.nodatavals,
            data.scales,
            data.offsets,
        )


def _tags(data: Any, band: int) -> Tags:
    """Tags of a file (0) or a band, but for those that describe its values or how it is stored."""
    spaces = [None, *(name for name in data.tag_namespaces(band) if name not in NOT_KEPT)]
    found: Tags = {}
    for name in spaces:
        with suppress(UnicodeDecodeError):  # the texts of old files can be in any encoding: not told, not kept
            found[name] = data.tags(band, ns=name)
    for tags in found.values():
        for key in [key for key in tags if key.startswith("STATISTICS_")]:
            del tags[key]
    return {name: tags for name, tags in found.items() if tags}


class Scene:
    """The values of a GeoTIFF file and its masks; used by one thread."""

    def __init__(self, path: Path, told: Told) -> None:
        self.path = path
        self._stack = ExitStack()
        try:
            with gdal():
                self.data: Any = self._stack.enter_context(open_one(path))
                self._beside = self._mask_beside()
                self._internal = tuple(
                    band
                    for band, flags in zip(self.data.indexes, self.data.mask_flag_enums, strict=True)
                    if not {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha} & set(flags)
                )
                flagged = zip(self.data.indexes, self.data.mask_flag_enums, strict=True)
                self.said = {band for band, flags in flagged if MaskFlags.nodata in flags}  # to have nodata
                self._shared = any(MaskFlags.per_dataset in self.data.mask_flag_enums[b - 1] for b in self._internal)
        except BaseException:
            self._stack.close()
            raise
        self.alpha = tuple(number for number, color in enumerate(told.colors, 1) if color == ColorInterp.alpha)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def masked(self) -> bool:
        """Whether there is a mask for all bands."""
        return self._of_all() is not None

    def masks(self, transparent: Sequence[int]) -> tuple[Hidden, ...]:
        """All that says where nothing is: masks, and bands of transparency."""
        found = [self._of_all() or self._of_each()]
        if transparent:
            found.append(lambda window, _: (self.data.read(transparent, window=window) == 0).any(0, keepdims=True))
        return tuple(mask for mask in found if mask is not None)

    def shared(self, window: Window) -> NDArray[np.uint8]:
        """The mask for all bands: 0 where nothing is."""
        mask = self._of_all()
        assert mask is not None
        shown: NDArray[np.uint8] = np.multiply(~mask(window, ())[0], 255, dtype=np.uint8)
        return shown

    def close(self) -> None:
        with gdal():
            self._stack.close()

    def _of_all(self) -> Hidden | None:
        if self._shared:
            return lambda window, _: np.asarray(self.data.read_masks([1], window=window) == 0)
        if not self._internal and self._beside is not None and self._beside.count == 1:
            return lambda window, _: np.asarray(self._beside.read([1], window=window) == 0)
        return None

    def _of_each(self) -> Hidden | None:
        if self._internal:
            return lambda window, bands: np.asarray(self.data.read_masks(list(bands), window=window) == 0)
        if self._beside is not None:
            return lambda window, bands: np.asarray(self._beside.read(list(bands), window=window) == 0)
        return None

    def _mask_beside(self) -> Any:
        path = self.path.with_name(self.path.name + MASK)
        if not path.is_file():
            return None
        with library(path):
            mask = self._stack.enter_context(open_one(path))
        if mask.shape != self.data.shape or mask.count not in {1, self.data.count}:
            raise JobError(f"{path}: a mask of shape {(mask.count, *mask.shape)}, and the image has another one")
        return mask
