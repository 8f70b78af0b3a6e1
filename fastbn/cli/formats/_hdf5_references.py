"""Attributes and data sets in a copy of an HDF5 file; those that point to places in the file come last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5r, h5s, h5t
from numpy.typing import NDArray

from .._errors import JobError
from ._hdf5_walk import Entry, is_scale

MOST_REFERENCES = 2**20  # in a data set


class References:
    """What has to wait until every object is there."""

    def __init__(self, old: h5py.File, new: h5py.File, entries: Sequence[Entry]) -> None:
        self._old = old
        self._new = new
        self._names = {_address(entry.object.id): entry.name for entry in entries if entry.object is not None}
        self._names[_address(old.id)] = ""
        self._waiting: list[Callable[[], None]] = []
        self._last: list[Callable[[], None]] = []

    def restore(self) -> None:
        """Let everything point to its place in the new file."""
        for do in (*self._waiting, *self._last):
            do()

    def note_scales(self, old: h5py.Dataset, new: h5py.Dataset) -> None:
        """Have the axes of a data set get their scales."""

        def attach() -> None:
            for axis in range(old.ndim):
                for number in range(len(old.dims[axis])):
                    scale = self._new[self._place(old.dims[axis][number].id)]
                    if not is_scale(scale):
                        raise JobError(f"{self._old.filename}: {scale.name}: belongs to axes, and is no scale")
                    h5py.h5ds.attach_scale(new.id, scale.id, axis)

        self._waiting.append(attach)

    def copy_attribute(self, old: Any, new: Any, name: str, new_name: str) -> None:
        """Copy an attribute, of whatever type."""
        if name == "CLASS" and not is_scale(old):  # HDF5 dies of it when it attaches scales
            self._last.append(lambda: self._copy_attribute(old, new, name, new_name))
        else:
            self._copy_attribute(old, new, name, new_name)

    def _copy_attribute(self, old: Any, new: Any, name: str, new_name: str) -> None:
        kept = old.attrs.get_id(name)
        made = h5a.create(new.id, new_name.encode(), kept.get_type().copy(), kept.get_space())
        if kept.get_space().get_simple_extent_type() == h5s.NULL:
            return
        values, memory = _room(kept.dtype, kept.shape)
        kept.read(values, mtype=memory)
        if not holds_references(kept.dtype):
            made.write(values, mtype=memory)
        else:
            self._check(f"{old.name}: attribute {name}", kept.dtype)
            self._waiting.append(lambda: made.write(self._moved(values, kept.dtype), mtype=memory))

    def copy_dataset(self, old: h5py.Dataset, name: bytes, link: Any) -> None:
        """Copy a data set of references."""
        self._check(old.name, old.dtype)
        if math.prod(old.shape or ()) > MOST_REFERENCES:
            raise JobError(f"{self._old.filename}: {old.name}: more than {MOST_REFERENCES} references")
        plist = old.id.get_create_plist()
        plist.set_obj_track_times(False)
        made = h5d.create(self._new.id, None, old.id.get_type().copy(), old.id.get_space(), plist)
        h5o.link(made, self._new.id, name, lcpl=link)
        if old.shape is None or not old.size:
            return
        values, memory = _room(old.dtype, old.shape)
        old.id.read(h5s.ALL, h5s.ALL, values, memory)
        self._waiting.append(lambda: made.write(h5s.ALL, h5s.ALL, self._moved(values, old.dtype), memory))

    def _check(self, name: str, dtype: np.dtype[Any]) -> None:
        of_lists = h5py.check_vlen_dtype(dtype)
        if h5py.check_ref_dtype(of_lists if isinstance(of_lists, np.dtype) else dtype) is None:
            raise JobError(f"{self._old.filename}: {name}: references inside of records, which cannot be copied")

    def _moved(self, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The same references, to places in the new file."""
        moved = np.empty(values.shape, dtype)
        for place, value in np.ndenumerate(values):
            if isinstance(value, np.ndarray):
                moved[place] = self._moved(value, value.dtype)
            else:
                moved[place] = self._reference(value)
        return moved

    def _reference(self, old: Any) -> Any:
        if not old:
            return old
        name = self._place(h5r.dereference(old, self._old.id)).encode()
        if isinstance(old, h5r.RegionReference):
            return h5r.create(self._new.id, name, h5r.DATASET_REGION, h5r.get_region(old, self._old.id))
        return h5r.create(self._new.id, name, h5r.OBJECT)

    def _place(self, found: Any) -> str:
        """Where in the new file an object of the old one is."""
        address = _address(found)
        if address not in self._names:
            raise JobError(f"{self._old.filename}: a reference to what has no name, which cannot be copied")
        return f"/{self._names[address]}"


def holds_references(dtype: np.dtype[Any]) -> bool:
    """Whether values point to places in their file."""
    if h5py.check_ref_dtype(dtype) is not None:
        return True
    if dtype.subdtype is not None:
        return holds_references(dtype.subdtype[0])
    if dtype.fields is not None:
        return any(holds_references(field[0]) for field in dtype.fields.values())
    of_lists = h5py.check_vlen_dtype(dtype)
    return isinstance(of_lists, np.dtype) and holds_references(of_lists)


def _room(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], Any]:
    """Memory for values of a type, and the type that they have there."""
    memory = h5t.py_create(dtype)
    if dtype.subdtype is not None:
        dtype, inner = dtype.subdtype
        shape += inner
    return np.zeros(shape, dtype), memory


def _address(found: Any) -> int:
    return int(h5o.get_info(found).addr)
