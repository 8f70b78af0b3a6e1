"""The channels of a file: those of its fields side by side, and which of them a tile has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbn import ChannelQuantiles, ChannelStats
from fastbn._channel_quantiles import quantiles_side_by_side
from fastbn._channel_stats import side_by_side

from ._fields import Field, Place, Values

Statistics = ChannelStats | ChannelQuantiles
Key = tuple[int, tuple[tuple[int, int], ...]]  # a field, and the ends of a tile along its kept axes


def key_of(field: Field, place: Place) -> Key:
    """Which channels a tile has."""
    kept = (place.at[axis] for axis in field.axes.kept)
    return place.field, tuple((part.start, part.stop) for part in kept)


class Channels:
    """The channels of some fields.

    Those of a single field without a name have the shape of its kept axes; those of several fields are flat, one field
    after the other.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = fields
        self.alone = len(fields) == 1 and fields[0].name is None
        counts = [field.axes.channels for field in fields]
        self._first = [0, *itertools.accumulate(counts)]
        self.shape: tuple[int, ...] = fields[0].axes.shape if self.alone else (self._first[-1],)
        self._last: tuple[Any, Any, Any] = (None, None, None)  # most often the next tile has the same channels

    @property
    def names(self) -> tuple[str, ...] | None:
        """Their names, if all have some."""
        names: list[str] = []
        for field in self.fields:
            if field.axes.kept and (field.channels is None or len(field.axes.kept) > 1):
                return None
            of_axis = field.channels or ("",)
            names += [":".join(filter(None, (field.name, name))) for name in of_axis]
        unique = len(set(names)) == len(names) and len(self.shape) == 1
        return tuple(names) if unique and all(names) else None

    def label(self, field: int, channel: int) -> str:
        """One channel of a field, for people."""
        if self.names is not None:
            return repr(self.names[self._first[field] + channel])
        kept = self.fields[field].axes.shape
        where = tuple(int(place) for place in np.unravel_index(channel, kept)) if kept else ()
        name = self.fields[field].name
        return str(where) if name is None else f"{name} {where}"

    def joined(self, parts: Mapping[Key, Statistics]) -> Any:
        """Put together what was found for the channels of tiles."""
        keys = sorted(parts)
        if len(keys) == 1 and self.alone:
            stats = parts[keys[0]]
        else:
            found = [parts[key] for key in keys]
            join: Any = side_by_side if isinstance(found[0], ChannelStats) else quantiles_side_by_side
            flat = join(found)
            numbers = np.concatenate([self._numbers(key).reshape(-1) for key in keys])
            stats = flat.select(np.argsort(numbers).reshape(self.shape))
        return stats if self.names is None else stats.with_names(self.names)

    def part(self, stats: Any, key: Key) -> Any:
        """The statistics of the channels of a tile, in the shape of its kept axes."""
        if self._last[0] is not stats or self._last[1] != key:
            self._last = stats, key, self._part(stats, key)
        return self._last[2]

    def _part(self, stats: Any, key: Key) -> Any:
        if not self.alone:
            return stats.select(self._numbers(key))
        if all(ends == (0, length) for ends, length in zip(key[1], self.shape, strict=True)):
            return stats
        return stats.select(tuple(slice(*ends) for ends in key[1]))

    def _numbers(self, key: Key) -> NDArray[np.intp]:
        number, ends = key
        field = self.fields[number]
        every = np.arange(self._first[number], self._first[number + 1]).reshape(field.axes.shape)
        return np.asarray(every[tuple(slice(*end) for end in ends)])


def nodata_of(field: Field, given: Any, place: Place) -> Any:
    """The values that stand for none at a place: those given, else the file's own; None: there are none."""
    nodata = field.nodata if given is None else given
    if not isinstance(nodata, np.ndarray) or not nodata.ndim:
        return nodata
    return nodata[tuple(place.at[axis] for axis in field.axes.kept)]


def absence(field: Field, value: Values, nodata: Any) -> NDArray[np.bool_] | None:
    """Where a tile holds nothing; None: nowhere."""
    if nodata is None:
        return value.absent
    stands = np.asarray(nodata)
    if value.data.dtype.kind == "f":  # as the library's functions take it
        stands = stands.astype(value.data.dtype)
    if stands.ndim:  # one for every channel
        lengths = value.data.shape
        stands = stands.reshape([lengths[axis] if axis in field.axes.kept else 1 for axis in range(len(lengths))])
    absent = np.asarray(value.data == stands)
    if value.data.dtype.kind == "f":
        absent |= np.isnan(value.data) & np.isnan(stands)
    return absent if value.absent is None else absent | value.absent
