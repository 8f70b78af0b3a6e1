"""How numbers are packed into a file by the CF conventions, which xarray follows: so does this.

Values that stand for none are compared with what the file holds; then ``values * scale_factor + add_offset``. Valid
ranges do not mask, as they do not in xarray: many files give them in the wrong units.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbn._cf import OF_VALUES
from fastbn._version import __version__

from .._errors import JobError
from .._fields import Values


class Packing(NamedTuple):
    """What has to be done to values of a file."""

    raw: np.dtype[Any]  # as the values are meant, of the size they have in the file
    dtype: np.dtype[Any]  # as they are read
    missing: tuple[Any, ...] = ()  # what stands for none, in the file
    scale: Any = None
    offset: Any = None

    @property
    def packed(self) -> bool:
        """Whether the numbers in the file are not the values."""
        return self.scale is not None or self.offset is not None

    @property
    def nodata(self) -> Any:
        """The value that stands for none, if what is read can be compared with it."""
        return self.missing[0].item() if len(self.missing) == 1 and not self.packed else None

    def unpacked(self, stored: NDArray[Any]) -> Values:
        """The values in what was read."""
        data = stored if stored.dtype == self.raw else stored.view(self.raw)
        if not self.packed and len(self.missing) < 2:
            return Values(data)
        absent = np.zeros(data.shape, bool)
        for value in self.missing:
            absent |= np.isnan(data) if value != value else data == value
        if not self.packed:
            return Values(data, absent)
        values = data.astype(self.dtype)
        with np.errstate(all="ignore"):  # what is absent may overflow
            if self.scale is not None:
                values *= self.scale
            if self.offset is not None:
                values += self.offset
        return Values(values, absent if self.missing else None)


def packing_of(name: str, attributes: Mapping[str, Any], stored: np.dtype[Any]) -> Packing:
    """How values of a dtype are packed, by the attributes of their variable; a JobError where these make no sense."""
    raw = _meant(attributes.get("_Unsigned"), stored)
    missing: list[Any] = []
    for key in ("_FillValue", "missing_value"):
        for value in _numbers(attributes.get(key)):
            held = _held(value, raw, stored)
            if held is not None and not any(held == other or (held != held and other != other) for other in missing):
                missing.append(held)
    scale, offset = (_factor(name, key, attributes.get(key)) for key in ("scale_factor", "add_offset"))
    if scale is None and offset is None:
        return Packing(raw, raw, tuple(missing))
    return Packing(raw, _wide_enough(raw, scale, offset), tuple(missing), scale, offset)


def still_true(names: Collection[str]) -> dict[str, str]:
    """The attributes of a variable that stay when it gets other values, and the names they then have."""
    kept = {name: name for name in names if name not in OF_VALUES}
    if "units" in names and "original_units" not in kept:
        kept["units"] = "original_units"
    return kept


def history(before: Any, names: Iterable[str]) -> str:
    """The history of a file, with one line more; without the time, so that the same job gives the same bytes."""
    line = f"fastbn {__version__}: new values of {', '.join(names)}"
    return f"{text_of(before)}\n{line}".lstrip("\n")


def text_of(value: Any) -> str:
    """An attribute that should be text; else none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _meant(unsigned: Any, stored: np.dtype[Any]) -> np.dtype[Any]:
    """NetCDF 3 has no unsigned integers, and says of signed ones that they are."""
    kinds = {("true", "i"): "u", ("false", "u"): "i"}
    kind = kinds.get((text_of(unsigned).lower(), stored.kind))
    return stored if kind is None else np.dtype(f"{kind}{stored.itemsize}")


def _numbers(value: Any) -> Iterator[Any]:
    found = np.asarray(value).reshape(-1)
    if found.dtype.kind in "iuf":
        yield from found


def _factor(name: str, key: str, value: Any) -> Any:
    """A finite number, in its own precision."""
    if value is None:
        return None
    found = [number for number in _numbers(value) if np.isfinite(number)]
    if len(found) != 1 or np.size(value) != 1:
        raise JobError(f"{name}: its attribute {key} is {value!r}, and should be a finite number")
    return found[0]


def _held(value: Any, raw: np.dtype[Any], stored: np.dtype[Any]) -> Any:
    """A number as the dtype of the file has it; None if it cannot."""
    number = value.item()
    if raw.kind == "f":
        with np.errstate(over="ignore"):
            held = raw.type(number)
        return None if np.isinf(held) and not np.isinf(number) else held
    if raw.kind not in "iu" or number != number or number != np.floor(number):
        return None
    for dtype in (raw, stored):  # of unsigned values, what stands for none may be given as signed
        limits = np.iinfo(dtype)
        if limits.min <= number <= limits.max:
            return np.array(int(number), dtype).view(raw)[()]
    return None


def _wide_enough(raw: np.dtype[Any], scale: Any, offset: Any) -> np.dtype[Any]:
    """What the values are unpacked to: xarray's rule."""
    floats = [np.dtype(type(number)) for number in (scale, offset) if number is not None]
    wide = np.dtype(np.float64)
    if any(dtype not in {np.dtype(np.float32), wide} for dtype in floats):
        return wide
    if len(floats) == 2 and floats[0] == floats[1]:
        return wide if raw.kind in "iu" and raw.itemsize == 4 else floats[0]
    return floats[0] if offset is None else wide
