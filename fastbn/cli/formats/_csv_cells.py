"""Cells of CSV files: which are numbers, and how numbers and text are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

# Spellings of a cell without a value. A NaN is not among them: it is a number that says it is none.
NULLS = pa.array(["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None"])
# A number that starts with a 0 is a label, and so are a hexadecimal one and the number of a phone.
LABEL = r"^[ \t]*(?:[+-]?0[0-9xX]|\+[0-9]{7,15}[ \t]*$)"
INTEGER = r"^[ \t]*[+-]?[0-9]+[ \t]*$"
EXACT = 2**53  # to here, a float64 holds every integer
LONG = 2.0**63  # from here on, an int64 holds none


class Numbers:
    """What is known of a column whose cells are seen block by block."""

    def __init__(self, decimal: str) -> None:
        self.decimal = decimal
        self.empty = True  # no cell has a value
        self.why = ""  # it is not one of numbers, if so
        self.fractions = False  # some cell has a decimal mark, or an exponent
        self._long = False  # an integer is too long for a float64

    @property
    def dtype(self) -> np.dtype[np.float64] | np.dtype[np.int64] | None:
        """Of the numbers: float64, which is every column's in every file, unless it would round integers."""
        if self.why:
            return None
        return np.dtype(np.int64) if self._long and not self.fractions else np.dtype(np.float64)

    def see(self, cells: pa.Array) -> None:
        """Look at some cells."""
        if self.why:
            return
        try:
            numbers = self._numbers(cells)
        except pa.ArrowInvalid as error:
            self.why = str(error)
            return
        self.empty &= numbers.null_count == len(numbers)
        if pc.any(pc.match_substring_regex(cells, LABEL)).as_py():
            self.why = "labels, such as start with 0"
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is None:
            return
        largest = max(-ends["min"], ends["max"])
        self._long |= largest > EXACT
        if self.fractions and largest >= LONG:
            long = pc.and_(pc.greater_equal(pc.abs(numbers), LONG), pc.match_substring_regex(cells, INTEGER))
            if pc.any(long).as_py():
                self.why = "integers of more than 64 bits"

    def _numbers(self, cells: pa.Array) -> pa.Array:
        if not self.fractions:
            try:
                return as_numbers(cells, pa.int64(), self.decimal)
            except pa.ArrowInvalid:
                self.fractions = True
        return as_numbers(cells, pa.float64(), self.decimal)


def as_numbers(cells: pa.Array, kind: pa.DataType, decimal: str) -> pa.Array:
    """Cells as numbers; an ArrowInvalid if one is none."""
    if decimal == ".":
        try:
            return cells.cast(kind)
        except pa.ArrowInvalid:  # most often because of nulls, which take twice the time
            pass
    plain = pc.ascii_trim(cells, " \t")
    plain = pc.if_else(pc.is_in(plain, NULLS), pa.scalar(None, pa.string()), plain)
    if decimal != ".":
        if pc.any(pc.match_substring(plain, ".")).as_py():
            raise pa.ArrowInvalid("numbers with a point beside numbers with a comma")
        plain = pc.replace_substring(plain, decimal, ".")
    return plain.cast(kind)


def formatted(numbers: pa.Array, decimal: str) -> pa.Array:
    """Numbers as the shortest text that gives the same bits, of their own type, when it is read."""
    text = _halves(numbers) if numbers.type == pa.float16() else numbers.cast(pa.string())
    return text if decimal == "." else pc.replace_substring(text, ".", decimal)


def quoted(cells: pa.Array, delimiter: str) -> pa.Array:
    """Text with quotes where it needs them."""
    needs = pc.match_substring_regex(cells, f'["\r\n{delimiter}]')
    if not pc.any(needs).as_py():
        return cells
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise('"', doubled, '"', ""), cells)


def _halves(numbers: pa.Array) -> pa.Array:
    """Of float16, for which Arrow writes the digits of a float32."""
    bits = pc.unique(numbers.view(pa.uint16()))
    text = [None if n is None else str(np.uint16(n).view(np.float16)).removesuffix(".0") for n in bits.to_pylist()]
    return pa.array(text, pa.string()).take(pc.index_in(numbers.view(pa.uint16()), bits))
