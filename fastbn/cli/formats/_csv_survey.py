"""A first pass over a CSV file: its dialect, its columns, how many rows it has, and which columns are numbers."""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import csv as pacsv

from .._errors import JobError
from ._csv_cells import Numbers
from ._tables import MOST_COLUMNS

# Bytes of a file that are parsed at once; larger ones where a row is longer than that. pyarrow reads some 40 ahead.
BLOCKS = (2**19, 2**21)
LONGEST = BLOCKS[-1]  # bytes of a row
SIGNATURE = b"\xef\xbb\xbf"  # which some programs put before UTF-8
UTF16 = (b"\xff\xfe", b"\xfe\xff")
# The first line with something in it: quoted parts, in which a line may end, and others; then the end of the line.
HEAD = re.compile(rb'[\r\n]*+((?:"[^"]*+"|[^"\r\n]++)*+)(\r\n|\r|\n|\Z)')
DELIMITERS = ",;\t"  # in this order, where the first line has as many of two
RACY = 2e9  # nanoseconds within which a file may change and keep its time


class Dialect(NamedTuple):
    """How a file is written."""

    head: bytes  # all up to the end of the first line
    delimiter: str
    decimal: str
    end: str  # of lines
    columns: int
    block: int


class Survey(NamedTuple):
    """What a file holds."""

    dialect: Dialect
    names: tuple[str, ...]  # "": the column has none
    numbers: tuple[Numbers, ...]
    rows: int


def surveyed(path: Path) -> Survey:
    """Survey a file, or remember it from the last time, if its size and times say that nobody has changed it."""
    status = path.stat()
    if time.time_ns() - status.st_mtime_ns < RACY:
        return _survey(path)
    return _remembered(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(64)
def _remembered(path: Path, *_: int) -> Survey:
    return _survey(path)


def cells(path: Path, dialect: Dialect, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The text of some columns, block by block."""
    names = [str(number) for number in range(dialect.columns)]
    wanted = [names[number] for number in columns]
    read = pacsv.ReadOptions(column_names=names, block_size=dialect.block, use_threads=False)
    parse = pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=wanted, strings_can_be_null=False
    )
    with pa.OSFile(str(path.absolute())) as file:
        file.seek(len(dialect.head))
        if not file.read(1):
            return  # which pyarrow refuses
        file.seek(len(dialect.head))
        with pacsv.open_csv(file, read, parse, convert) as batches:
            yield from batches


def _survey(path: Path) -> Survey:
    dialect, names = _first_line(path)
    # A comma may be the decimal mark where it does not part columns; which mark it is, all columns say together.
    marks = "." if dialect.delimiter == "," else ".,"
    for block in BLOCKS:
        dialect = dialect._replace(block=block)
        seen = {mark: [Numbers(mark) for _ in names] for mark in marks}
        try:
            rows = _see(path, dialect, [*seen.values()])
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
        else:
            break
    else:
        raise JobError(f"{path}: a row of more than {LONGEST} bytes, or a quote that is not closed")
    decimal = max(marks, key=lambda mark: sum(column.fractions and not column.why for column in seen[mark]))
    return Survey(dialect._replace(decimal=decimal), names, tuple(seen[decimal]), rows)


def _see(path: Path, dialect: Dialect, seen: Sequence[Sequence[Numbers]]) -> int:
    """Look at all cells; returns how many rows there are."""
    rows, last = 0, ""
    for batch in cells(path, dialect, range(dialect.columns)):
        if not batch.num_rows:
            continue
        rows += batch.num_rows
        last = batch.column(dialect.columns - 1)[-1].as_py()
        for columns in seen:
            for column, text in zip(columns, batch.columns, strict=True):
                column.see(text)
    # Which pyarrow takes for the end of the cell.
    if any(mark in last for mark in (dialect.delimiter, "\r", "\n")) and not _ends_quoted(path):
        raise JobError(f"{path}: a quote is not closed in the last of {rows} rows")
    return rows


def _ends_quoted(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read().rstrip(b"\r\n").endswith(b'"')


def _first_line(path: Path) -> tuple[Dialect, tuple[str, ...]]:
    """How the file is written, as far as its first line tells, and the names of its columns."""
    with path.open("rb") as file:
        start = file.read(LONGEST + 1)
    if start.startswith(UTF16):
        raise JobError(f"{path}: UTF-16; save it as UTF-8")
    signature = len(SIGNATURE) if start.startswith(SIGNATURE) else 0
    match = HEAD.match(start, signature)
    if match is None or match.end() > LONGEST:
        raise JobError(f"{path}: its first line does not end within {LONGEST} bytes, or a quote in it is not closed")
    if not match[1].strip():
        raise JobError(f"{path}: there is no line with the names of the columns")
    if b"\0" in match[1]:
        raise JobError(f"{path}: its first line holds null bytes: not a CSV file")
    text = match[1].decode("utf-8")
    delimiter = _delimiter(path, text)
    names = tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter)))
    if len(names) > MOST_COLUMNS:
        raise JobError(f"{path}: {len(names)} columns; {MOST_COLUMNS} are the most")
    named = [name for name in names if name]
    # pandas gives columns without names their numbers.
    if all(map(_is_number, named)) and named != [str(number) for number in range(len(named))]:
        raise JobError(f"{path}: its first line are numbers; wants the names of the columns there")
    return Dialect(start[: match.end()], delimiter, ".", match[2].decode() or "\n", len(names), 0), names


def _delimiter(path: Path, line: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    bare = re.sub('"[^"]*"', "", line)
    return max(DELIMITERS, key=bare.count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
