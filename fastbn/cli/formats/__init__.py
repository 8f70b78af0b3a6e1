"""The formats of files: which there are, how a file tells its own, and which library each needs."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fastbn._files import errors_of

from .._choice import Choice
from .._errors import JobError, describe, first_of
from .._fields import Source

__all__ = [
    "FORMATS",
    "Format",
    "companions",
    "format_of",
    "is_store",
    "named",
    "needed",
    "open_source",
    "readable",
    "reading",
]

HEAD = 16  # bytes that tell a format


class Format(NamedTuple):
    """One kind of files."""

    name: str  # as users call it
    module: str  # has open_source(path, choice)
    extensions: tuple[str, ...]
    magic: tuple[bytes, ...] = ()  # how its files start
    markers: tuple[str, ...] = ()  # files that a directory of it holds one of
    extra: str | None = None  # of this package; None: nothing is needed
    libraries: tuple[str, ...] = ()  # that it brings
    companions: tuple[str, ...] = ()  # added to a file's name: files beside it which readers take for parts of it


# The first whose magic fits wins: NetCDF 4 is HDF5, and told from it by its extension.
FORMATS = (
    Format("npy", "_npy", (".npy",), (b"\x93NUMPY",)),
    Format("Zarr", "_zarr", (".zarr",), markers=("zarr.json", ".zarray", ".zgroup"), extra="zarr", libraries=("zarr",)),
    Format(
        "NetCDF",
        "_netcdf",
        (".nc", ".nc4", ".cdf"),
        (b"CDF\x01", b"CDF\x02", b"CDF\x05"),
        extra="netcdf",
        libraries=("h5netcdf", "h5py", "scipy"),
    ),
    Format(
        "HDF5", "_hdf5", (".h5", ".hdf5", ".hdf", ".he5"), (b"\x89HDF\r\n\x1a\n",), extra="hdf5", libraries=("h5py",)
    ),
    Format(
        "GeoTIFF",
        "_geotiff",
        (".tif", ".tiff"),
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        extra="geotiff",
        libraries=("rasterio",),
        companions=(".aux.xml", ".msk", ".ovr"),
    ),
    Format("Parquet", "_parquet", (".parquet", ".pq"), (b"PAR1",), extra="parquet", libraries=("pyarrow",)),
    Format("CSV", "_csv", (".csv", ".tsv"), extra="csv", libraries=("pyarrow",)),
)


def open_source(path: Path, choice: Choice) -> Source:
    """Open a file, of whichever format it is."""
    form = format_of(path)
    with needed(form, path):
        module = importlib.import_module(f".{form.module}", __name__)
    with errors_of(path, path):  # a disk that cannot be read says no name
        source: Source = module.open_source(path, choice)
    return source


def format_of(path: Path) -> Format:
    """Tell the format of a file by its content, or where that says nothing by its name."""
    if path.is_dir():
        store = _store_format(path)
        if store is None:
            raise JobError(f"{path}: a directory, and no Zarr store")
        return store
    if path.exists() and not path.is_file():
        raise JobError(f"{path}: not a regular file")
    with errors_of(path, path), path.open("rb") as file:
        head = file.read(HEAD)
    by_name = named(path)
    told = [form for form in FORMATS if any(head.startswith(magic) for magic in form.magic)]
    if any(form.name == "HDF5" for form in told) and by_name is not None and by_name.name == "NetCDF":
        return by_name
    if told:
        return told[0]
    if by_name is None:
        known = ", ".join(extension for form in FORMATS for extension in form.extensions)
        raise JobError(f"{path}: neither its content nor its name tells a format ({known})")
    return by_name


def is_store(path: Path) -> bool:
    """Whether a directory is what other formats have files for."""
    return _store_format(path) is not None


def _store_format(path: Path) -> Format | None:
    for form in FORMATS:
        if any((path / marker).is_file() for marker in form.markers):
            return form
    return None


def named(path: Path) -> Format | None:
    """The format that the name of a file promises."""
    return next((form for form in FORMATS if path.suffix.lower() in form.extensions), None)


def companions(name: str, path: Path) -> Iterator[Path]:
    """Files beside one of a format which readers would take for parts of it."""
    for form in FORMATS:
        if form.name == name:
            beside = (path.with_name(path.name + suffix) for suffix in form.companions)
            yield from (companion for companion in beside if companion.is_file() or companion.is_symlink())


def readable() -> Iterator[tuple[str, str | None]]:
    """The formats, and what has to be installed for each, if anything."""
    for form in FORMATS:
        missing = any(importlib.util.find_spec(library) is None for library in form.libraries)
        yield form.name, f'pip install "fastbn[{form.extra}]"' if missing else None


@contextmanager
def needed(form: Format, path: Path) -> Iterator[None]:
    """Let the import of a missing library say which extra of this package installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise JobError(f'{path}: {form.name} files need {error.name}: pip install "fastbn[{form.extra}]"') from error


@contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Say in one line that a library cannot read a file, whatever it raises: because of the file, or of its disk."""
    try:
        yield
    except Exception as error:
        first = first_of(error)
        if isinstance(first, JobError):
            raise first from None
        if isinstance(first, OSError) and first.errno:
            raise OSError(first.errno, os.strerror(first.errno), str(path)) from error
        raise JobError(f"{path}: not a {form} file, or a damaged one: {describe(first)}") from error
