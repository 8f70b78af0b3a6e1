"""Quantiles as records: JSON that loses no bit, with the histogram where there is one, sparse."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ._arrays import number_dtype
from ._histogram import LEVELS, Histogram, has_histogram, least_of
from ._printable import shown
from ._records import checked_names, is_text, list_of, number, plain, size_of
from ._scalars import check_quantiles

FORMAT = "fastbn.ChannelQuantiles"
_VERSION = 1
_MOST = 2**53  # values of a channel in a file: sums of many such are far from overflow


class Contents(NamedTuple):
    """All that quantiles are made of."""

    q: float | tuple[float, ...]
    values: np.ndarray  # (quantiles, *channels), for one quantile too
    counted: np.ndarray
    missing: np.ndarray
    dtype: np.dtype  # of the data
    names: tuple[str, ...] | None
    histogram: Histogram | None


def to_dict(contents: Contents) -> dict[str, Any]:
    """Describe quantiles with what strict JSON can hold; Python's float repr is read back bit for bit."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "version": _VERSION,
        "shape": list(contents.counted.shape),
        "dtype": contents.dtype.name,
        "names": None if contents.names is None else list(contents.names),
        "q": contents.q if isinstance(contents.q, float) else list(contents.q),
        "values": [[plain(v) for v in row.reshape(-1).tolist()] for row in contents.values],
        "count": contents.counted.reshape(-1).tolist(),
        "n_missing": contents.missing.reshape(-1).tolist(),
    }
    if contents.histogram is not None:
        ends = contents.histogram.starts[1:-1]
        columns = {"values": contents.histogram.values, "counts": contents.histogram.counts}
        record["histogram"] = {
            name: [part.tolist() for part in np.split(column, ends)][: contents.histogram.channels]
            for name, column in columns.items()
        }
    return record


def from_dict(d: Any) -> Contents:
    """Check and read what `to_dict` wrote; that values are those of the histogram is for the caller to see."""
    if not (isinstance(d, Mapping) and is_text(d.get("format"), FORMAT)):
        raise ValueError(f"not quantiles of fastbn (no format {FORMAT!r})")
    version = d.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"version: got {shown(version)}; wants {_VERSION}")
    if version > _VERSION:
        raise ValueError(f"version: got {shown(version)}; this fastbn reads up to {_VERSION}: upgrade fastbn")
    try:
        shape = tuple(size_of(n) for n in list_of(d["shape"]))
        if not isinstance(d["dtype"], str):
            raise TypeError(f"dtype: got {shown(d['dtype'])}; wants a string")
        dtype = number_dtype(d["dtype"], "dtype")
        q = check_quantiles(d["q"])
        rows = 1 if isinstance(q, float) else len(q)
        values = np.array([[number(v) for v in list_of(row)] for row in list_of(d["values"])], np.float64)
        counts = (np.array([size_of(v) for v in list_of(d[name])], np.int64) for name in ("count", "n_missing"))
        count, missing = (column.reshape(shape) for column in counts)
        if (np.maximum(count, missing) > _MOST).any():
            raise ValueError(f"count: got more than {_MOST} values")
        values = values.reshape(rows, *shape)
        if not np.isnan(values[:, count == 0]).all():
            raise ValueError("values: got quantiles of nothing; wants NaN")
        names = None if d["names"] is None else checked_names(list_of(d["names"]), shape)
        histogram = _histogram(d["histogram"], dtype, count) if has_histogram(dtype) else None
        return Contents(q, values, count, missing, dtype, names, histogram)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"damaged quantiles: {type(error).__name__}: {error}") from None


def _histogram(d: Any, dtype: np.dtype, count: np.ndarray) -> Histogram:
    least, greatest = least_of(dtype), least_of(dtype) + (2 if dtype.kind == "b" else 1 << 8 * dtype.itemsize) - 1
    if not isinstance(d, Mapping):
        raise TypeError("histogram: wants lists of values and counts")
    values, counts = (list_of(d[name]) for name in ("values", "counts"))
    keys, numbers = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if [len(list_of(column)) for column in values] != [len(list_of(column)) for column in counts]:
        raise ValueError("histogram: got values and counts that do not fit each other")
    if len(values) != count.size:
        raise ValueError(f"histogram: got {len(values)} channels; wants {count.size}")
    for channel, column in enumerate(values):
        if not all(type(v) is int and least <= v <= greatest for v in column):
            raise ValueError(f"histogram: got something that is no {dtype}")
        values[channel] = [channel * LEVELS + v - least for v in column]
    keys = np.array([key for column in values for key in column], np.int64)
    numbers = np.array([size_of(n) for column in counts for n in column], np.int64)
    histogram = Histogram(least, count.size, keys, numbers)
    if (keys[1:] <= keys[:-1]).any() or (numbers == 0).any() or (histogram.total() != count.reshape(-1)).any():
        raise ValueError("histogram: wants ascending values, numbers above 0, and so many as were counted")
    return histogram
