"""Frames of pandas and polars: columns are channels, and what is missing in them is masked."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np

from ._apply import Fitted, refuse_nan
from ._arrays import plain_array
from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from ._layout import split_axes
from ._opening import broadcast
from .normalization import denormalize, minmax_scale, minmax_unscale, normalize, zscore
from .quantiles import channel_quantiles
from .robust import robust_scale
from .statistics import channel_stats

_NUMBERS = "biuf"  # kinds of dtypes ...
_LONGEST = 8  # ... and bytes of one number
_POLARS_NUMBERS = frozenset(
    [
        "Boolean",
        "Float16",
        "Float32",
        "Float64",
        *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    ]
)
_COLUMNS = (1,)  # the axes that are kept where columns are channels


class Frame(NamedTuple):
    """What is needed of a frame, whosever it is."""

    names: list[Any]
    columns: list[np.ndarray]  # masked where something is missing
    rows: int
    block: Callable[[np.dtype], np.ndarray]  # all columns as one array of the dtype that they share: in place, if it is
    like: Callable[[np.ndarray], Any]  # a frame with other numbers


def opened(frame: Any, name: str) -> Frame:
    """The columns of a frame, an argument of that name, as NumPy sees them: copied where something is missing."""
    names = list(frame.columns)
    if _is_of_polars(frame, "DataFrame"):
        columns = [values_of(series, series.name, name) for series in frame.get_columns()]
        return Frame(names, columns, len(frame), lambda _: np.asarray(frame.to_numpy()), _like_polars(names))
    columns = [values_of(frame.iloc[:, i], column, name) for i, column in enumerate(names)]  # names may come twice
    return Frame(names, columns, len(frame), frame.to_numpy, _like_pandas(frame.index, frame.columns))


def _is_of_polars(x: Any, kind: str) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(x, getattr(polars, kind))


def values_of(series: Any, column: Any, argument: str) -> np.ndarray:
    """A column of an argument as NumPy sees it: masked, and a copy, where something is missing."""
    return (_of_polars if _is_of_polars(series, "Series") else _of_pandas)(series, column, argument)


def _of_polars(series: Any, name: Any, argument: str) -> np.ndarray:
    dtype = str(series.dtype)
    if dtype not in _POLARS_NUMBERS:
        raise TypeError(_refusal(argument, name, dtype))
    if not series.null_count():
        return np.asarray(series.to_numpy())
    values = series.fill_null(False if dtype == "Boolean" else 0)
    return np.ma.MaskedArray(values.to_numpy(), series.is_null().to_numpy())


def _of_pandas(series: Any, name: Any, argument: str) -> np.ndarray:
    dtype = series.dtype
    held = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)  # of a nullable type
    if held is None or held.kind not in _NUMBERS or held.itemsize > _LONGEST:
        raise TypeError(_refusal(argument, name, dtype))
    if held is dtype:
        return np.asarray(series.to_numpy())
    missing = series.isna().to_numpy()
    if not missing.any():
        return np.asarray(series.to_numpy(dtype=held))
    return np.ma.MaskedArray(series.to_numpy(dtype=held, na_value=0), missing)


def _refusal(argument: str, name: Any, dtype: Any) -> str:
    return f"{argument}: got column {name!r} of type {dtype}; wants columns of numbers: leave it out, or convert it"


def _like_polars(names: list[str]) -> Callable[[np.ndarray], Any]:
    return lambda y: sys.modules["polars"].DataFrame({name: y[:, i] for i, name in enumerate(names)})


def _like_pandas(index: Any, columns: Any) -> Callable[[np.ndarray], Any]:
    return lambda y: sys.modules["pandas"].DataFrame(y, index=index, columns=columns, copy=False)


def _table(frame: Frame) -> np.ndarray:
    """All columns as one array, in their common dtype; a copy where they are not one array already."""
    dtypes = {column.dtype for column in frame.columns}
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    masked = any(isinstance(column, np.ma.MaskedArray) for column in frame.columns)
    if len(dtypes) == 1 and not masked:
        return frame.block(dtype)
    values = np.empty((frame.rows, len(frame.columns)), dtype, order="F")
    for i, column in enumerate(frame.columns):
        values[:, i] = np.ma.getdata(column)
    if not masked:
        return values
    missing = np.empty(values.shape, np.bool_, order="F")
    for i, column in enumerate(frame.columns):
        missing[:, i] = np.ma.getmask(column)
    return np.ma.MaskedArray(values, missing, copy=False)


def _keeps_columns(channel_axis: Any, frame: Frame) -> bool:
    return split_axes((frame.rows, len(frame.columns)), channel_axis).kept == _COLUMNS


def _named(stats: Fitted, frame: Frame) -> Fitted:
    """Statistics of columns with their names, which polars and most users of pandas make different ones."""
    names = _texts(frame)
    return cast("Fitted", stats.with_names(names)) if len(set(names)) == len(names) else stats


def _texts(frame: Frame) -> list[str]:
    return [str(name) for name in frame.names]


def _check_names(stats: Any, frame: Frame) -> None:
    """Refuse statistics of channels with names that are not those of the columns, in their order."""
    names = getattr(stats, "names", None) or ()
    for channel, column in zip(names, _texts(frame), strict=False):
        if channel != column:
            raise ValueError(
                f"stats: got channel {channel!r} for column {column!r}; wants those of the columns in their order: "
                "stats.select(names), or stats.with_names(None)"
            )


def _parts(name: str, argument: Any, frame: Frame) -> list[Any]:
    """What an argument that broadcasts to the frame says of every column."""
    count = len(frame.columns)
    if argument is None:
        return [None] * count
    full = broadcast(name, plain_array(argument, name), (frame.rows, count))
    return [full[:, i] for i in range(count)]


def _by_column(
    x: Any,
    channel_axis: Any = 1,
    *,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    **options: Any,
) -> ChannelStats:
    """Statistics of every column in its own dtype: `channel_stats` of a frame."""
    frame = opened(x, "x")
    if not (_keeps_columns(channel_axis, frame) and frame.columns):
        said = {"nan_policy": nan_policy, "where": where, "weights": weights, "nodata": nodata}
        return channel_stats(_table(frame), channel_axis, **said, **options)
    count = len(frame.columns)
    if np.shape(nodata) not in ((), (count,)):
        raise ValueError(f"nodata: got shape {np.shape(nodata)}; wants a number, or one per channel: {(count,)}")
    said_of_columns = zip(
        frame.columns,
        _parts("where", where, frame),
        _parts("weights", weights, frame),
        [nodata] * count if np.ndim(nodata) == 0 else list(nodata),  # by position, whatever its labels are
        strict=True,
    )
    policy = "propagate" if nan_policy == "raise" else nan_policy  # which would not know the number of the column
    stats = ChannelStats.concatenate(
        channel_stats(column, None, nan_policy=policy, where=some, weights=weight, nodata=nothing, **options)
        for column, some, weight, nothing in said_of_columns
    )
    if nan_policy == "raise":
        refuse_nan(stats.moments(frame.columns[0]), split_axes((frame.rows, count), 1))
    return _named(stats, frame)


def bound_to(signature: inspect.Signature, args: Any, kwargs: Any, what: str) -> inspect.BoundArguments:
    """The arguments of a function by their names; results for frames and series are new ones."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.arguments.get("out") is not None:
        raise TypeError(f"out: got some for {what}, which is not written to; wants None")
    return bound


def _through_table(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function does to an array, done to a frame."""
    signature = inspect.signature(function)
    name = next(iter(signature.parameters))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = bound_to(signature, args, kwargs, "a frame")
        given = bound.arguments
        frame = opened(given[name], name)
        by_column = _keeps_columns(given["channel_axis"], frame)
        if by_column:
            _check_names(given.get("stats"), frame)
        given[name] = _table(frame)
        result = function(*bound.args, **bound.kwargs)
        if isinstance(result, tuple):
            y, stats = result
            return _framed(y, frame), _named(stats, frame) if by_column else stats
        if isinstance(result, ChannelQuantiles):
            return _named(result, frame) if by_column else result
        return _framed(result, frame)

    return call


def _framed(y: np.ndarray, frame: Frame) -> Any:
    """Numbers as a frame; NaN where something was missing."""
    return frame.like(filled(y, "a frame"))


def filled(y: np.ndarray, what: str) -> np.ndarray:
    """A new result without a mask: NaN where something was missing."""
    if not isinstance(y, np.ma.MaskedArray):
        return y
    if y.dtype.kind != "f":
        raise TypeError(f"dtype: got {y.dtype} for {what} with missing values; wants one that holds NaN")
    values = np.ma.getdata(y)
    values[np.ma.getmask(y)] = np.nan  # nobody else has them yet
    return values


#: Functions of one argument of data that frames and series are good for.
FUNCTIONS = (
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
    {"channel_stats": _by_column} | {function.__name__: _through_table(function) for function in FUNCTIONS}
)
