"""Lazy statistics of Dask arrays."""

import functools
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np

from ._apply import refuse_nan
from ._arrays import number_dtype
from ._channel_stats import ChannelStats
from ._dask_arrays import Beside, Data
from ._dask_states import checked, in_tree, looked_up, union
from ._joining import joined
from ._layout import split_axes
from ._opening import refuse_weights
from ._optional import needed
from ._scalars import check_ddof, check_method, check_nan_policy
from .statistics import channel_stats

with needed("dask"):
    import dask.array as da
    from dask.base import DaskMethodsMixin, compute, tokenize


class LazyChannelStats(DaskMethodsMixin):
    """Statistics of every channel of a Dask array, not computed yet; made by `channel_stats`.

    A Dask collection: ``compute()``, or ``dask.compute(stats, y)`` together with others, gives a `ChannelStats`. The
    functions of fastbn take it as `stats`.

    Examples
    --------
    >>> import dask.array as da, fastbn.dask
    >>> stats = fastbn.dask.channel_stats(da.arange(6.0, chunks=4).reshape(3, 2))
    >>> stats.mean
    dask.array<_mean, shape=(2,), dtype=float64, chunksize=(2,), chunktype=numpy.ndarray>
    >>> stats.compute().mean
    array([2., 3.])
    """

    __module__ = "fastbn.dask"  # its public place

    def __init__(self, states: Any, dtype: np.dtype) -> None:
        self._states = states  # a Dask array in the chunks of the channels, whose blocks are ChannelStats
        self._dtype = dtype

    # What it will say

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every per-channel vector; NaN where Dask does not know it."""
        return tuple(self._states.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the data, and of `min` and `max`."""
        return self._dtype

    @property
    def count(self) -> Any:
        """Values counted (Dask array of int64)."""
        return looked_up(self._states, attrgetter("count"), np.int64)

    @property
    def n_missing(self) -> Any:
        """Values skipped (Dask array of int64)."""
        return looked_up(self._states, attrgetter("n_missing"), np.int64)

    @property
    def weight(self) -> Any:
        """Sum of weights, else the count (Dask array of float64)."""
        return looked_up(self._states, attrgetter("weight"), np.float64)

    @property
    def mean(self) -> Any:
        """Mean (Dask array of float64)."""
        return looked_up(self._states, attrgetter("mean"), np.float64)

    @property
    def min(self) -> Any:
        """Smallest value (Dask array, in the dtype of the data)."""
        return looked_up(self._states, attrgetter("min"), self._dtype)

    @property
    def max(self) -> Any:
        """Largest value (Dask array, in the dtype of the data)."""
        return looked_up(self._states, attrgetter("max"), self._dtype)

    def var(self, ddof: int = 0) -> Any:
        """Variance (Dask array of float64).

        Parameters
        ----------
        ddof : int, default 0
            As in `ChannelStats.var`.

        Returns
        -------
        dask.array.Array
        """
        return looked_up(self._states, methodcaller("var", check_ddof(ddof)), np.float64)

    def std(self, ddof: int = 0) -> Any:
        """Standard deviation (Dask array of float64).

        Parameters
        ----------
        ddof : int, default 0
            As in `ChannelStats.std`.

        Returns
        -------
        dask.array.Array
        """
        return looked_up(self._states, methodcaller("std", check_ddof(ddof)), np.float64)

    def compute(self, **options: Any) -> ChannelStats:
        """Compute all of them.

        Parameters
        ----------
        **options
            As `dask.compute` takes them: ``scheduler="processes"``.

        Returns
        -------
        ChannelStats
        """
        (stats,) = compute(self, traverse=False, **options)
        return stats  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<LazyChannelStats: shape {self.shape}, {self._dtype} data>"

    # What Dask asks a collection for

    __dask_optimize__ = staticmethod(da.Array.__dask_optimize__)
    __dask_scheduler__ = staticmethod(da.Array.__dask_scheduler__)

    def __dask_graph__(self) -> Any:
        return self._states.__dask_graph__()

    def __dask_keys__(self) -> Any:
        return self._states.__dask_keys__()

    def __dask_layers__(self) -> Any:
        return self._states.__dask_layers__()

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, tokenize(self._states)

    def __dask_postcompute__(self) -> Any:
        return _finished, (self._states.ndim,)

    def __dask_postpersist__(self) -> Any:
        rebuild, arguments = self._states.__dask_postpersist__()
        return _rebuilt, (rebuild, arguments, self._dtype)

    def __dask_exprs__(self) -> Any:
        """What Dask optimizes, where its arrays are expressions."""
        expression = getattr(self._states, "expr", None)
        return None if expression is None else (expression,)

    def __dask_rebuild_from_exprs__(self, expressions: Any) -> "LazyChannelStats":
        return LazyChannelStats(type(self._states)(*expressions), self._dtype)


def _finished(results: Any, rank: int) -> ChannelStats:
    """All channels, from blocks in a list for every axis, and perhaps in one more."""
    depth, inner = 0, results
    while isinstance(inner, list | tuple):
        depth, inner = depth + 1, inner[0]
    for _ in range(depth - rank):
        results = results[0]
    return joined(results)


def _rebuilt(graph: Any, rebuild: Any, arguments: Any, dtype: np.dtype, **renamed: Any) -> LazyChannelStats:
    return LazyChannelStats(rebuild(graph, *arguments, **renamed), dtype)


def check_lazy(stats: Any, data: Data) -> None:
    """Refuse lazy statistics of other channels, as far as Dask knows how many there are."""
    same = len(stats.shape) == len(data.axes.shape) and all(
        n == m or n != n or m != m for n, m in zip(stats.shape, data.axes.shape, strict=True)
    )
    if not same:
        raise ValueError(f"stats: got statistics of channel shape {stats.shape}; wants {data.axes.shape}")


def lazy_stats(
    data: Data,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
) -> LazyChannelStats:
    """Statistics of a checked array; what lies beside it is checked here."""
    check_method(method)
    check_nan_policy(nan_policy)
    refuse_weights(weights, method)
    beside = [mask_of(data, where), data.beside(weights, "weights"), nodata_of(data, nodata)]
    policy = "propagate" if nan_policy == "raise" else nan_policy
    reduce = functools.partial(_stats_of_chunk, channel_axis=data.axes.kept, nan_policy=policy, method=method)
    states = in_tree(data.states(reduce, *beside), data.axes.reduced, union)
    if nan_policy == "raise":
        states = checked(states, _refuse_nan)
    return LazyChannelStats(states, number_dtype(data.x.dtype, "x"))


def mask_of(data: Data, where: Any) -> Beside:
    """Which values count."""
    mask = data.beside(where, "where")
    if mask.array is not None and mask.array.dtype != np.bool_:
        raise TypeError(f"where: got dtype {mask.array.dtype}; wants bool")
    return mask


def nodata_of(data: Data, nodata: Any) -> Beside:
    """Which value stands for nothing: one, or one per channel."""
    if isinstance(nodata, da.Array):
        raise TypeError("nodata: got a Dask array; wants a number, or a NumPy array of one per channel")
    if nodata is None or np.ndim(nodata) == 0:
        return Beside(nodata, None)
    of_channels = nodata if isinstance(nodata, np.ndarray) else np.array(nodata, object)  # keeps large integers
    return data.vector(of_channels, "nodata")


def _stats_of_chunk(x: np.ndarray, where: Any, weights: Any, nodata: Any, **options: Any) -> ChannelStats:
    return channel_stats(x, where=where, weights=weights, nodata=nodata, **options)


def _refuse_nan(stats: ChannelStats) -> None:
    every = tuple(range(len(stats.shape)))
    refuse_nan(stats.moments(np.empty(0)), split_axes(stats.shape, every))
