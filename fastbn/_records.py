"""Statistics as records: JSON that loses no bit, channel names, and the key that equality compares."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._arrays import number_dtype
from ._exact import ExactState, Integers
from ._kernels.sizes import LONG, SQUARE_POINT, SUM_POINT, WORD_BITS
from ._merging import Tally
from ._printable import shown
from ._scalars import each_of

_FORMAT = "fastbn.ChannelStats"
_VERSION, _EXACT_VERSION, _TALLY_VERSION = 1, 2, 3
_TALLY = ("n_missing", "weight_tail")
_COUNTS = ("nan", "plus_infinity", "minus_infinity")
_UNITS = {"sum_unit": f"2**-{SUM_POINT}", "sum_of_squares_unit": f"2**-{SQUARE_POINT}"}
_ROWS = ("count", "mean", "mean_tail", "m2", "m2_tail")
_DIGITS = LONG.square_count * WORD_BITS // 4 + 3  # of the largest sum of squares there can be
_MOST_INDEX = 2**63
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_dict(
    state: np.ndarray,
    least: np.ndarray,
    greatest: np.ndarray,
    names: tuple[str, ...] | None,
    exact: ExactState | None,
    tally: Tally | None,
) -> dict[str, Any]:
    """Describe statistics with what strict JSON can hold; Python's float repr is read back bit for bit.

    Exact ones are described by the same numbers for who reads no more than these, and by their integers.
    """
    columns = dict(zip(_ROWS, state, strict=True)) | {"min": least, "max": greatest}
    version = _VERSION if exact is None else _EXACT_VERSION
    if tally is not None:
        columns |= {"count": tally.counted.astype(np.float64)} | dict(zip(_TALLY, tally[1:], strict=True))
        columns["weight"] = state[0]
        version = _TALLY_VERSION
    return {
        "format": _FORMAT,
        "version": version,
        "shape": list(least.shape),
        "dtype": least.dtype.name,
        "names": None if names is None else list(names),
        **{name: [plain(v) for v in column.reshape(-1).tolist()] for name, column in columns.items()},
        **({} if exact is None else {"exact": _exact_to_dict(exact)}),
    }


def _exact_to_dict(exact: ExactState) -> dict[str, Any]:
    """Integers as hexadecimal strings, because JSON readers may take long numbers for floats."""
    counts = {name: row.tolist() for name, row in zip(_COUNTS, exact.counts[1:], strict=True)}
    sums = {"sum": exact.total.values(), "sum_of_squares": exact.squares.values()}
    return counts | {name: [hex(v) for v in values] for name, values in sums.items()} | _UNITS


def plain(value: Any) -> Any:
    """A number as strict JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def number(value: Any) -> Any:
    """What `plain` made of a number."""
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"got {shown(value)}; wants a number")
    return value


def _extreme(value: Any, dtype: np.dtype) -> Any:
    extreme = value if dtype.kind == "b" and isinstance(value, bool) else number(value)
    if dtype.kind != "f" and not isinstance(extreme, int):
        raise TypeError(f"got {shown(value)}; wants a {dtype}")
    if dtype.kind == "f" and math.isfinite(extreme) and abs(extreme) > float(np.finfo(dtype).max):
        raise ValueError(f"got {shown(value)}; wants a {dtype}")
    return extreme


def is_text(value: Any, text: str) -> bool:
    """Whether it is this text; what is no text, an array for example, may say nothing to a comparison."""
    return isinstance(value, str) and value == text


def list_of(value: Any) -> list[Any]:
    """A list, or a TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"got {shown(value)}; wants a list")
    return value


def size_of(value: Any) -> int:
    """A whole number >= 0, or a TypeError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"got {shown(value)}; wants whole numbers >= 0")
    return value


def from_dict(
    d: Any,
) -> tuple[np.ndarray | ExactState, np.ndarray, np.ndarray, tuple[str, ...] | None, Tally | None]:
    """Check and read what `to_dict` wrote."""
    if not (isinstance(d, Mapping) and is_text(d.get("format"), _FORMAT)):
        raise ValueError(f"not statistics of fastbn (no format {_FORMAT!r})")
    version = d.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"version: got {shown(version)}; wants an int from 1 to {_TALLY_VERSION}")
    if version > _TALLY_VERSION:
        raise ValueError(f"version: got {shown(version)}; this fastbn reads up to {_TALLY_VERSION}: upgrade fastbn")
    try:
        shape = tuple(size_of(n) for n in list_of(d["shape"]))
        if not isinstance(d["dtype"], str):
            raise TypeError(f"dtype: got {shown(d['dtype'])}; wants a string")
        dtype = number_dtype(d["dtype"], "dtype")
        state = np.array([[number(v) for v in d[name]] for name in _ROWS], np.float64).reshape(5, *shape)
        ends = [np.array([_extreme(v, dtype) for v in d[name]], dtype).reshape(shape) for name in ("min", "max")]
        names = None if d["names"] is None else checked_names(list_of(d["names"]), shape)
        count, m2 = state[0], state[3]
        if not ((count >= 0) & (count <= 2.0**53) & (count == np.floor(count))).all():
            raise ValueError("count: wants whole numbers from 0 to 2^53")
        if (m2 < 0).any():
            raise ValueError("m2: wants numbers >= 0")
        for head, tail in (("mean", "mean_tail"), ("m2", "m2_tail")):
            word, rest = state[_ROWS.index(head)], state[_ROWS.index(tail)]
            finite = np.isfinite(word)
            if (word[finite] + rest[finite] != word[finite]).any():
                raise ValueError(f"{tail}: wants what float64 cannot hold of {head}")
        tally = _tally_from_dict(d, state) if version == _TALLY_VERSION else None
        exact = (
            _exact_from_dict(d["exact"], state, ends) if version == _EXACT_VERSION or (tally and "exact" in d) else None
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"damaged statistics: {type(error).__name__}: {error}") from None
    return state if exact is None else exact, ends[0], ends[1], names, tally


def _tally_from_dict(d: Mapping[str, Any], state: np.ndarray) -> Tally:
    """Check and read what is said about missing values and weights; put the weight into the state."""
    shape = state.shape[1:]
    missing = np.array([size_of(v) for v in list_of(d["n_missing"])], np.int64).reshape(shape)
    weight, tail = (np.array([number(v) for v in list_of(d[name])], np.float64) for name in ("weight", "weight_tail"))
    tally = Tally(state[0].astype(np.int64), missing, tail.reshape(shape))
    state[0] = weight.reshape(shape)
    if not (np.isfinite(state[0]) & (state[0] >= 0.0) & ((state[0] > 0.0) == (tally.counted > 0))).all():
        raise ValueError("weight: wants finite numbers >= 0, and above 0 where something was counted")
    if not (state[0] + tally.tail == state[0]).all():
        raise ValueError("weight_tail: wants what float64 cannot hold of the weight")
    if "exact" in d and not np.array_equal(state[0], tally.counted):
        raise ValueError("weight: wants the count in exact statistics")
    return tally


def _exact_from_dict(d: Any, state: np.ndarray, ends: list[np.ndarray]) -> ExactState:
    """Check and read the integers of exact statistics: they have to be those of the numbers beside them."""
    count = state[0].reshape(-1)
    if not isinstance(d, Mapping) or any(d[name] != unit for name, unit in _UNITS.items()):
        raise TypeError(f"exact: wants sums in the units {', '.join(_UNITS.values())}")
    rows = [count.astype(np.int64)]
    rows += [np.array([size_of(v) for v in list_of(d[name])], np.int64).reshape(count.shape) for name in _COUNTS]
    sums = [[_integer(v) for v in list_of(d[name])] for name in ("sum", "sum_of_squares")]
    if any(len(values) != count.size for values in sums) or (np.sum(rows[1:], axis=0) > rows[0]).any():
        raise ValueError("exact: got counts and sums that do not fit each other")
    finite = np.where(np.any(rows[1:], axis=0), 0, rows[0])
    for n, total, squares in zip(finite.tolist(), *sums, strict=True):
        if squares < 0 or n * squares < total * total or (squares and not n):
            raise ValueError("exact: got sums that are those of no data")
    exact = ExactState(np.stack(rows), *(Integers.of(values) for values in sums))
    if canonical(exact.moments()).tobytes() != canonical(state.reshape(exact.moments().shape)).tobytes():
        raise ValueError("exact: got integers whose mean and m2 are other ones")
    if ends[0].dtype.kind != "f" and any(row.any() for row in rows[1:]):
        raise ValueError(f"exact: got NaN or infinities in data of {ends[0].dtype}")
    for n, total, low, high in zip(finite.tolist(), sums[0], *(end.reshape(-1).tolist() for end in ends), strict=True):
        if n and not n * _in_units(low) <= total <= n * _in_units(high):
            raise ValueError("exact: got a sum that minimum and maximum leave no room for")
    return exact


def _in_units(value: float) -> int:
    """A finite number in units of the sums."""
    numerator, denominator = value.as_integer_ratio()
    return numerator * ((1 << SUM_POINT) // denominator)


def _integer(value: Any) -> int:
    if not isinstance(value, str) or len(value) > _DIGITS or not re.fullmatch("-?0x[0-9a-f]+", value):
        raise TypeError(f"exact: got {str(value)[:40]!r}; wants a hexadecimal integer of at most {_DIGITS} characters")
    return int(value, 16)


def checked_names(names: Iterable[str] | None, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Channel names as a tuple, one per channel."""
    if names is None:
        return None
    checked = tuple(each_of("names", names, "strings"))
    if not all(isinstance(name, str) for name in checked):
        raise TypeError(f"names: got {shown(checked)}; wants strings")
    if len(shape) != 1 or len(checked) != shape[0]:
        raise ValueError(f"names: got {len(checked)} names for channels of shape {shape}; wants one per channel")
    check_different("names", checked)
    return checked


def check_different(argument: str, names: tuple[str, ...]) -> None:
    """Refuse two channels of one name."""
    if len(set(names)) < len(names):
        raise ValueError(f"{argument}: got {shown(names)}; wants different names")


def common_names(all_names: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """The names of what is merged; some parts may have none."""
    names = {part for part in all_names if part is not None}
    if len(names) > 1:
        raise ValueError(f"merge: got channel names {' and '.join(map(str, sorted(names)))}; wants the same names")
    return names.pop() if names else None


def joined_names(all_names: list[tuple[str, ...] | None], shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """The names of channels side by side, if all of them have some."""
    if any(part is None for part in all_names):
        return None
    return checked_names([name for part in all_names if part is not None for name in part], shape)


def chosen_names(names: tuple[str, ...] | None, index: Any, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """The names of channels chosen by an index, which gives vectors of such a shape."""
    if names is None or len(shape) != 1:
        return None
    chosen = tuple(np.array(names, dtype=object)[index])
    check_different("index", chosen)
    return chosen


def as_index(index: Any, names: tuple[str, ...] | None) -> Any:
    """Turn names of channels into positions; leave any other index as it is."""
    if index is None or isinstance(index, bool | np.bool_):
        raise _no_index(index)
    if isinstance(index, np.ndarray) and index.dtype.kind == "U":
        index = index.tolist()
    if isinstance(index, str):
        if names is None or index not in names:
            raise KeyError(f"index: got channel name {shown(index)}; there is {names}")
        return names.index(index)
    if isinstance(index, list | tuple) and index and all(isinstance(i, str) for i in index):
        return [as_index(i, names) for i in index]
    if isinstance(index, int | np.integer) and not -_MOST_INDEX <= index < _MOST_INDEX:
        raise _no_index(index)
    if isinstance(index, list):
        try:
            return np.array(index, dtype=None if index else np.intp)
        except (ValueError, TypeError, OverflowError):  # of lists in it that differ in length
            raise _no_index(index) from None
    return index


def _no_index(index: Any) -> IndexError:
    return IndexError(f"index: got {shown(index)}; wants an index, a slice, an array, a name or names")


def canonical(array: np.ndarray) -> np.ndarray:
    """One pattern for every NaN, so that equality of bytes is equality of values."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        return np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return array
