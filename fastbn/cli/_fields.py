"""What a file is to the commands: fields, which are arrays with channels, read and written tile by tile.

A `.npy` file is one field without a name, a table has one for every column, a data set one for every variable. A format
is a `Source`, which knows its fields and reads tiles of them, and a `Sink`, which writes such tiles into a new file.
Everything else (statistics, threads, memory, safety, resuming) knows neither of the formats.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastbn._layout import Axes, ChannelAxis, split_axes

from ._tiles import Index, cut, extent


class Place(NamedTuple):
    """A part of a field."""

    field: int  # its number in the file
    at: Index


Tile = tuple[Place, ...]  # what is read, and written, at once


class Values(NamedTuple):
    """What a field holds at a place."""

    data: NDArray[Any]
    absent: NDArray[np.bool_] | None = None  # where there is nothing, whatever the data say; None: nowhere


@dataclass(frozen=True)
class Field:
    """An array in a file."""

    name: str | None  # None: the only one, in a format that names none
    shape: tuple[int, ...]
    dtype: np.dtype[Any]  # of what is read
    channel_axis: ChannelAxis  # the axes that are kept
    order: tuple[int, ...]  # the axes as the file holds them, the slowest first
    blocks: tuple[int, ...] | None = None  # the shape of what the file holds in one piece
    nodata: Any = None  # the value that stands for none; or an array of them, of the shape of the kept axes
    channels: tuple[str, ...] | None = None  # names, where one axis is kept

    @property
    def axes(self) -> Axes:
        """Kept and reduced axes; a ValueError if there are no such."""
        return split_axes(self.shape, self.channel_axis)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


class Sink(Protocol):
    """A new file (or directory) that is being written."""

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        """Write a tile, in the order in which the source gave them."""

    def sync(self) -> None:
        """Have all that was written so far last through a power cut; an error if a file cannot be continued."""

    def close(self) -> None:
        """Write what is still missing."""


class Source(ABC):
    """A file that is open for reading; a context manager."""

    format: str  # as users call it
    path: Path
    fields: tuple[Field, ...]
    copies: int = 1  # arrays of the size of a tile that reading or writing one takes
    resumable: bool = False  # whether `sink` can continue what an earlier process wrote

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tiles(self, limit: int, *, whole_channels: bool) -> Iterator[Tile]:
        """Tiles of at most `limit` elements, where the file's blocks allow, which cover every element once.

        In the order of the file, and if `whole_channels`, never cut along axes that are kept.
        """
        for number, field in enumerate(self.fields):
            for index in self._cut(field, limit, whole_channels):
                yield (Place(number, index),)

    def largest(self, limit: int, *, whole_channels: bool) -> int:
        """Elements of the largest of such tiles; of an array it is the first."""
        firsts = (extent(next(self._cut(field, limit, whole_channels))) for field in self.fields)
        return max(map(math.prod, firsts), default=0)

    def slowest_first(self, field: Field) -> tuple[int, ...]:
        """The axes in the order in which tiles go through them."""
        return field.order

    def _cut(self, field: Field, limit: int, whole_channels: bool) -> Iterator[Index]:
        order = self.slowest_first(field)
        axes = [axis for axis in order if not whole_channels or axis in field.axes.reduced]
        return cut(field.shape, axes, limit, field.blocks)

    @abstractmethod
    def read(self, tile: Tile) -> list[Values]:
        """Read a tile, one array for each place; called by one thread at a time."""

    @abstractmethod
    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> Sink:
        """A new file like this one, whose fields have other dtypes.

        Parameters
        ----------
        scratch : Path
            What is there of it: an empty file, or, if `directory`, an empty directory.
        dtypes : sequence of dtype
            Of the fields, floating.
        done : int
            Tiles that an earlier process has written, whose work is continued; 0 unless `resumable`.
        """

    def needs(self, dtypes: Sequence[np.dtype[Any]]) -> int:  # noqa: ARG002 - formats that compress cannot tell
        """Bytes that a file with such dtypes takes, as far as is known; a JobError if there can be no such file."""
        return 0

    @property
    def directory(self) -> bool:
        """Whether such a file is a directory."""
        return False

    @property
    def identity(self) -> Any:
        """What JSON can hold and what changes when somebody writes to the file."""
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns]

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


def size_of(place: Place) -> int:
    """Elements at a place."""
    return math.prod(extent(place.at))
