"""Normalization of Dask arrays: statistics in a tree, and the functions for NumPy arrays chunk by chunk."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import normalization
from .._channel_stats import ChannelStats
from .._layout import ChannelAxis
from .._opening import refuse_weights
from .._optional import needed
from ._arrays import NOTHING, Beside, Data, open_array, refuse_out, reread
from ._states import checked, in_chunks, pieces_of
from ._stats import check_lazy, lazy_stats, mask_of, nodata_of, weights_of
from ._values import Lazy

with needed("dask"):
    import dask.array as da


class Fitted(NamedTuple):
    """Statistics to normalize with."""

    stats: Any  # as they are returned
    states: Any  # the same as a Dask array in the chunks of the channels
    data: Data  # to normalize: read once more, if they were read for the statistics
    needed: Beside  # what has to be there before, too


def zscore(
    x: Any,
    channel_axis: ChannelAxis = 1,
    *,
    ddof: int = 0,
    eps: float = 0.0,
    stats: Any = None,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
    on_constant: str = "zero",
    return_stats: bool = False,
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.zscore` of a Dask array."""
    refuse_out(out)
    data = open_array(x, channel_axis)
    options = {"ddof": ddof, "eps": eps, "on_constant": on_constant, "dtype": dtype}
    call = functools.partial(normalization.zscore, **options)
    result = tried(call, data, stats=likely(stats, data), nodata=nodata, nan_policy=nan_policy, method=method)
    refuse_weights(weights, method)
    selection = {"where": where, "weights": weights, "nodata": nodata}
    fitted = fit(data, stats, nan_policy, method, selection, refusal(call, on_constant))
    y = mapped(call, fitted, result, nodata=nodata_of(data, nodata))
    return (y, fitted.stats) if return_stats else y


def minmax_scale(
    x: Any,
    channel_axis: ChannelAxis = 1,
    *,
    feature_range: tuple[float, float] = (0.0, 1.0),
    clip: bool = False,
    stats: Any = None,
    nan_policy: str = "propagate",
    where: Any = None,
    nodata: Any = None,
    method: str = "compensated",
    on_constant: str = "zero",
    return_stats: bool = False,
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.minmax_scale` of a Dask array."""
    refuse_out(out)
    data = open_array(x, channel_axis)
    options = {"feature_range": feature_range, "clip": clip, "on_constant": on_constant, "dtype": dtype}
    call = functools.partial(normalization.minmax_scale, **options)
    result = tried(call, data, stats=likely(stats, data), nodata=nodata, nan_policy=nan_policy, method=method)
    selection = {"where": where, "nodata": nodata}
    fitted = fit(data, stats, nan_policy, method, selection, refusal(call, on_constant))
    y = mapped(call, fitted, result, nodata=nodata_of(data, nodata))
    return (y, fitted.stats) if return_stats else y


def normalize(
    x: Any,
    stats: Any,
    channel_axis: ChannelAxis = 1,
    *,
    gamma: Any = None,
    beta: Any = None,
    ddof: int = 0,
    eps: float = 0.0,
    on_constant: str = "zero",
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.normalize` of a Dask array."""
    options = {"ddof": ddof, "eps": eps, "on_constant": on_constant, "dtype": dtype}
    call = functools.partial(normalization.normalize, **options)
    return _with_given(call, x, stats, channel_axis, out, refusal(call, on_constant), gamma=gamma, beta=beta)


def denormalize(
    y: Any,
    stats: Any,
    channel_axis: ChannelAxis = 1,
    *,
    gamma: Any = None,
    beta: Any = None,
    ddof: int = 0,
    eps: float = 0.0,
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.denormalize` of a Dask array."""
    call = functools.partial(normalization.denormalize, ddof=ddof, eps=eps, dtype=dtype)
    return _with_given(call, y, stats, channel_axis, out, None, "y", gamma=gamma, beta=beta)


def minmax_unscale(
    y: Any,
    stats: Any,
    channel_axis: ChannelAxis = 1,
    *,
    feature_range: tuple[float, float] = (0.0, 1.0),
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.minmax_unscale` of a Dask array."""
    call = functools.partial(normalization.minmax_unscale, feature_range=feature_range, dtype=dtype)
    return _with_given(call, y, stats, channel_axis, out, None, "y")


def _with_given(
    call: Callable[..., np.ndarray],
    x: Any,
    stats: Any,
    channel_axis: ChannelAxis,
    out: Any,
    refuse: Callable[[ChannelStats], None] | None,
    name: str = "x",
    **vectors: Any,
) -> Any:
    """A function of given statistics and per-channel vectors."""
    refuse_out(out)
    data = open_array(x, channel_axis, name)
    lying = {key: data.vector(value, key) for key, value in vectors.items()}
    result = tried(call, data, stats=likely(stats, data), **{key: plain(value) for key, value in vectors.items()})
    fitted = fit(data, stats, "propagate", "compensated", {}, refuse)
    return mapped(call, fitted, result, **lying)


def tried(call: Callable[..., np.ndarray], data: Data, **arguments: Any) -> np.dtype:
    """The dtype of a function's results; arguments that it would refuse are refused now."""
    nothing, axes = data.stand_in()
    return call(nothing, channel_axis=axes, **arguments).dtype


def likely(stats: Any, data: Data) -> Any:
    """Statistics to try a function with: in place of lazy ones, those of no values."""
    if isinstance(stats, Lazy):
        return stats.example(data.stand_in()[0].shape[1:])
    if stats is not None:
        data.check_known("stats")
    return stats


def plain(vector: Any) -> Any:
    """A per-channel argument to try a function with; a lazy one stays out of it."""
    return None if isinstance(vector, da.Array) else vector


def refusal(call: Callable[..., np.ndarray], on_constant: str) -> Callable[[ChannelStats], None] | None:
    """What refuses constant channels, if anything does."""
    return functools.partial(_refuse_constant, call=call) if on_constant == "raise" else None


def _refuse_constant(stats: ChannelStats, call: Callable[..., np.ndarray]) -> None:
    call(np.empty((0, *stats.shape)), channel_axis=tuple(range(1, len(stats.shape) + 1)), stats=stats)


def fit(
    data: Data,
    stats: Any,
    nan_policy: str,
    method: str,
    selection: dict[str, Any],
    refuse: Callable[[ChannelStats], None] | None,
) -> Fitted:
    """Given statistics, else those of the data; channels are refused where they are to be."""
    mask_of(data, selection.get("where"))  # refused also where given statistics make it idle
    weights_of(data, selection.get("weights"))
    own = lazy_stats(data, nan_policy, method=method, **selection) if stats is None or nan_policy == "raise" else None
    needed = NOTHING
    if stats is None:
        assert own is not None
        stats, states = own, own.states
    elif isinstance(stats, Lazy):
        check_lazy(stats, data)
        states = in_chunks(stats.states, data.chunks)
    else:
        states = pieces_of(stats, data.chunks)
    if own is not None:
        (x,) = reread(data.x, after=own.states)
        data, needed = data._replace(x=x), Beside(own.states, data.axes.kept)
    return Fitted(stats, states if refuse is None else checked(states, refuse), data, needed)


def mapped(call: Callable[..., np.ndarray], fitted: Fitted, dtype: Any, **others: Beside) -> Any:
    """The function of every chunk, the statistics of its channels, and what else has a name."""
    data = fitted.data
    every = {"stats": Beside(fitted.states, data.axes.kept), **others}
    function = functools.partial(_of_chunk, call=call, channel_axis=data.axes.kept, names=tuple(every))
    return data.map(function, *every.values(), fitted.needed, dtype=dtype)


def _of_chunk(
    x: np.ndarray, *parts: Any, call: Callable[..., np.ndarray], channel_axis: tuple[int, ...], names: tuple[str, ...]
) -> np.ndarray:
    given = {name: part for name, part in zip(names, parts, strict=False) if part is not None}
    return call(x, channel_axis=channel_axis, **given)
