"""The classic NetCDF format, read with SciPy: the file is mapped into memory, of which no more stays than a tile."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from fastbn._layout import ChannelAxis

from .._choice import Choice, chosen
from .._errors import JobError
from .._fields import Field, Source, Tile, Values
from .._tiles import Index
from . import reading
from ._dimensions import MOST_NAMES, kept_axes, names_of, one_axis
from ._netcdf_new import NewNetcdf, chunks_of
from ._packing import Packing, packing_of
from ._relations import is_time, related

NUMBERS = "iuf"


class Classic:
    """What is in a file."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._netcdf = netcdf_file(file, mmap=True)
        self.dimensions: Mapping[str, int | None] = self._netcdf.dimensions  # None: of records, which can grow
        self.variables: Mapping[str, Any] = self._netcdf.variables
        for name, variable in self.variables.items():
            if any(self.dimensions[dim] not in {None, length} for dim, length in _axes(variable)):
                raise JobError(f"{path}: {name}: its shape is not that of its dimensions")
        if self._netcdf._recs < 0:
            raise JobError(f"{path}: does not say how many records it has")

    def attributes(self, name: str | None = None) -> dict[str, Any]:
        """Those of a variable, or of the file, as Python and NumPy have them."""
        holder = self._netcdf if name is None else self.variables[name]
        return {key: _native(value) for key, value in holder._attributes.items()}

    def stored(self, name: str, at: Index) -> NDArray[Any]:
        """A part of a variable; what was mapped for it is let go."""
        if os.fstat(self._file.fileno()).st_size < self._size:  # to touch what is gone would kill the process
            raise JobError(f"{self.path}: ends before its data do: somebody has truncated it")
        mapped = self.variables[name].data
        copied = np.array(mapped[at], mapped.dtype.newbyteorder("="), order="C")
        while isinstance(mapped, (np.ndarray, memoryview)):
            mapped = mapped.obj if isinstance(mapped, memoryview) else mapped.base
        if hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
        return copied

    def close(self) -> None:
        """Let go of the file; the mapping goes with its last array."""
        self._file.close()


class ClassicSource(Source):
    """A file whose variables are fields."""

    format = "NetCDF"

    def __init__(self, classic: Classic, choice: Choice) -> None:
        self.path = classic.path
        self._classic = classic
        names = self._chosen(choice)
        kept = kept_axes(self.path, choice, [classic.variables[name].dimensions for name in names])
        self._packings = [_packing(classic, name) for name in names]
        parts = zip(names, kept, self._packings, strict=True)
        self.fields = tuple(_field(classic, name, axes, packing.dtype, packing.nodata) for name, axes, packing in parts)
        self.copies = 2 if any(packing.packed or len(packing.missing) > 1 for packing in self._packings) else 1

    def read(self, tile: Tile) -> list[Values]:
        (place,) = tile
        stored = self._classic.stored(str(self.fields[place.field].name), place.at)
        return [self._packings[place.field].unpacked(stored)]

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> NewNetcdf:  # noqa: ARG002 - is 0
        return NewNetcdf(scratch, self._classic, self.fields, dtypes)

    def needs(self, dtypes: Sequence[np.dtype[Any]]) -> int:
        return sum(math.prod(field.shape) * dtype.itemsize for field, dtype in zip(self.fields, dtypes, strict=True))

    def close(self) -> None:
        self._classic.close()

    def _chosen(self, choice: Choice) -> tuple[str, ...]:
        variables = self._classic.variables
        numbers = [name for name, variable in variables.items() if variable.data.dtype.kind in NUMBERS]
        if choice.variables is not None:
            return chosen(self.path, "variables", choice.variables, numbers)
        every = {name: self._classic.attributes(name) for name in variables}
        describing = {*related({"": self._classic.attributes(), **every}), *self._classic.dimensions}
        names = [
            name
            for name in numbers
            if variables[name].data.ndim and name not in describing and not is_time(every[name])
        ]  # fmt: skip
        if not names:
            raise JobError(f"{self.path}: no variables of numbers; --variables chooses among {', '.join(numbers)}")
        return tuple(names)


def open_classic(path: Path, choice: Choice) -> ClassicSource:
    """Open a file."""
    choice.only(path, "NetCDF", "channel_axis", "channel_dim", "variables")
    file = path.open("rb")
    try:
        with reading(path, "NetCDF"):
            return ClassicSource(Classic(path, file), choice)
    except BaseException:
        file.close()
        raise


def _axes(variable: Any) -> list[tuple[str, int]]:
    return list(zip(variable.dimensions, variable.data.shape, strict=True))


def _packing(classic: Classic, name: str) -> Packing:
    return packing_of(name, classic.attributes(name), classic.variables[name].data.dtype.newbyteorder("="))


def _field(classic: Classic, name: str, channel_axis: ChannelAxis, dtype: np.dtype[Any], nodata: Any) -> Field:
    variable = classic.variables[name]
    shape = variable.data.shape
    blocks = chunks_of(shape) if any(classic.dimensions[dim] is None for dim in variable.dimensions) else None
    axis = one_axis(channel_axis, len(shape))
    channels = None if axis is None else _channels(classic, variable.dimensions[axis], shape[axis])
    return Field(name, shape, dtype, channel_axis, tuple(range(len(shape))), blocks, nodata, channels)


def _channels(classic: Classic, dim: str, count: int) -> tuple[str, ...] | None:
    """Names of channels: the values of their coordinate."""
    if dim not in classic.variables or count > MOST_NAMES or classic.variables[dim].data.shape != (count,):
        return None
    plain = classic.variables[dim].data.dtype.kind in NUMBERS and not _packing(classic, dim).packed
    return names_of(classic.stored(dim, (slice(0, count),))) if plain else None


def _native(value: Any) -> Any:
    """Text, a number or an array of this machine's byte order."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (np.ndarray, np.generic)):
        return value.astype(value.dtype.newbyteorder("="))
    return value
