"""CSV files, read and written through pyarrow, of rows that are streamed.

What a column holds is known after a first pass over the whole file (`survey`): numbers, if every cell that is not null
reads as one. All other columns are text, and pass through as they are, but for quotes that they do not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from .._choice import Choice
from .._fields import Values
from . import reading
from ._csv_cells import as_numbers, formatted, quoted
from ._csv_survey import Survey, cells, surveyed
from ._tables import Column, Stream, TableSink, TableSource, column_of


class CsvSource(TableSource):
    """The columns of numbers of a CSV file."""

    format = "CSV"

    def __init__(self, path: Path, survey: Survey, choice: Choice) -> None:
        columns = [
            Column(name, number.dtype, number.why, not number.empty)
            for name, number in zip(survey.names, survey.numbers, strict=True)
        ]
        super().__init__(path, columns, survey.rows, choice)
        self.survey = survey

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> CsvSink:  # noqa: ARG002 - it is 0
        return CsvSink(scratch, self)

    def _numbers(self, step: int) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - blocks of the file are smaller
        types = [pa.from_numpy_dtype(field.dtype) for field in self.fields]
        for batch in cells(self.path, self.survey.dialect, self.chosen):
            columns = [
                as_numbers(column, kind, self.survey.dialect.decimal)
                for column, kind in zip(batch.columns, types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, batch.schema.names)


class CsvSink(TableSink):
    """A CSV file that is being written, with the first line of another."""

    def __init__(self, scratch: Path, source: CsvSource) -> None:
        self._dialect = source.survey.dialect
        others = cells(source.path, self._dialect, source.others) if source.others else None
        super().__init__(source, None if others is None else Stream(others))
        self._file = scratch.open("rb+")
        self._file.write(self._dialect.head)

    def close(self) -> None:
        self._file.close()

    def _write(self, columns: Sequence[Any]) -> None:
        delimiter, end = self._dialect.delimiter, self._dialect.end
        texts = [
            formatted(column_of(column), self._dialect.decimal)
            if isinstance(column, Values)
            else quoted(column, delimiter)
            for column in columns
        ]
        if len(texts) == 1:  # an empty line would be none
            texts = [pc.if_else(pc.equal(pc.fill_null(texts[0], ""), ""), '""', texts[0])]
        lines = pc.binary_join_element_wise(*texts, delimiter, null_handling="replace", null_replacement="")
        lines = pc.binary_join_element_wise(lines, "", end)  # ends of lines
        _, offsets, data = lines.buffers()
        ends = np.frombuffer(offsets, np.int32)
        self._file.write(memoryview(data)[ends[lines.offset] : ends[lines.offset + len(lines)]])


def open_source(path: Path, choice: Choice) -> CsvSource:
    """Open the table of a CSV file, which is read once for it."""
    choice.only(path, "CSV", "columns")
    with reading(path, "CSV"):
        return CsvSource(path, surveyed(path), choice)
