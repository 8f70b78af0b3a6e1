"""What is in an HDF5 file: every group, data set, type and link, found without opening any other file.

Whatever leads out of the file (links, data kept elsewhere, virtual data sets) is seen before it could be followed, and
refused.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from fastbn._arrays import as_operand

from .._errors import JobError
from ._hdf5_heaps import check_heaps

MUST_BE_THERE = 2**32  # bytes of a data set from which on the file has to be large as well
TIGHTEST = 1100  # how many times larger data can be than gzip makes them
LONE_CHUNK = 2**23  # elements of a chunk that may be larger than its data set
NUMBERS = "iuf"


class Entry(NamedTuple):
    """One name in a file."""

    name: str  # from the root, without the first slash
    object: Any  # an open group, data set or type; None for links
    soft: str | None = None  # where a soft link leads
    alias: str | None = None  # another name of the same object, that comes before


def open_file(path: Path) -> h5py.File:
    """Open a file for reading; without a cache of chunks, of which each is read once."""
    file = h5py.File(path, "r", rdcc_nbytes=0, locking="best-effort")
    try:
        check_heaps(path, file.id.get_create_plist().get_sizes()[1])
    except BaseException:
        file.close()
        raise
    return file


def walk(path: Path, file: h5py.File) -> list[Entry]:
    """Every name in a file, those in a group after all that are less deep: an object goes by its shortest path."""
    seen = {_address(file): ""}
    entries = []
    waiting = deque(_links(path, file, ""))
    while waiting:
        name, parent, link = waiting.popleft()
        target = parent.get(link, getlink=True)
        if isinstance(target, h5py.SoftLink):
            entries.append(Entry(name, None, soft=target.path))
            continue
        if not isinstance(target, h5py.HardLink):
            raise JobError(f"{path}: {name}: a link to another file, which is not followed")
        found = parent[link]
        address = _address(found)
        if address in seen:
            entries.append(Entry(name, None, alias=seen[address]))
            continue
        seen[address] = name
        if isinstance(found, h5py.Dataset):
            _check_layout(path, name, found)
        entries.append(Entry(name, found))
        if isinstance(found, h5py.Group):
            waiting += _links(path, found, f"{name}/")
    return entries


def is_number(dataset: Any) -> bool:
    """Whether something in a file is a data set of numbers, which this package works on."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        return False
    if dataset.id.get_type().get_class() not in {h5py.h5t.INTEGER, h5py.h5t.FLOAT}:
        return is_truth(dataset)
    try:
        dtype = dataset.dtype
        as_operand(np.empty(0, dtype.newbyteorder("=")), name="")
    except TypeError:  # floats that NumPy does not have, or this package does not take
        return False
    return dtype.kind in NUMBERS


def is_truth(dataset: h5py.Dataset) -> bool:
    """Whether a data set is of true and false, as h5py writes them."""
    return bool(dataset.id.get_type().get_class() == h5py.h5t.ENUM and dataset.dtype == np.dtype(bool))


def is_scale(dataset: h5py.Dataset) -> bool:
    """Whether a data set gives coordinates along an axis of others."""
    return dataset.attrs.get("CLASS") in {b"DIMENSION_SCALE", "DIMENSION_SCALE"}  # HDF5's own test dies of damage


def check_readable(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Refuse a data set that cannot be read, or claims what a file of this size cannot hold."""
    claimed, size = math.prod(dataset.shape) * dataset.dtype.itemsize, path.stat().st_size
    if claimed > MUST_BE_THERE and claimed > TIGHTEST * size:
        raise JobError(f"{path}: {name}: {dataset.dtype} of shape {dataset.shape}, in a file of {size} bytes")
    plist = dataset.id.get_create_plist()
    if plist.get_layout() != h5py.h5d.CHUNKED:
        return
    elements = math.prod(dataset.chunks)
    if elements > max(LONE_CHUNK, math.prod(map(min, dataset.chunks, dataset.shape))):
        raise JobError(f"{path}: {name}: chunks of {dataset.chunks} for a data set of {dataset.shape}")
    for number in range(plist.get_nfilters()):
        code, _, _, title = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            raise JobError(f"{path}: {name}: filter {code} {title.decode('ascii', 'replace')!r} is not installed")


def _links(path: Path, group: h5py.Group, prefix: str) -> Iterator[tuple[str, h5py.Group, str]]:
    for link in group:
        name = prefix + link
        if link in {"", "."} or name.encode(errors="replace").decode() != name:  # not UTF-8
            raise JobError(f"{path}: {name!a}: a name that is none")
        yield name, group, link


def _address(found: Any) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def _check_layout(path: Path, name: str, dataset: h5py.Dataset) -> None:
    plist = dataset.id.get_create_plist()
    if plist.get_external_count():
        raise JobError(f"{path}: {name}: its data are in another file, which is not opened")
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        raise JobError(f"{path}: {name}: a virtual data set, whose data are elsewhere, which is not followed")
