"""Frames of pandas and polars: columns are channels, and what is missing in them is masked."""

import functools
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np

from ._apply import Fitted
from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from .normalization import denormalize, minmax_scale, minmax_unscale, normalize, zscore
from .quantiles import channel_quantiles
from .robust import robust_scale
from .statistics import channel_stats

_NUMBERS = "biuf"  # kinds of dtypes
_COLUMNS = (1, -1)  # as channel_axis says it


class Frame(NamedTuple):
    """What is needed of a frame, whosever it is."""

    names: list[Any]
    columns: list[np.ndarray]  # masked where something is missing
    like: Callable[[np.ndarray], Any]  # a frame with other numbers


def opened(frame: Any) -> Frame:
    """The columns of a frame as NumPy sees them: without a copy where nothing is missing."""
    if type(frame).__module__.startswith("polars"):
        return Frame(frame.columns, [_of_polars(series) for series in frame.get_columns()], _like_polars(frame.columns))
    names = list(frame.columns)
    columns = [_of_pandas(frame.iloc[:, i], name) for i, name in enumerate(names)]  # names may come twice
    return Frame(names, columns, _like_pandas(frame.index, frame.columns))


def _of_polars(series: Any) -> np.ndarray:
    dtype = series.dtype
    boolean = str(dtype) == "Boolean"
    if not boolean and (not dtype.is_numeric() or dtype.is_decimal()):
        raise TypeError(_refusal(series.name, dtype))
    if not series.null_count():
        return np.asarray(series.to_numpy())
    values = series.fill_null(False if boolean else 0)
    return np.ma.MaskedArray(values.to_numpy(), series.is_null().to_numpy())


def _of_pandas(series: Any, name: Any) -> np.ndarray:
    dtype = series.dtype
    held = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)  # of a nullable type
    if held is None or held.kind not in _NUMBERS:
        raise TypeError(_refusal(name, dtype))
    if held is dtype:
        return np.asarray(series.to_numpy())
    missing = series.isna().to_numpy()
    if not missing.any():
        return np.asarray(series.to_numpy(dtype=held))
    return np.ma.MaskedArray(series.to_numpy(dtype=held, na_value=0), missing)


def _refusal(name: Any, dtype: Any) -> str:
    return f"x: got column {name!r} of type {dtype}; wants columns of numbers: leave it out, or convert it"


def _like_polars(names: list[str]) -> Callable[[np.ndarray], Any]:
    return lambda y: sys.modules["polars"].DataFrame({name: y[:, i] for i, name in enumerate(names)})


def _like_pandas(index: Any, columns: Any) -> Callable[[np.ndarray], Any]:
    return lambda y: sys.modules["pandas"].DataFrame(y, index=index, columns=columns, copy=False)


def _table(frame: Frame) -> np.ndarray:
    """All columns as one array, in their common dtype."""
    rows = len(frame.columns[0]) if frame.columns else 0
    dtype = np.result_type(*(column.dtype for column in frame.columns)) if frame.columns else np.dtype(np.float64)
    values = np.empty((rows, len(frame.columns)), dtype, order="F")
    missing = np.zeros(values.shape, np.bool_, order="F")
    for i, column in enumerate(frame.columns):
        values[:, i], missing[:, i] = np.ma.getdata(column), np.ma.getmask(column)
    return np.ma.MaskedArray(values, missing, copy=False) if missing.any() else values


def _named(stats: Fitted, frame: Frame) -> Fitted:
    """Statistics of columns with their names, which polars and most users of pandas make different ones."""
    names = [str(name) for name in frame.names]
    return cast("Fitted", stats.with_names(names)) if len(set(names)) == len(names) else stats


def _part(argument: Any, shape: tuple[int, int], i: int) -> Any:
    """What an argument that broadcasts to the frame says of a column."""
    if argument is None:
        return None
    array = np.asarray(argument)
    try:
        return np.broadcast_to(array, shape)[:, i]
    except ValueError:
        raise ValueError(f"where, weights: got shape {array.shape}; wants one that broadcasts to {shape}") from None


def _by_column(
    x: Any,
    channel_axis: Any = 1,
    *,
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    **options: Any,
) -> ChannelStats:
    """Statistics of every column in its own dtype: `channel_stats` of a frame."""
    frame = opened(x)
    if channel_axis not in _COLUMNS or not frame.columns:
        whole = _table(frame)
        return channel_stats(whole, channel_axis, where=where, weights=weights, nodata=nodata, **options)
    shape = (len(frame.columns[0]), len(frame.columns))
    if np.shape(nodata) not in ((), shape[1:]):
        raise ValueError(f"nodata: got shape {np.shape(nodata)}; wants a number, or one per channel: {shape[1:]}")
    parts = [
        channel_stats(
            column,
            None,
            where=_part(where, shape, i),
            weights=_part(weights, shape, i),
            nodata=nodata if np.ndim(nodata) == 0 else nodata[i],
            **options,
        )
        for i, column in enumerate(frame.columns)
    ]
    return _named(ChannelStats.concatenate(parts), frame)


def _through_table(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function does to an array, done to a frame."""

    @functools.wraps(function)
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            raise TypeError("out: got some for a frame, which is not written to; wants None")
        frame = opened(x)
        result = function(_table(frame), *args, **kwargs)
        if isinstance(result, tuple):
            y, stats = result
            return _framed(y, frame), _named(stats, frame)
        return _named(result, frame) if isinstance(result, ChannelQuantiles) else _framed(result, frame)

    return call


def _framed(y: np.ndarray, frame: Frame) -> Any:
    """Numbers as a frame; NaN where something was missing."""
    if not isinstance(y, np.ma.MaskedArray):
        return frame.like(y)
    if y.dtype.kind != "f":
        raise TypeError(f"dtype: got {y.dtype} for a frame with missing values; wants one that holds NaN")
    return frame.like(y.filled(np.nan))


_FUNCTIONS = (
    zscore,
    normalize,
    denormalize,
    minmax_scale,
    minmax_unscale,
    robust_scale,
    channel_quantiles,
)
#: What is done for frames, by the names of functions of this package.
HANDLERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"channel_stats": _by_column} | {function.__name__: _through_table(function) for function in _FUNCTIONS}
)
