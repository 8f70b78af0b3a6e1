"""A few values of every channel, spread evenly over files of any size, the same ones whenever the job is repeated.

The values of a channel are numbered in the order in which the tiles come. Of every `step` of them one is taken, at
another place in each stretch: with a fixed place, a step that divides the length of a row would see a single column.
Where a channel has more values than were expected, as other files follow, every second one is dropped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._channels import Key, absence, key_of
from ._fields import Field, Place, Values
from ._tiles import extent

MOST = 2**15  # values of a channel
MOST_IN_ALL = 2**17  # of all channels: that many take some milliseconds
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples, without their integer parts, are spread evenly

Floats = NDArray[np.float64]


class Samples:
    """Samples of the first channels of some fields."""

    def __init__(self, fields: Sequence[Field], channels: int) -> None:
        counts = [field.axes.channels for field in fields]
        self._first = [0, *itertools.accumulate(counts)]
        self.drawn = min(channels, self._first[-1])
        most = min(MOST, MOST_IN_ALL // max(1, self.drawn))
        self._fields = [
            _FieldSample(field, min(count, max(0, self.drawn - first)), most)
            for field, count, first in zip(fields, counts, self._first, strict=False)
        ]

    def see(self, field: Field, place: Place, value: Values, nodata: Any) -> None:
        """Take some values of a tile."""
        self._fields[place.field].see(field, place, value, nodata)

    def where(self, number: int) -> tuple[int, int]:
        """The field, and the number in it, of a channel."""
        field = next(k for k, end in enumerate(self._first[1:]) if number < end)
        return field, number - self._first[field]

    def values(self, number: int) -> NDArray[Any]:
        """The sample of a channel, without what is missing."""
        field, channel = self.where(number)
        return self._fields[field].values(channel)


class _FieldSample:
    """Samples of the first channels of a field."""

    def __init__(self, field: Field, drawn: int, most: int) -> None:
        self._field = field
        self._drawn = drawn
        self._most = most
        self._step = max(1, -(-field.axes.values // most))
        self._counts = np.zeros(drawn, np.int64)
        self._groups: dict[Key, _Group] = {}  # of the channels that tiles have in common

    def see(self, field: Field, place: Place, value: Values, nodata: Any) -> None:
        key = key_of(field, place)
        if key not in self._groups:
            self._groups[key] = _Group(field, place, self._drawn)
        group = self._groups[key]
        if not group.channels.size:
            return
        self._counts[group.channels] += group.take(field, place, value, nodata, self._step)
        while self._counts.max() > self._most:
            self._step *= 2
            self._counts[:] = 0
            for each in self._groups.values():
                self._counts[each.channels] += each.thin()

    def values(self, channel: int) -> NDArray[Any]:
        found = [part for group in self._groups.values() for part in group.values(channel)]
        return np.concatenate(found) if found else np.empty(0, self._field.dtype)


class _Group:
    """Samples of channels that are side by side in tiles."""

    def __init__(self, field: Field, place: Place, drawn: int) -> None:
        kept = [place.at[axis] for axis in field.axes.kept]
        every = np.atleast_1d(np.arange(field.axes.channels).reshape(field.axes.shape)[tuple(kept)])
        local = np.nonzero(every < drawn)
        self.channels = every[local]
        self._local = tuple(column[:, np.newaxis] for column in local) if kept else ()
        self._seen = 0  # values of each channel
        self._next = 0  # the stretch of which none was taken yet
        self._values: list[NDArray[Any]] = []  # a row for each channel
        self._there: list[NDArray[np.bool_]] = []

    def take(self, field: Field, place: Place, value: Values, nodata: Any, step: int) -> int:
        """Take one value of every stretch that the tile has; say how many these are."""
        axes = field.axes
        lengths = [extent(place.at)[axis] for axis in axes.reduced]
        count = math.prod(lengths)
        chosen = self._chosen(count, step)
        if not chosen.size:
            return 0
        within = np.unravel_index(chosen, lengths) if lengths else ()
        order = (*axes.kept, *axes.reduced)
        index = (*self._local, *within)
        shape = (self.channels.size, chosen.size)
        values = value.data.transpose(order)[index].reshape(shape)
        absent = None if value.absent is None else value.absent.transpose(order)[index].reshape(shape)
        if isinstance(nodata, np.ndarray) and nodata.ndim:
            nodata = nodata[tuple(column[:, 0] for column in self._local)]
        absent = absence(Field(None, shape, values.dtype, 0, (0, 1)), Values(values, absent), nodata)
        self._values.append(values)
        self._there.append(np.ones(shape, np.bool_) if absent is None else ~absent)
        return chosen.size

    def _chosen(self, count: int, step: int) -> NDArray[np.int64]:
        """Which of the next `count` values are taken."""
        end = self._seen + count
        stretches = np.arange(self._next, -(-end // step))
        places = stretches * step + (stretches * GOLDEN % 1 * step).astype(np.int64)
        places = places[places < end]
        self._next += len(places)
        places = places[places >= self._seen] - self._seen
        self._seen = end
        return places

    def thin(self) -> int:
        """Drop every second value; say how many are left."""
        if self._values:
            self._values = [np.concatenate(self._values, axis=1)[:, ::2]]
            self._there = [np.concatenate(self._there, axis=1)[:, ::2]]
        self._next = -(-self._next // 2)
        return self._values[0].shape[1] if self._values else 0

    def values(self, channel: int) -> Iterator[NDArray[Any]]:
        for row in np.flatnonzero(self.channels == channel):
            yield from (values[row][there[row]] for values, there in zip(self._values, self._there, strict=True))
