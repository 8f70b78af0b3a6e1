"""Quantiles of Dask arrays: from histograms where these are small, else by selection in several passes."""

import functools
from typing import Any

import numpy as np

from .. import robust
from .._arrays import number_dtype
from .._channel_quantiles import ChannelQuantiles
from .._histogram import has_histogram
from .._layout import ChannelAxis
from .._scalars import check_nan_policy, check_quantile_range, check_quantiles
from ..quantiles import channel_quantiles
from ._arrays import Data, open_array, refuse_out, reread
from ._maps import fit, likely, mapped, refusal, tried
from ._selection import selected
from ._states import in_tree, union
from ._stats import mask_of, nodata_of
from ._values import Lazy


class LazyChannelQuantiles(Lazy[ChannelQuantiles]):
    """Quantiles of every channel of a Dask array, not computed yet; made by `channel_quantiles`.

    A Dask collection that computes to a `ChannelQuantiles`. `robust_scale` and `minmax_scale` take it as `stats`.

    See Also
    --------
    fastbn.ChannelQuantiles : What it computes to.

    Examples
    --------
    >>> import dask.array as da, fastbn, fastbn.dask
    >>> x = da.from_array([[1.0], [2.0], [3.0], [4.0], [1000.0]], chunks=2)
    >>> quartiles = fastbn.dask.channel_quantiles(x, [0.25, 0.5, 0.75])
    >>> fastbn.robust_scale(x, stats=quartiles).compute().ravel()
    array([ -1. ,  -0.5,   0. ,   0.5, 498.5])
    """

    __module__ = "fastbn.dask"  # its public place

    def __init__(self, states: Any, dtype: np.dtype, q: float | tuple[float, ...]) -> None:
        super().__init__(states, dtype)
        self._q = q

    @property
    def q(self) -> float | tuple[float, ...]:
        """The quantiles that were asked for, in [0, 1]."""
        return self._q

    def with_states(self, states: Any) -> "LazyChannelQuantiles":
        return LazyChannelQuantiles(states, self.dtype, self._q)

    def example(self, shape: tuple[int, ...]) -> ChannelQuantiles:
        return channel_quantiles(np.empty((0, *shape), self.dtype), self._q, tuple(range(1, len(shape) + 1)))


def lazy_quantiles(data: Data, q: Any, nan_policy: str, where: Any, nodata: Any) -> LazyChannelQuantiles:
    """Quantiles of a checked array; the rest is checked here."""
    wanted = check_quantiles(q)
    check_nan_policy(nan_policy)
    dtype = number_dtype(data.x.dtype, "x")
    beside = mask_of(data, where), nodata_of(data, nodata)
    if has_histogram(dtype):
        count = functools.partial(_quantiles_of_chunk, q=wanted, channel_axis=data.axes.kept)
        states = in_tree(data.states(count, *beside), data.axes.reduced, union)
    else:
        states = selected(data, dtype, wanted, nan_policy, *beside)
    return LazyChannelQuantiles(states, dtype, wanted)


def robust_scale(
    x: Any,
    channel_axis: ChannelAxis = 1,
    *,
    quantile_range: tuple[float, float] = (25.0, 75.0),
    stats: Any = None,
    nan_policy: str = "propagate",
    where: Any = None,
    nodata: Any = None,
    on_constant: str = "zero",
    return_stats: bool = False,
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """`fastbn.robust_scale` of a Dask array."""
    refuse_out(out)
    lo, hi = check_quantile_range(quantile_range)
    data = open_array(x, channel_axis)
    call = functools.partial(robust.robust_scale, quantile_range=quantile_range, on_constant=on_constant, dtype=dtype)
    result = tried(call, data, stats=likely(stats, data), nodata=nodata, nan_policy=nan_policy)
    if stats is None:
        stats = lazy_quantiles(data, (lo, 0.5, hi), nan_policy, where, nodata)
        (again,) = reread(data.x, after=stats.states)
        data, nan_policy = data._replace(x=again), "propagate"  # quantiles have seen to it
    selection = {"where": where, "nodata": nodata}
    fitted = fit(data, stats, nan_policy, "compensated", selection, refusal(call, on_constant))
    y = mapped(call, fitted, result, nodata=nodata_of(data, nodata))
    return (y, fitted.stats) if return_stats else y


def _quantiles_of_chunk(x: np.ndarray, where: Any, nodata: Any, **options: Any) -> ChannelQuantiles:
    return channel_quantiles(x, where=where, nodata=nodata, **options)
