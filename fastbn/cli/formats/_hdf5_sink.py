"""HDF5 files like another one: all of it is copied, but for some data sets, which get other values."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5g, h5o, h5p, h5t, h5z

from .._errors import JobError, describe
from .._fields import Tile, Values
from ._hdf5_file import UnfailingFile
from ._hdf5_references import References, holds_references
from ._hdf5_walk import Entry
from ._packing import history, still_true

MERGE_TYPES = 0x40  # H5O_COPY_MERGE_COMMITTED_DTYPE_FLAG: data sets keep sharing types
# Filters that lose nothing and fit themselves to the dtype; others are left out of what is written with another dtype.
LOSSLESS = frozenset({
    h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_SZIP, h5z.FILTER_LZF,
    307, 32001, 32004, 32008, 32015, 32026,  # bzip2, Blosc, LZ4, bitshuffle, Zstandard, Blosc 2
})  # fmt: skip
STEP = 2**20  # bytes copied at once


class Like(NamedTuple):
    """The file that the new one is like."""

    path: Path
    file: h5py.File
    entries: Sequence[Entry]
    cf: bool  # whether it has the attributes of the CF conventions, history among them


class Hdf5Sink:
    """A file that is being written.

    Data sets with new values keep their shape, chunks and lossless filters, lose the attributes that described the old
    values, and fill with NaN. `units` become `original_units`: what comes out of a normalization has none, and what
    undoes one cannot be told from it. Of groups, other data sets, types, links and attributes, all is as it was. No
    time is written, so that the same job gives the same bytes.
    """

    def __init__(self, scratch: Path, like: Like, names: Sequence[str], dtypes: Sequence[np.dtype[Any]]) -> None:
        self._like = like
        self._scratch = scratch
        self._changed = dict(zip(names, dtypes, strict=True))
        self._target = UnfailingFile(scratch)
        try:
            with self._target.checked():
                self._file = _new_file(self._target, like.file)
                self._fill(names)
        except BaseException:
            self._target.close()
            raise

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        (place,), (value,) = tile, values
        if value.data.size:
            with self._target.checked():
                self._datasets[place.field].write_direct(np.ascontiguousarray(value.data), None, place.at or None)

    def sync(self) -> None:
        raise io.UnsupportedOperation("an HDF5 file is not continued")

    def close(self) -> None:
        try:
            block = self._file.userblock_size
            with self._target.checked():
                self._file.close()
        finally:
            self._target.close()
        _copy_start(self._like.path, self._scratch, block)

    def _fill(self, names: Sequence[str]) -> None:
        try:
            with copying(self._like.path):
                self._copy()
            self._datasets = [self._file[name] for name in names]
        except BaseException:
            with suppress(RuntimeError, OSError):
                self._file.close()
            raise

    def _copy(self) -> None:
        like, file = self._like, self._file
        references = References(like.file, file, like.entries)
        h5p_copy = h5p.create(h5p.OBJECT_COPY)
        h5p_copy.set_copy_object(h5o.COPY_WITHOUT_ATTR_FLAG | MERGE_TYPES)
        self._copy_attributes(like.file, file, references)
        for entry in like.entries:
            if entry.object is not None:
                self._copy_object(entry, h5p_copy, references)
            elif entry.soft is not None:
                file[entry.name] = h5py.SoftLink(entry.soft)
            else:
                file[entry.name] = file[f"/{entry.alias}"]
        references.restore()

    def _copy_object(self, entry: Entry, h5p_copy: Any, references: References) -> None:
        old, link, name = entry.object, h5p.create(h5p.LINK_CREATE), entry.name.encode()
        link.set_char_encoding(h5t.CSET_UTF8)
        if isinstance(old, h5py.Group):
            plist = old.id.get_create_plist()
            plist.set_obj_track_times(False)
            h5g.create(self._file.id, name, link, plist)
        elif entry.name in self._changed:
            self._create(old.id, link, name, self._changed[entry.name])
        elif isinstance(old, h5py.Dataset) and holds_references(old.dtype):
            references.copy_dataset(old, name, link)
        else:
            h5o.copy(self._like.file.id, name, self._file.id, name, h5p_copy, link)
        self._copy_attributes(old, self._file[entry.name], references, self._changed.get(entry.name))

    def _create(self, old: Any, link: Any, name: bytes, dtype: np.dtype[Any]) -> None:
        plist = old.get_create_plist()
        plist.set_obj_track_times(False)
        plist.set_fill_value(np.array(np.nan, dtype))
        if plist.get_layout() == h5d.CHUNKED:
            plist.set_chunk(plist.get_chunk())  # forgets the size of the old dtype
            plist.set_alloc_time(h5d.ALLOC_TIME_INCR)
            for code in [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]:
                if code not in LOSSLESS:
                    plist.remove_filter(code)
        else:  # every value is written, so that there is nothing to fill
            plist.set_layout(h5d.CONTIGUOUS)
            plist.set_alloc_time(h5d.ALLOC_TIME_LATE)
            plist.set_fill_time(h5d.FILL_TIME_NEVER)
        dataset = h5d.create(self._file.id, None, h5t.py_create(dtype), old.get_space(), plist)
        h5o.link(dataset, self._file.id, name, lcpl=link)

    def _copy_attributes(self, old: Any, new: Any, references: References, dtype: np.dtype[Any] | None = None) -> None:
        """Copy attributes; where values have a new dtype, those that speak of the old ones are others."""
        names = {name: name for name in old.attrs} if dtype is None else still_true(old.attrs)
        for name, new_name in names.items():
            if name == "DIMENSION_LIST":
                references.note_scales(old, new)
            elif name != "REFERENCE_LIST":  # which comes back with the scales
                references.copy_attribute(old, new, name, new_name)
        if dtype is not None and (self._like.cf or not {"_FillValue", "missing_value"}.isdisjoint(old.attrs)):
            new.attrs.create("_FillValue", np.array([np.nan], dtype))
        if self._like.cf and old is self._like.file:
            new.attrs["history"] = history(old.attrs.get("history"), self._changed)


@contextmanager
def copying(path: Path) -> Iterator[None]:
    """Say of which file something cannot be copied; but what the system says is about the new one."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise JobError(f"{path}: cannot be copied: {describe(error)}") from error


def _new_file(target: UnfailingFile, old: h5py.File) -> h5py.File:
    """An empty file in which attributes may be large, as tracked and indexed as the old one."""
    was = old["/"].id.get_create_plist()
    plist = h5p.create(h5p.FILE_CREATE)
    plist.set_userblock(old.userblock_size)
    plist.set_link_creation_order(was.get_link_creation_order())
    plist.set_attr_creation_order(was.get_attr_creation_order())
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_cache(0, 0, 0, 0.0)  # of chunks, each of which is written once
    return create(target, plist, access)


def create(target: UnfailingFile, plist: Any, access: Any) -> h5py.File:
    """An empty file that HDF5 1.8 can read, and that does not say when it was made."""
    plist.set_obj_track_times(False)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5fd.fileobj_driver, target)
    return h5py.File(h5f.create(b"new", h5f.ACC_TRUNC, plist, access))


def _copy_start(old: Path, new: Path, size: int) -> None:
    """Copy what a file holds before its HDF5 begins."""
    if not size:
        return
    with old.open("rb") as source, new.open("rb+") as target:
        for start in range(0, size, STEP):
            target.write(source.read(min(STEP, size - start)))
