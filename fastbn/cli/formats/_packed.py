"""Numbers that are packed into others, as the CF conventions have it: `_FillValue`, `scale_factor` and their kin.

What stands for none is compared with what the file holds, before it is scaled, as xarray does. Integers that are not
scaled stay integers: nothing of them is rounded then. The others become what xarray makes of them.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import JobError
from .._fields import Values

ATTRIBUTES = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")


@dataclass(frozen=True)
class Packing:
    """What an array's numbers mean."""

    held: np.dtype[Any]  # of what the file holds, with the sign that is meant
    fills: tuple[Any, ...] = ()  # what stands for none
    scale: Any = None
    offset: Any = None

    @property
    def scaled(self) -> bool:
        """Whether the numbers are others than those in the file."""
        return self.scale is not None or self.offset is not None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers that are meant."""
        return np.dtype(np.float64) if self.scaled else self.held

    @property
    def nodata(self) -> Any:
        """What stands for none among the numbers that are meant, if it is one number."""
        return self.fills[0] if len(self.fills) == 1 and not self.scaled else None

    def unpacked(self, data: NDArray[Any]) -> Values:
        """The numbers that are meant."""
        data = data.view(self.held)
        absent = None
        if self.fills and self.nodata is None:
            absent = np.zeros(data.shape, np.bool_)
            for fill in self.fills:
                absent |= np.isnan(data) if fill != fill else data == fill
        if not self.scaled:
            return Values(data, absent)
        data = data.astype(self.dtype)
        if self.scale is not None:
            data *= self.scale
        if self.offset is not None:
            data += self.offset
        return Values(data, absent)


def packing(name: str, dtype: np.dtype[Any], attributes: Mapping[str, Any]) -> Packing:
    """Read the attributes of an array; a JobError with its name where they make no sense."""
    held = dtype.newbyteorder("=")
    unsigned = {"true": "u", "false": "i"}.get(str(attributes.get("_Unsigned")).lower())
    if unsigned is not None and dtype.kind in "iu":
        held = np.dtype(f"{unsigned}{dtype.itemsize}")
    scale, offset = (_factor(name, key, attributes.get(key)) for key in ("scale_factor", "add_offset"))
    if dtype.kind == "b":
        return Packing(held)
    fills: list[Any] = []
    for key in ("_FillValue", "missing_value"):
        for value in _fills(attributes.get(key), dtype):
            fill = _as_held(value, dtype, held)
            if fill is not None and not any(fill == other or (fill != fill and other != other) for other in fills):
                fills.append(fill)
    return Packing(held, tuple(fills), scale, offset)


def _factor(name: str, key: str, value: Any) -> float | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise JobError(f"{name}: its attribute {key} is {value!r}, and should be a finite number")
    try:
        return float(value)
    except OverflowError:
        raise JobError(f"{name}: its attribute {key} is no number that a float holds") from None


def _fills(value: Any, dtype: np.dtype[Any]) -> Iterator[int | float]:
    """The numbers of an attribute. Of floats in Zarr 3, xarray writes the bytes of a double, in base 64."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and dtype.kind == "f":
            try:
                yield struct.unpack("<d", base64.b64decode(item, validate=True))[0]
            except (binascii.Error, ValueError, struct.error):
                continue
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield item


def _as_held(value: float, dtype: np.dtype[Any], held: np.dtype[Any]) -> Any:
    """A value as the file would hold it; None if it cannot."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            try:
                stored = dtype.newbyteorder("=").type(value)
            except OverflowError:
                return None
        return None if np.isinf(stored) and abs(value) != math.inf else stored
    if value != value or abs(value) == math.inf or value != int(value):
        return None
    for kind in (dtype, held):  # with `_Unsigned` some write the one, some the other
        limits = np.iinfo(kind)
        if limits.min <= value <= limits.max:
            return np.array(int(value), kind).astype(held)[()]
    return None


def base64_of_nan() -> str:
    """What xarray writes for a `_FillValue` of NaN in Zarr 3."""
    return base64.b64encode(struct.pack("<d", math.nan)).decode()
