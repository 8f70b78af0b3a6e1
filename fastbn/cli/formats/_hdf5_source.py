"""What is common to formats that are HDF5: their variables are read, and a file like it is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from fastbn._layout import ChannelAxis

from .._choice import Choice, chosen
from .._errors import JobError
from .._fields import Field, Source, Tile, Values
from .._tiles import extent
from . import reading
from ._dimensions import MOST_NAMES, kept_axes, names_of, one_axis
from ._hdf5_sink import Hdf5Sink, Like
from ._hdf5_walk import Entry, check_readable, is_number, is_scale, open_file, walk
from ._packing import Packing, packing_of

NO_VALUES = b"This is a netCDF dimension but not a netCDF variable."
Pick = Callable[[Sequence[Entry], Sequence[Entry]], Sequence[Entry]]  # of numbers, and of all, what are variables


class Variable(NamedTuple):
    """A field, and what it is in the file."""

    entry: Entry
    field: Field
    packing: Packing


class Hdf5Source(Source):
    """A file whose data sets of numbers are variables."""

    def __init__(
        self, path: Path, form: str, file: h5py.File, entries: Sequence[Entry], variables: Sequence[Variable]
    ) -> None:
        self.path = path
        self.format = form
        self.fields = tuple(variable.field for variable in variables)
        self.copies = 2 if any(_takes_room(variable) for variable in variables) else 1
        self._filtered = [bool(variable.entry.object.id.get_create_plist().get_nfilters()) for variable in variables]
        self._file = file
        self._entries = entries
        self._variables = variables

    def read(self, tile: Tile) -> list[Values]:
        (place,) = tile
        variable = self._variables[place.field]
        dataset = variable.entry.object
        stored = np.empty(extent(place.at), dataset.dtype.newbyteorder("="))
        with reading(self.path, self.format):
            if stored.size:
                dataset.read_direct(stored, place.at or None)
        return [variable.packing.unpacked(stored)]

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> Hdf5Sink:  # noqa: ARG002 - is 0
        names = [variable.entry.name for variable in self._variables]
        like = Like(self.path, self._file, self._entries, cf=self.format == "NetCDF")
        return Hdf5Sink(scratch, like, names, dtypes)

    def needs(self, dtypes: Sequence[np.dtype[Any]]) -> int:
        fields = zip(self.fields, dtypes, self._filtered, strict=True)
        return sum(math.prod(field.shape) * dtype.itemsize for field, dtype, filtered in fields if not filtered)

    def close(self) -> None:
        with suppress(RuntimeError):  # of a damaged file, of which nothing is wanted any more
            self._file.close()


def open_hdf5(path: Path, form: str, choice: Choice, pick: Pick) -> Hdf5Source:
    """Open a file; `pick` says which data sets are variables where nobody has."""
    choice.only(path, form, "channel_axis", "channel_dim", "variables")
    with reading(path, form):
        file = open_file(path)
    try:
        with reading(path, form):
            entries = walk(path, file)
            return Hdf5Source(path, form, file, entries, _variables(path, choice, entries, pick))
    except BaseException:
        with suppress(RuntimeError):
            file.close()
        raise


def _variables(path: Path, choice: Choice, entries: Sequence[Entry], pick: Pick) -> list[Variable]:
    numbers = {shown(entry): entry for entry in entries if is_number(entry.object)}
    if choice.variables is None:
        names = tuple(shown(entry) for entry in pick(list(numbers.values()), entries))
    else:
        names = chosen(path, "variables", choice.variables, list(numbers))
    if not names:
        there = f"; --variables chooses among {', '.join(numbers)}" if numbers else ""
        raise JobError(f"{path}: no variables of numbers{there}")
    dims = [_dims(numbers[name].object) for name in names]
    return [
        _variable(path, name, numbers[name], kept)
        for name, kept in zip(names, kept_axes(path, choice, dims), strict=True)
    ]  # fmt: skip


def _variable(path: Path, name: str, entry: Entry, channel_axis: ChannelAxis) -> Variable:
    dataset = entry.object
    check_readable(path, name, dataset)
    packing = packing_of(f"{path}/{name}", dataset.attrs, dataset.dtype.newbyteorder("="))
    order = tuple(range(len(dataset.shape)))
    field = Field(
        name, dataset.shape, packing.dtype, channel_axis, order, dataset.chunks, packing.nodata,
        _channels(dataset, channel_axis),
    )  # fmt: skip
    return Variable(entry, field, packing)


def shown(entry: Entry) -> str:
    """The name by which people know a data set; NetCDF has another for variables named as a dimension they lack."""
    return entry.name.replace("_nc4_non_coord_", "")


def _dims(dataset: h5py.Dataset) -> list[str]:
    """Names of the axes: those of their scales, or labels."""
    if is_scale(dataset) and dataset.ndim == 1:
        return [_last(dataset.name)]
    names = []
    for axis in range(dataset.ndim):
        scales = dataset.dims[axis]
        names.append(_last(scales[0].name) if len(scales) else scales.label)
    return names


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _channels(dataset: h5py.Dataset, channel_axis: ChannelAxis) -> tuple[str, ...] | None:
    """Names of channels: the values of the scale along the one axis that is kept."""
    axis = one_axis(channel_axis, dataset.ndim)
    if axis is None or not len(dataset.dims[axis]) or dataset.shape[axis] > MOST_NAMES:
        return None
    scale = dataset.dims[axis][0]
    bare = scale.attrs.get("NAME", b"").startswith(NO_VALUES)
    packed = not {"scale_factor", "add_offset"}.isdisjoint(scale.attrs)
    if bare or packed or scale.shape != (dataset.shape[axis],):
        return None
    texts = h5py.check_string_dtype(scale.dtype) is not None
    if not texts and not is_number(scale):
        return None
    check_readable(Path(dataset.file.filename), scale.name, scale)
    return names_of(scale[...])


def _takes_room(variable: Variable) -> bool:
    """Whether reading takes more than the values: what is compressed or packed is there twice."""
    chunked = variable.entry.object.chunks is not None
    return chunked or variable.packing.packed or len(variable.packing.missing) > 1
