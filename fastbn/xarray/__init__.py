"""Labelled arrays: the functions of this package by names of dimensions, and the accessor ``.fastbn``.

Each function is that of the same name in `fastbn`, with ``channel_dim`` (names) in place of ``channel_axis``. Names,
coordinates and attributes stay, in the order of the dimensions that the data have; attributes that describe the values
themselves (``units``, valid ranges, fill values) and how a file holds them (`encoding`) do not, for these are others:

>>> import numpy as np, xarray as xr, fastbn.xarray
>>> t = xr.DataArray([[280.0], [282.0]], {"site": ["a"]}, ["time", "site"], attrs={"units": "K", "long_name": "air"})
>>> t.fastbn.zscore("site").attrs
{'long_name': 'air'}

Long for its documentation: what is done, `_calls` does.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .._optional import needed

with needed("xarray"):
    import xarray as xr

from ..normalization import denormalize as denormalize_array
from ..normalization import minmax_scale as minmax_scale_array
from ..normalization import minmax_unscale as minmax_unscale_array
from ..normalization import normalize as normalize_array
from ..normalization import zscore as zscore_array
from ..robust import robust_scale as robust_scale_array
from ._calls import Call, mapped
from ._handlers import HANDLERS  # noqa: F401 - which the functions of `fastbn` look up here
from ._labels import Names
from ._layers import batch_norm, group_norm, instance_norm, layer_norm
from ._statistics import channel_quantiles, channel_stats, stats_dataset

__all__ = [
    "batch_norm",
    "channel_quantiles",
    "channel_stats",
    "denormalize",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "minmax_scale",
    "minmax_unscale",
    "normalize",
    "robust_scale",
    "stats_dataset",
    "zscore",
]


def zscore(
    x: Any,
    channel_dim: Names,
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
    others: str = "raise",
) -> Any:
    """Shift and scale every channel to mean 0 and variance 1: ``(x - mean) / sqrt(var + eps)``.

    Parameters
    ----------
    x : DataArray or Dataset
        Of NumPy arrays, or of Dask arrays: then the result is lazy.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*. None: the whole array is one channel.
    ddof : int, default 0
        Delta degrees of freedom of the variance.
    eps : float, default 0.0
        Added to the variance, in the units of the data squared.
    stats : ChannelStats, or for a Dataset a mapping with those of each variable, optional
        Taken instead of the statistics of `x`, as `channel_stats` returns them. If they have names, these must be the
        labels along `channel_dim`.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `fastbn.zscore`; xarray's ``skipna=True`` is "omit".
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    weights : DataArray or array_like, optional
        As in `channel_stats`.
    nodata : scalar, DataArray or array_like, optional
        As in `channel_stats`.
    method : {"compensated", "exact"}, default "compensated"
        As in `channel_stats`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        As in `fastbn.zscore`.
    return_stats : bool, default False
        Return statistics, too.
    out : DataArray, optional
        Receives the result: of NumPy data, with the dimensions and labels of `x`, `x` itself or without overlap. It
        gets the attributes of the result, too. Not for a Dataset.
    dtype : dtype, optional
        Of the result, as in `fastbn.zscore`.
    others : {"raise", "ignore"}, default "raise"
        Variables of a Dataset that have no numbers or not all of the dimensions: an error, or left as they are.

    Returns
    -------
    DataArray or Dataset, or (it, statistics)
        Without units, of the shape of `x` and labelled as it: name, coordinates, order of dimensions, attributes
        without `units` and others that describe the values, and no encoding. Statistics as from `channel_stats`; lazy
        ones for Dask arrays.

    Raises
    ------
    ValueError
        If there is no such dimension, labels differ, or as in `fastbn.zscore`. Nothing is written then.
    TypeError
        If `x` is of another kind, or as in `fastbn.zscore`.

    See Also
    --------
    fastbn.zscore : The same of arrays, with formula and source.
    fastbn.xarray.denormalize : Undo it.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> image = xr.DataArray([[[1.0, 3.0]], [[10.0, 30.0]]], {"band": ["red", "nir"]}, ["band", "y", "x"])
    >>> fastbn.xarray.zscore(image, "band").sel(band="nir").values
    array([[-1.,  1.]])
    """
    arguments = {
        "ddof": ddof,
        "eps": eps,
        "stats": stats,
        "nan_policy": nan_policy,
        "where": where,
        "weights": weights,
        "nodata": nodata,
        "method": method,
        "on_constant": on_constant,
        "return_stats": return_stats,
        "out": out,
        "dtype": dtype,
    }
    return mapped(Call(zscore_array, channel_dim, arguments), x, others)


def minmax_scale(
    x: Any,
    channel_dim: Names,
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
    others: str = "raise",
) -> Any:
    """Map every channel's range onto `feature_range`: ``lo + (x - min) / (max - min) * (hi - lo)``.

    Parameters
    ----------
    x : DataArray or Dataset
        As in `zscore`.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    feature_range : (float, float), default (0.0, 1.0)
        As in `fastbn.minmax_scale`.
    clip : bool, default False
        Clip what lies outside the fitted range.
    stats : ChannelStats or ChannelQuantiles, or for a Dataset a mapping with those of each variable, optional
        Taken instead of the statistics of `x`.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `zscore`.
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    nodata : scalar, DataArray or array_like, optional
        As in `channel_stats`.
    method : {"compensated", "exact"}, default "compensated"
        As in `channel_stats`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        As in `fastbn.minmax_scale`.
    return_stats : bool, default False
        Return statistics, too.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `fastbn.zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset, or (it, statistics)
        As from `zscore`, in the units of `feature_range`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.minmax_scale`.

    See Also
    --------
    fastbn.minmax_scale : The same of arrays, with formula and source.
    fastbn.xarray.minmax_unscale : Undo it.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> table = xr.DataArray([[1.0, 10.0], [3.0, 20.0]], dims=["time", "site"])
    >>> fastbn.xarray.minmax_scale(table, "site").values
    array([[0., 0.],
           [1., 1.]])
    """
    arguments = {
        "feature_range": feature_range,
        "clip": clip,
        "stats": stats,
        "nan_policy": nan_policy,
        "where": where,
        "nodata": nodata,
        "method": method,
        "on_constant": on_constant,
        "return_stats": return_stats,
        "out": out,
        "dtype": dtype,
    }
    return mapped(Call(minmax_scale_array, channel_dim, arguments), x, others)


def robust_scale(
    x: Any,
    channel_dim: Names,
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
    others: str = "raise",
) -> Any:
    """Shift and scale every channel by its median and the range of its quantiles: ``(x - median) / (hi - lo)``.

    Parameters
    ----------
    x : DataArray or Dataset
        As in `zscore`.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    quantile_range : (float, float), default (25.0, 75.0)
        As in `fastbn.robust_scale`, in percent.
    stats : ChannelQuantiles, or for a Dataset a mapping with those of each variable, optional
        Taken instead of the quantiles of `x`, as `channel_quantiles` returns them.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `zscore`.
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    nodata : scalar, DataArray or array_like, optional
        As in `channel_stats`.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        As in `fastbn.robust_scale`.
    return_stats : bool, default False
        Return statistics, too.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `fastbn.zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset, or (it, quantiles)
        As from `zscore`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.robust_scale`.

    See Also
    --------
    fastbn.robust_scale : The same of arrays, with formula and source.
    fastbn.xarray.channel_quantiles : The quantiles.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> table = xr.DataArray([[1.0], [2.0], [3.0], [4.0], [1000.0]], dims=["time", "site"])
    >>> fastbn.xarray.robust_scale(table, "site").values.ravel()
    array([ -1. ,  -0.5,   0. ,   0.5, 498.5])
    """
    arguments = {
        "quantile_range": quantile_range,
        "stats": stats,
        "nan_policy": nan_policy,
        "where": where,
        "nodata": nodata,
        "on_constant": on_constant,
        "return_stats": return_stats,
        "out": out,
        "dtype": dtype,
    }
    return mapped(Call(robust_scale_array, channel_dim, arguments), x, others)


def normalize(
    x: Any,
    stats: Any,
    channel_dim: Names,
    *,
    gamma: Any = None,
    beta: Any = None,
    ddof: int = 0,
    eps: float = 0.0,
    on_constant: str = "zero",
    out: Any = None,
    dtype: Any = None,
    others: str = "raise",
) -> Any:
    """Normalize with given statistics: ``(x - mean) / sqrt(var + eps) * gamma + beta``.

    Parameters
    ----------
    x : DataArray or Dataset
        As in `zscore`.
    stats : ChannelStats, or for a Dataset a mapping with those of each variable
        As in `zscore`.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    gamma, beta : DataArray or array_like, optional
        Scale and shift. Labelled ones are aligned by name, and may lack some of the kept dimensions; plain ones have
        the axes of `channel_dim` in its order. For a Dataset also mappings with an entry for each variable.
    ddof : int, default 0
        Delta degrees of freedom of the variance.
    eps : float, default 0.0
        Added to the variance, in the units of the data squared.
    on_constant : {"zero", "nan", "raise"}, default "zero"
        As in `fastbn.normalize`.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `fastbn.zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        As from `zscore`, in the units of `gamma` and `beta`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.normalize`.

    See Also
    --------
    fastbn.normalize : The same of arrays, with formula and source.
    fastbn.xarray.denormalize : Undo it.

    Examples
    --------
    >>> import xarray as xr, fastbn, fastbn.xarray
    >>> stats = fastbn.ChannelStats.from_moments(100, [10.0, 20.0], [4.0, 25.0])
    >>> table = xr.DataArray([[12.0, 20.0]], dims=["time", "site"])
    >>> fastbn.xarray.normalize(table, stats, "site").values
    array([[1., 0.]])
    """
    arguments = {
        "stats": stats,
        "gamma": gamma,
        "beta": beta,
        "ddof": ddof,
        "eps": eps,
        "on_constant": on_constant,
        "out": out,
        "dtype": dtype,
    }
    return mapped(Call(normalize_array, channel_dim, arguments), x, others)


def denormalize(
    y: Any,
    stats: Any,
    channel_dim: Names,
    *,
    gamma: Any = None,
    beta: Any = None,
    ddof: int = 0,
    eps: float = 0.0,
    out: Any = None,
    dtype: Any = None,
    units: str | Mapping[Any, str] | None = None,
    others: str = "raise",
) -> Any:
    """Undo `normalize`: ``(y - beta) / gamma * sqrt(var + eps) + mean``.

    Parameters
    ----------
    y : DataArray or Dataset
        What `normalize` or `zscore` returned.
    stats : ChannelStats, or for a Dataset a mapping with those of each variable
        The statistics that were used.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    gamma, beta : DataArray or array_like, optional
        As they were used; see `normalize`.
    ddof : int, default 0
        As it was used.
    eps : float, default 0.0
        As it was used.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `fastbn.denormalize`.
    units : str, or for a Dataset a mapping with those of each variable, optional
        Attribute `units` of the result, which has none if nothing is given: statistics do not know their units.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        Of the shape of `y` and labelled as it, in the units of the data that `stats` are of.

    Raises
    ------
    ValueError, TypeError
        As in `normalize` and `fastbn.denormalize`.

    See Also
    --------
    fastbn.denormalize : The same of arrays, with formula and source.
    fastbn.xarray.normalize : What it undoes.
    fastbn.xarray.zscore : What it undoes.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> t = xr.DataArray([[280.0], [282.0]], dims=["time", "site"], attrs={"units": "K"})
    >>> y, stats = fastbn.xarray.zscore(t, "site", return_stats=True)
    >>> fastbn.xarray.denormalize(y, stats, "site", units="K").identical(t)
    True
    """
    arguments = {
        "stats": stats,
        "gamma": gamma,
        "beta": beta,
        "ddof": ddof,
        "eps": eps,
        "out": out,
        "dtype": dtype,
    }
    return mapped(Call(denormalize_array, channel_dim, arguments, data="y"), y, others, units)


def minmax_unscale(
    y: Any,
    stats: Any,
    channel_dim: Names,
    *,
    feature_range: tuple[float, float] = (0.0, 1.0),
    out: Any = None,
    dtype: Any = None,
    units: str | Mapping[Any, str] | None = None,
    others: str = "raise",
) -> Any:
    """Undo `minmax_scale`: ``min + (y - lo) / (hi - lo) * (max - min)``.

    Parameters
    ----------
    y : DataArray or Dataset
        What `minmax_scale` returned.
    stats : ChannelStats or ChannelQuantiles, or for a Dataset a mapping with those of each variable
        The statistics that were used.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    feature_range : (float, float), default (0.0, 1.0)
        As it was used.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    dtype : dtype, optional
        Of the result, as in `fastbn.denormalize`.
    units : str, or for a Dataset a mapping with those of each variable, optional
        Attribute `units` of the result, as in `denormalize`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        Of the shape of `y` and labelled as it, in the units of the data that `stats` are of.

    Raises
    ------
    ValueError, TypeError
        As in `minmax_scale` and `fastbn.minmax_unscale`.

    See Also
    --------
    fastbn.minmax_unscale : The same of arrays, with formula and source.
    fastbn.xarray.minmax_scale : What it undoes.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> t = xr.DataArray([[280.0], [282.0]], dims=["time", "site"], attrs={"units": "K"})
    >>> y, stats = fastbn.xarray.minmax_scale(t, "site", return_stats=True)
    >>> fastbn.xarray.minmax_unscale(y, stats, "site", units="K").identical(t)
    True
    """
    arguments = {"stats": stats, "feature_range": feature_range, "out": out, "dtype": dtype}
    return mapped(Call(minmax_unscale_array, channel_dim, arguments, data="y"), y, others, units)


# The accessor


@xr.register_dataset_accessor("fastbn")
@xr.register_dataarray_accessor("fastbn")
class _Accessor:
    """The functions of `fastbn.xarray` as methods."""

    def __init__(self, x: xr.DataArray | xr.Dataset) -> None:
        self._x = x

    def __repr__(self) -> str:
        return f"fastbn of a {type(self._x).__name__}: {', '.join(__all__)}"


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def method(self: _Accessor, *args: Any, **kwargs: Any) -> Any:
        return function(self._x, *args, **kwargs)

    return method


for _name in __all__:
    setattr(_Accessor, _name, _method(globals()[_name]))
