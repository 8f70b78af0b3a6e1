"""Parquet files, read and written through pyarrow.

Row groups are read in batches, through small buffers, and never whole. They are written as the file had them; one of
more than `HELD` bytes becomes several, since pyarrow writes a row group at once. Compression, dictionaries and the
metadata of the schema are kept, of which pandas' part is told the new dtypes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from .._choice import Choice
from .._errors import JobError
from .._fields import Values
from . import reading
from ._tables import Column, Stream, TableSink, TableSource, column_of

BUFFER = 2**18  # bytes of a column chunk that are read at once; without it the whole of it is
BATCH = 2**11  # rows at once of columns that pass through ...
BATCH_BYTES = 2**22  # ... of so many bytes at most, as far as the file says how large they are
HELD = 96  # bytes of a row group that wait to be written, for every element that a tile may have
# One run of equal values is up to 2^31 of them in a few bytes; more than this only a damaged footer has.
MOST_ROWS_PER_BYTE = 2**27
PANDAS = b"pandas"
NULLABLE = {"Float32", "Float64"}  # of pandas; there is none of 16 bits


class ParquetSource(TableSource):
    """The columns of numbers of a Parquet file."""

    format = "Parquet"

    def __init__(self, path: Path, file: pq.ParquetFile, columns: Sequence[Column], rows: int, choice: Choice) -> None:
        super().__init__(path, columns, rows, choice)
        self.file = file

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> ParquetSink:  # noqa: ARG002 - it is 0
        return ParquetSink(scratch, self, dtypes)

    def batches(self, numbers: Sequence[int], rows: int) -> Iterator[pa.RecordBatch]:
        """Columns, from the first row on, read from a file of their own."""
        every = self.file.schema_arrow.names
        names = [every[number] for number in numbers]
        with _opened(self.path) as file:
            # A name with a dot stands for a part of a nested column as well: more may come than was asked for.
            for batch in file.iter_batches(rows, columns=names, use_threads=False):
                yield batch.select(names)

    def close(self) -> None:
        super().close()
        self.file.close()

    def _numbers(self, step: int) -> Iterator[pa.RecordBatch]:
        return self.batches(self.chosen, step)


class ParquetSink(TableSink):
    """A Parquet file that is being written, row group by row group."""

    def __init__(self, scratch: Path, source: ParquetSource, dtypes: Sequence[np.dtype[Any]]) -> None:
        others = source.batches(source.others, _batch(source.file.metadata)) if source.others else None
        super().__init__(source, None if others is None else Stream(others))
        self._schema = _schema(source, dtypes)
        metadata = source.file.metadata
        groups = (metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
        self._groups = iter([rows for rows in groups if rows])
        self._left = next(self._groups, 0)  # rows that the row group still takes
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._most = HELD * source.limit
        self._writer = pq.ParquetWriter(str(scratch.absolute()), self._schema, **_properties(metadata, self._schema))

    def close(self) -> None:
        self._writer.close()

    def _write(self, columns: Sequence[Any]) -> None:
        arrays = [
            column_of(column, nullable=field.nullable) if isinstance(column, Values) else column
            for column, field in zip(columns, self._schema, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        while batch.num_rows:
            part = batch.slice(0, self._left)
            batch = batch.slice(part.num_rows)
            self._held.append(part)
            self._bytes += part.nbytes
            self._left -= part.num_rows
            if not self._left or self._bytes >= self._most:
                self._flush()
            if not self._left:
                self._left = next(self._groups, 0)

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._held)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._held, self._bytes = [], 0
        del table
        pa.default_memory_pool().release_unused()  # some pools keep what they have for long


def open_source(path: Path, choice: Choice) -> ParquetSource:
    """Open the table of a Parquet file."""
    choice.only(path, "Parquet", "columns")
    with reading(path, "Parquet"):
        file = _opened(path)
    try:
        with reading(path, "Parquet"):
            rows = _rows(path, file.metadata)
            if file.schema_arrow.names.count("") > 1:
                raise JobError(f"{path}: two columns have no name")
            index = _index(file.schema_arrow)
            columns = [Column(f.name, _dtype(f.type), f"{f.type}", f.name not in index) for f in file.schema_arrow]
        return ParquetSource(path, file, columns, rows, choice)
    except BaseException:
        file.close()
        raise


def _opened(path: Path) -> pq.ParquetFile:
    # A file, not a name, which pyarrow would take for an address if it looked like one.
    file = pa.OSFile(str(path.absolute()))
    try:
        return pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
    except BaseException:
        file.close()
        raise


def _rows(path: Path, metadata: pq.FileMetaData) -> int:
    """How many rows there are, if that can be."""
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    most = path.stat().st_size * MOST_ROWS_PER_BYTE
    if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows or sum(groups) > most:
        raise JobError(f"{path}: the footer gives a number of rows that the file does not have: {metadata.num_rows}")
    return sum(groups)


def _dtype(kind: pa.DataType) -> np.dtype[Any] | None:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    return None


def _batch(metadata: pq.FileMetaData) -> int:
    """Rows of what passes through that are read at once."""
    total = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    rows: int = BATCH_BYTES * metadata.num_rows // max(1, total)
    return max(1, min(BATCH, rows))


def _schema(source: ParquetSource, dtypes: Sequence[np.dtype[Any]]) -> pa.Schema:
    """The schema with other types of the fields."""
    old = source.file.schema_arrow
    names = old.names
    types = dict(zip(source.chosen, dtypes, strict=True))
    fields = [
        field.with_type(pa.from_numpy_dtype(types[number])) if number in types else field
        for number, field in enumerate(old)
    ]
    metadata = dict(old.metadata or {})
    if PANDAS in metadata:
        with suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):  # else it stays as it is
            metadata[PANDAS] = _pandas(metadata[PANDAS], {names[n]: dtype.name for n, dtype in types.items()})
    return pa.schema(fields, metadata)


def _pandas(text: bytes, dtypes: dict[str, str]) -> bytes:
    """What pandas has noted of a table, with other dtypes of some columns."""
    noted = json.loads(text)
    for column in noted["columns"]:
        name = column.get("field_name", column["name"])
        if name in dtypes:
            dtype = dtypes[name]
            numpy_type = str(column["numpy_type"])
            nullable = dtype.capitalize() if numpy_type[:1].isupper() or numpy_type == "boolean" else ""
            column.update(pandas_type=dtype, numpy_type=nullable if nullable in NULLABLE else dtype, metadata=None)
    return json.dumps(noted).encode()


def _index(schema: pa.Schema) -> set[str]:
    """The columns that pandas takes for the index."""
    with suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):
        noted = json.loads((schema.metadata or {}).get(PANDAS, b"{}"))
        return {name for name in noted.get("index_columns", ()) if isinstance(name, str)}
    return set()


def _properties(metadata: pq.FileMetaData, schema: pa.Schema) -> dict[str, Any]:
    """How the columns of the first row group are stored, as arguments of a writer."""
    if not metadata.num_row_groups:
        return {}
    first = metadata.row_group(0)
    old = [first.column(number) for number in range(metadata.num_columns)]
    columns = dict(zip(_leaves(schema), old, strict=True))
    dictionaries = [name for name, column in columns.items() if _has_dictionary(column)]
    return {
        "compression": {name: _codec(column.compression) for name, column in columns.items()},
        "use_dictionary": dictionaries or False,
        "write_statistics": [name for name, column in columns.items() if column.is_stats_set] or False,
    }


def _has_dictionary(column: pq.ColumnChunkMetaData) -> bool:
    """Whether a column chunk has a dictionary that is of use: writers try one for numbers that hardly ever repeat."""
    width = {"INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8}.get(column.physical_type)
    small = width is None or column.total_uncompressed_size < width * column.num_values
    return small and any("DICTIONARY" in encoding for encoding in column.encodings)


def _codec(name: str) -> str:
    return "NONE" if name == "UNCOMPRESSED" else name


def _leaves(schema: pa.Schema) -> list[str]:
    """What the columns are called in a file, nested ones by their parts."""
    file = io.BytesIO()
    pq.ParquetWriter(file, schema).close()
    written = pq.ParquetFile(file).schema
    return [written.column(number).path for number in range(len(written))]
