"""Statistics of labelled arrays, as values and as a Dataset."""

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from .._channel_stats import ChannelStats
from .._checks import check_stats
from .._layout import ChannelAxis, split_axes
from ..quantiles import channel_quantiles as quantiles_of_array
from ..statistics import channel_stats as stats_of_array
from ._calls import Call, coordinates, described, each, lazily, public, refuse_other_kinds, statistics
from ._labels import Names, among


@public
def channel_stats(
    x: Any,
    channel_dim: Names,
    *,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
    others: str = "raise",
) -> Any:
    """Count, mean, variance, minimum and maximum of every channel, in one pass.

    Parameters
    ----------
    x : DataArray or Dataset
        Of NumPy or Dask arrays. All Dask variables of a Dataset are computed together.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*. The per-channel vectors have their axes in this order. None: the
        whole array is one channel.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `fastbn.channel_stats`; xarray's ``skipna=True`` is "omit".
    where, weights, nodata : DataArray or array_like, optional
        As in `fastbn.channel_stats`. Labelled ones are aligned by name, and never copied to the size of `x`; labels
        must be equal. For a Dataset also mappings (or Datasets) with an entry for each variable.
    method : {"compensated", "exact"}, default "compensated"
        As in `fastbn.channel_stats`.
    others : {"raise", "ignore"}, default "raise"
        Variables of a Dataset that have no numbers or not all of the dimensions: an error, or left out.

    Returns
    -------
    ChannelStats, or dict of ChannelStats
        Those of an array, in its units; or those of each variable of a Dataset, by name. The labels along a single
        `channel_dim` become `names`, if they differ from each other.

    Raises
    ------
    ValueError
        If there is no such dimension, labels differ, or as in `fastbn.channel_stats`.
    TypeError
        If `x` is of another kind, or as in `fastbn.channel_stats`.

    See Also
    --------
    fastbn.channel_stats : The same of arrays, with formulas and sources.
    fastbn.xarray.stats_dataset : Statistics as a Dataset.

    Examples
    --------
    >>> import numpy as np, xarray as xr, fastbn.xarray
    >>> image = xr.DataArray([[[1.0, 3.0]], [[10.0, 30.0]]], {"band": ["red", "nir"]}, ["band", "y", "x"])
    >>> stats = fastbn.xarray.channel_stats(image, "band")
    >>> stats.select("nir").mean
    array(20.)
    """
    arguments = {"nan_policy": nan_policy, "where": where, "weights": weights, "nodata": nodata, "method": method}
    return statistics(Call(stats_of_array, channel_dim, arguments), x, others)


@public
def channel_quantiles(
    x: Any,
    q: float | Iterable[float],
    channel_dim: Names,
    *,
    nan_policy: str = "propagate",
    where: Any = None,
    nodata: Any = None,
    others: str = "raise",
) -> Any:
    """Quantiles of every channel, exact: the median is ``q=0.5``.

    Parameters
    ----------
    x : DataArray or Dataset
        Of NumPy or Dask arrays.
    q : float or sequence of float
        Quantiles in [0, 1].
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `channel_stats`.
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    nodata : scalar, DataArray or array_like, optional
        As in `channel_stats`.
    others : {"raise", "ignore"}, default "raise"
        As in `channel_stats`.

    Returns
    -------
    ChannelQuantiles, or dict of ChannelQuantiles
        As from `channel_stats`, in the units of `x`.

    Raises
    ------
    ValueError, TypeError
        As in `channel_stats` and `fastbn.channel_quantiles`.

    See Also
    --------
    fastbn.channel_quantiles : The same of arrays, with formula and source.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> table = xr.DataArray([[1.0, 10.0], [2.0, 20.0], [4.0, 50.0]], dims=["time", "site"])
    >>> fastbn.xarray.channel_quantiles(table, 0.5, "site").values
    array([ 2., 20.])
    """
    arguments = {"q": q, "nan_policy": nan_policy, "where": where, "nodata": nodata}
    return statistics(Call(quantiles_of_array, channel_dim, arguments), x, others)


@public
def stats_dataset(
    x: Any,
    channel_dim: Names,
    *,
    ddof: int = 0,
    stats: Any = None,
    nan_policy: str = "propagate",
    where: Any = None,
    weights: Any = None,
    nodata: Any = None,
    method: str = "compensated",
    others: str = "raise",
) -> xr.Dataset:
    """Statistics of every channel as a Dataset over the kept dimensions, to look at, plot and store.

    Parameters
    ----------
    x : DataArray or Dataset
        Of NumPy or Dask arrays. What Dask has stays lazy.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    ddof : int, default 0
        Delta degrees of freedom of ``var`` and ``std``.
    stats : ChannelStats, or mapping of them, optional
        Shown instead of the statistics of `x`, which then gives coordinates and units alone.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `channel_stats`.
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    weights : DataArray or array_like, optional
        As in `channel_stats`.
    nodata : scalar, DataArray or array_like, optional
        As in `channel_stats`.
    method : {"compensated", "exact"}, default "compensated"
        As in `channel_stats`.
    others : {"raise", "ignore"}, default "raise"
        As in `channel_stats`.

    Returns
    -------
    Dataset
        Variables ``mean``, ``var``, ``std``, ``min``, ``max``, ``count``, ``n_missing`` and ``weight``; of a Dataset
        with the variable's name in front: ``t_mean``. Coordinates are those of the channels. The first five have the
        attributes of the data, ``var`` with the square of their units.

    Raises
    ------
    ValueError
        As in `channel_stats`, or if a coordinate has the name of a statistic.
    TypeError
        As in `channel_stats`.

    See Also
    --------
    fastbn.xarray.channel_stats : The same as a value that merges, with every bit.

    Notes
    -----
    Each number is rounded to float64: to normalize, merge or save without a loss, use `channel_stats`.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> t = xr.DataArray([[280.0], [282.0]], {"site": ["a"]}, ["time", "site"], attrs={"units": "K"})
    >>> found = fastbn.xarray.stats_dataset(t, "site")
    >>> found["var"].item(), found["var"].attrs
    (1.0, {'units': '(K)^2'})
    """
    arguments = {"nan_policy": nan_policy, "where": where, "weights": weights, "nodata": nodata, "method": method}
    call = (
        Call(stats_of_array, channel_dim, arguments) if stats is None else Call(_given, channel_dim, {"stats": stats})
    )
    refuse_other_kinds("x", x)
    if isinstance(x, xr.DataArray):
        return _with_coordinates(x, channel_dim, _columns(call, x, ddof))
    found = each(call, x, others, lambda _, call, variable: _columns(call, variable, ddof))
    variables = [(f"{name}_{key}", value) for name, columns in found.items() for key, value in columns.items()]
    if len(dict(variables)) < len(variables):
        raise ValueError(f"x: got variables {list(found)}; wants names that differ as text")
    return _with_coordinates(x, channel_dim, dict(variables)).assign_attrs(x.attrs)


def _given(data: Any, channel_axis: ChannelAxis, stats: ChannelStats) -> ChannelStats:
    check_stats(stats, split_axes(data.shape, channel_axis))
    return stats


def _columns(call: Call, x: xr.DataArray, ddof: int) -> dict[str, xr.Variable]:
    """Statistics of an array, or those that are given, as variables."""
    case = call.arranged(x)
    stats = lazily(call, case)
    attributes = described(x.attrs)
    squared = dict(attributes)
    if "units" in x.attrs:
        attributes["units"] = x.attrs["units"]
        squared["units"] = _squared(x.attrs["units"])
    columns = {
        "mean": (stats.mean, attributes),
        "var": (stats.var(ddof), squared),
        "std": (stats.std(ddof), attributes),
        "min": (stats.min, attributes),
        "max": (stats.max, attributes),
        "count": (stats.count, {}),
        "n_missing": (stats.n_missing, {}),
        "weight": (stats.weight, {}),
    }
    return {name: xr.Variable(case.dims, values, attrs) for name, (values, attrs) in columns.items()}


def _squared(units: Any) -> Any:
    return units if units in ("", "1", 1) else f"({units})^2"


def _with_coordinates(x: xr.DataArray | xr.Dataset, channel_dim: Names, variables: Mapping[str, Any]) -> xr.Dataset:
    """The variables, and of the coordinates of the data those of the channels."""
    dims = among(channel_dim, tuple(x.dims), "channel_dim")
    coords = coordinates(x, dims)
    for name in variables:
        if name in coords or name in dims:
            raise ValueError(f"x: got a coordinate named {name!r}, as a statistic is; wants another: x.rename(...)")
    return xr.Dataset(variables, coords)
