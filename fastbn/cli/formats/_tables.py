"""Tables: every column of numbers that is chosen is a field; all other columns pass through unchanged.

A table is a stream of rows. Tiles are runs of rows of all fields, and reading one goes on where the last one ended. The
columns that pass through are read by the sink, piece by piece beside what it writes: they never wait in memory with
tiles.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .._choice import Choice, chosen
from .._errors import JobError
from .._fields import Field, Place, Source, Tile, Values, size_of
from . import reading

PIECE = 2**17  # cells that are written at once where no column passes through
MOST_COLUMNS = 2**16  # beyond it, each column costs more than its numbers do


class Column(NamedTuple):
    """A column of a table."""

    name: str  # "": it has none
    dtype: np.dtype[Any] | None  # None: no numbers
    kind: str  # what it holds instead, for people
    default: bool = True  # whether numbers are wanted if nobody says


class Stream:
    """Batches of rows, taken in runs of any length."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: pa.RecordBatch | None = None
        self.position = 0

    def take(self, count: int) -> Iterator[pa.RecordBatch]:
        """The next rows, in pieces as they come."""
        while count:
            if self._rest is None or not self._rest.num_rows:
                self._rest = next(self._batches, None)
                if self._rest is None:
                    raise ValueError("ends before its rows do")
            piece = self._rest.slice(0, count)
            self._rest = self._rest.slice(piece.num_rows)
            self.position += piece.num_rows
            count -= piece.num_rows
            yield piece


class TableSource(Source):
    """A table of which some columns are fields."""

    copies = 4  # pieces of a column, these put together, and the buffers of readers
    limit = 0  # elements of a tile

    def __init__(self, path: Path, columns: Sequence[Column], rows: int, choice: Choice) -> None:
        self.path = path
        self.rows = rows
        self.chosen = _chosen(path, columns, choice)
        self.fields = tuple(
            Field(columns[number].name, (rows,), _dtype(columns[number]), None, (0,)) for number in self.chosen
        )
        self.others = tuple(sorted(set(range(len(columns))) - set(self.chosen)))
        self._stream: Stream | None = None

    def tiles(self, limit: int, *, whole_channels: bool) -> Iterator[Tile]:  # noqa: ARG002 - no axis is kept
        """Runs of rows of all fields."""
        self.limit = limit
        step = max(1, limit // len(self.fields))
        starts = range(0, max(1, self.rows), step)
        runs = (slice(start, min(start + step, self.rows)) for start in starts)
        return (tuple(Place(number, (rows,)) for number in range(len(self.fields))) for rows in runs)

    def largest(self, limit: int, *, whole_channels: bool) -> int:
        # The first, however many a damaged file says that there are.
        return sum(map(size_of, next(self.tiles(limit, whole_channels=whole_channels))))

    def read(self, tile: Tile) -> list[Values]:
        (rows,) = tile[0].at
        with reading(self.path, self.format):
            if self._stream is None or rows.start < self._stream.position:
                self._stream = Stream(self._numbers(max(1, rows.stop - rows.start)))
            for _ in self._stream.take(rows.start - self._stream.position):
                pass
            pieces = list(self._stream.take(rows.stop - rows.start))
            return [
                _values([piece.column(place.field) for piece in pieces], self.fields[place.field].dtype)
                for place in tile
            ]

    def close(self) -> None:
        self._stream = None

    @abstractmethod
    def _numbers(self, step: int) -> Iterator[pa.RecordBatch]:
        """The fields from the first row on, best in batches of so many rows."""


class TableSink(ABC):
    """A table that is being written, in the order of its rows."""

    def __init__(self, source: TableSource, others: Stream | None) -> None:
        self._source = source
        self._others = others  # None: every column is a field
        made: Mapping[int, int] = {number: field for field, number in enumerate(source.chosen)}
        self._made = [made.get(number) for number in range(len(source.chosen) + len(source.others))]

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        (rows,) = tile[0].at
        start = 0
        for count, others in self._pieces(rows.stop - rows.start):
            part = slice(start, start + count)
            left = iter(others)
            self._write([next(left) if field is None else cut(values[field], part) for field in self._made])
            start += count

    def sync(self) -> None:
        raise io.UnsupportedOperation("a table is not continued")

    @abstractmethod
    def close(self) -> None:
        """Write what is still missing."""

    @abstractmethod
    def _write(self, columns: Sequence[Any]) -> None:
        """Write some rows: `Values` of fields, and columns as they were read."""

    def _pieces(self, count: int) -> Iterator[tuple[int, Sequence[pa.Array]]]:
        if self._others is None:
            step = max(1, PIECE // len(self._made))
            for start in range(0, count, step):
                yield min(step, count - start), ()
            return
        with reading(self._source.path, self._source.format):
            for piece in self._others.take(count):
                yield piece.num_rows, piece.columns


def cut(values: Values, part: slice) -> Values:
    """Some rows of a column."""
    return Values(values.data[part], None if values.absent is None else values.absent[part])


def column_of(values: Values, *, nullable: bool = True) -> pa.Array:
    """A column of numbers, which are null where there is nothing; NaN if the column must not have nulls."""
    return pa.array(values.data, mask=values.absent if nullable else None, from_pandas=False)


def _values(pieces: Sequence[pa.Array], dtype: np.dtype[Any]) -> Values:
    data = np.concatenate([np.empty(0, dtype), *(_numbers_of(piece, dtype) for piece in pieces)])
    if not any(piece.null_count for piece in pieces):
        return Values(data)
    return Values(data, np.concatenate([piece.is_null().to_numpy(zero_copy_only=False) for piece in pieces]))


def _numbers_of(piece: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "b":
        piece = piece.cast(pa.uint8())  # Arrow has 8 in a byte
    start = piece.offset * dtype.itemsize
    return np.frombuffer(piece.buffers()[1], dtype, len(piece), start) if len(piece) else np.empty(0, dtype)


def _chosen(path: Path, columns: Sequence[Column], choice: Choice) -> tuple[int, ...]:
    """The numbers of the columns that are fields."""
    if len(columns) > MOST_COLUMNS:
        raise JobError(f"{path}: {len(columns)} columns; {MOST_COLUMNS} are the most")
    places: dict[str, int] = {}
    for number, column in enumerate(columns):
        if places.setdefault(column.name, number) != number and column.name:
            raise JobError(f"{path}: two columns have the name {column.name!r}")
    if choice.columns is None:
        every = tuple(n for n, column in enumerate(columns) if column.name and column.default and column.dtype)
        if not every:
            raise JobError(f"{path}: no column holds numbers")
        return every
    numbers = tuple(places[name] for name in chosen(path, "columns", choice.columns, [*filter(None, places)]))
    for number in numbers:
        if columns[number].dtype is None:
            raise JobError(f"{path}: --columns: {columns[number].name!r} holds no numbers: {columns[number].kind}")
    return numbers


def _dtype(column: Column) -> np.dtype[Any]:
    assert column.dtype is not None
    return column.dtype
