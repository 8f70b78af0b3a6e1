"""NetCDF 4 files that hold what a classic one does, but for some variables, which get other values."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5netcdf
import numpy as np
from h5py import h5p

from .._fields import Field, Tile, Values
from .._tiles import cut
from ._hdf5_file import UnfailingFile
from ._hdf5_sink import copying, create
from ._packing import history, still_true

if TYPE_CHECKING:
    from ._netcdf_classic import Classic

CHUNK = 2**20  # elements that are written as one piece, of what can grow


class NewNetcdf:
    """A file that is being written: as `Hdf5Sink` does, from another format."""

    def __init__(
        self, scratch: Path, classic: Classic, fields: Sequence[Field], dtypes: Sequence[np.dtype[Any]]
    ) -> None:
        self._classic = classic
        self._target = UnfailingFile(scratch)
        try:
            with self._target.checked():
                self._hdf5 = _new_hdf5(self._target)
                self._file = h5netcdf.File(self._hdf5, "w")
                self._fill(fields, dtypes)
        except BaseException:
            self._target.close()
            raise

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        (place,), (value,) = tile, values
        if value.data.size:
            with self._target.checked():
                self._variables[place.field][place.at or ...] = value.data

    def sync(self) -> None:
        raise io.UnsupportedOperation("a NetCDF file is not continued")

    def close(self) -> None:
        try:
            with self._target.checked():
                self._file.close()
                self._hdf5.close()  # which h5netcdf leaves to whoever has made it
        finally:
            self._target.close()

    def _fill(self, fields: Sequence[Field], dtypes: Sequence[np.dtype[Any]]) -> None:
        try:
            with copying(self._classic.path):
                self._copy_all(fields, dtypes)
            self._variables = [self._file.variables[str(field.name)] for field in fields]
        except BaseException:
            with suppress(RuntimeError, OSError):
                self.close()
            raise

    def _copy_all(self, fields: Sequence[Field], dtypes: Sequence[np.dtype[Any]]) -> None:
        for name, length in self._classic.dimensions.items():
            self._file.dimensions[name] = length
        dtype_of = {field.name: dtype for field, dtype in zip(fields, dtypes, strict=True)}
        attributes = self._classic.attributes()
        attributes["history"] = history(attributes.get("history"), map(str, dtype_of))
        self._file.attrs.update(attributes)
        for name in self._classic.variables:
            if name in dtype_of:
                self._create(name, dtype_of[name])
            else:
                self._copy(name)

    def _create(self, name: str, dtype: np.dtype[Any]) -> None:
        attributes = self._classic.attributes(name)
        made = self._made(name, dtype, np.array(np.nan, dtype)[()])
        made.attrs.update({new: attributes[old] for old, new in still_true(attributes).items()})

    def _copy(self, name: str) -> None:
        data, attributes = self._classic.variables[name].data, self._classic.attributes(name)
        made = self._made(name, data.dtype.newbyteorder("="), attributes.pop("_FillValue", None))
        made.attrs.update(attributes)
        for index in cut(data.shape, range(data.ndim), CHUNK):
            if data.size:
                made[index or ...] = self._classic.stored(name, index)

    def _made(self, name: str, dtype: np.dtype[Any], fill: Any) -> Any:
        variable = self._classic.variables[name]
        grows = any(self._classic.dimensions[dim] is None for dim in variable.dimensions)
        chunks = chunks_of(variable.data.shape) if grows else None
        for dim, length in zip(variable.dimensions, variable.data.shape, strict=True):
            if self._classic.dimensions[dim] is None and self._file.dimensions[dim].size < length:
                self._file.resize_dimension(dim, length)
        return self._file.create_variable(name, variable.dimensions, dtype, fillvalue=fill, chunks=chunks)


def _new_hdf5(target: UnfailingFile) -> Any:
    """An empty file whose members have an order, as NetCDF asks for."""
    plist = h5p.create(h5p.FILE_CREATE)
    plist.set_link_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    plist.set_attr_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    return create(target, plist, h5p.create(h5p.FILE_ACCESS))


def chunks_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Runs of an array in memory, as the shape of pieces."""
    lengths = [max(1, length) for length in shape]
    for axis, length in enumerate(lengths):
        whole = math.prod(lengths[axis + 1 :])
        lengths[axis] = max(1, min(length, CHUNK // whole))
    return tuple(lengths)
