"""Layers of networks on labelled arrays."""

import contextlib
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from .._running import Default, put_together
from ..batchnorm import batch_norm as batch_norm_of_array
from ..layernorm import layer_norm as layer_norm_of_array
from ..relatives import group_norm as group_norm_of_array
from ..relatives import instance_norm as instance_norm_of_array
from ._calls import Call, mapped, public
from ._labels import Names, single


@public
def batch_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    running_mean: Any = None,
    running_var: Any = None,
    training: bool = True,
    momentum: float | Default = Default.CONVENTION,
    eps: float | Default = Default.CONVENTION,
    channel_dim: Names,
    convention: str = "torch",
    nan_policy: str = "propagate",
    where: Any = None,
    method: str = "compensated",
    return_stats: bool = False,
    out: Any = None,
    others: str = "raise",
) -> Any:
    """Batch normalization: ``(x - mean) / sqrt(var + eps) * gamma + beta`` per channel.

    Parameters
    ----------
    x : DataArray or Dataset
        The batch.
    gamma, beta : DataArray or array_like, optional
        Scale and shift. Labelled ones are aligned by name, and may lack some of the kept dimensions; plain ones have
        the axes of `channel_dim` in its order.
    running_mean, running_var : DataArray or ndarray, optional
        Running statistics, of NumPy data: in training they are updated in place, for a Dataset all or none. Then they
        are mappings with an entry for each variable.
    training : bool, default True
        Normalize with the statistics of the batch; else with the running ones.
    momentum : float, optional
        As in `fastbn.batch_norm`.
    eps : float, optional
        Added to the variance, in the units of `x` squared; as in `fastbn.batch_norm`.
    channel_dim : name, sequence of names, or None
        The dimension (or dimensions) that is *kept*.
    convention : {"torch", "keras", "onnx"}, default "torch"
        As in `fastbn.batch_norm`.
    nan_policy : {"propagate", "omit", "raise"}, default "propagate"
        As in `fastbn.batch_norm`.
    where : DataArray or array_like of bool, optional
        As in `channel_stats`.
    method : {"compensated", "exact"}, default "compensated"
        As in `channel_stats`.
    return_stats : bool, default False
        Return statistics, too.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset, or (it, statistics)
        Of the shape of `x` and labelled as it, without `units`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.batch_norm`.

    See Also
    --------
    fastbn.batch_norm : The same of arrays, with formula and source.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> batch = xr.DataArray([[1.0], [3.0]], dims=["sample", "feature"])
    >>> fastbn.xarray.batch_norm(batch, beta=[10.0], channel_dim="feature", eps=0.0).values
    array([[ 9.],
           [11.]])
    """
    arguments = {
        "gamma": gamma,
        "beta": beta,
        "running_mean": running_mean,
        "running_var": running_var,
        "training": training,
        "momentum": momentum,
        "eps": eps,
        "convention": convention,
        "nan_policy": nan_policy,
        "where": where,
        "method": method,
        "return_stats": return_stats,
        "out": out,
    }
    call = Call(batch_norm_of_array, channel_dim, arguments)
    if not (isinstance(x, xr.Dataset) and training):
        return mapped(call, x, others)
    with _updated_together(running_mean=running_mean, running_var=running_var):
        return mapped(call, x, others)


@contextlib.contextmanager
def _updated_together(**running: Any) -> Iterator[None]:
    """Give running statistics of variables their values back if a later variable is refused."""
    vectors = []
    for name, of_variables in running.items():
        if not isinstance(of_variables, Mapping | None):
            raise TypeError(
                f"{name}: got {type(of_variables).__name__} for a Dataset in training; wants a mapping with an entry "
                "for each variable"
            )
        found = [v.data if isinstance(v, xr.DataArray | xr.Variable) else v for v in (of_variables or {}).values()]
        vectors += [vector for vector in found if isinstance(vector, np.ndarray) and vector.flags.writeable]
    before = [vector.copy() for vector in vectors]
    try:
        yield
    except BaseException:
        put_together([(vector, ..., values) for vector, values in zip(vectors, before, strict=True)])
        raise


@public
def instance_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    eps: float = 1e-5,
    channel_dim: Hashable,
    sample_dim: Hashable | None = None,
    out: Any = None,
    others: str = "raise",
) -> Any:
    """Normalize each channel of each sample by its own mean and biased variance.

    Parameters
    ----------
    x : DataArray or Dataset
        The samples.
    gamma, beta : DataArray or array_like, optional
        Scale and shift, one number per channel.
    eps : float, default 1e-5
        Added to the variance, in the units of the data squared.
    channel_dim : name
        The dimension that counts channels.
    sample_dim : name, optional
        The dimension that counts samples; the first one if not given. If that is `channel_dim`, there is one sample.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        Of the shape of `x` and labelled as it, without `units`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.instance_norm`.

    See Also
    --------
    fastbn.instance_norm : The same of arrays, with formula and source.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> x = xr.DataArray([[[1.0, 3.0], [5.0, 5.0]]], dims=["sample", "channel", "place"])
    >>> fastbn.xarray.instance_norm(x, channel_dim="channel").values.round(3)
    array([[[-1.,  1.],
            [ 0.,  0.]]])
    """
    arguments = {"gamma": gamma, "beta": beta, "eps": eps, "out": out}
    call = Call(instance_norm_of_array, single(channel_dim), arguments, sample_dim=sample_dim)
    return mapped(call, x, others)


@public
def group_norm(
    x: Any,
    num_groups: int,
    gamma: Any = None,
    beta: Any = None,
    *,
    eps: float = 1e-5,
    channel_dim: Hashable,
    sample_dim: Hashable | None = None,
    out: Any = None,
    others: str = "raise",
) -> Any:
    """Normalize groups of neighbouring channels of each sample by their common mean and biased variance.

    Parameters
    ----------
    x : DataArray or Dataset
        The samples.
    num_groups : int
        Groups; a divisor of the number of channels.
    gamma, beta : DataArray or array_like, optional
        Scale and shift, one number per channel.
    eps : float, default 1e-5
        Added to the variance, in the units of the data squared.
    channel_dim : name
        The dimension that counts channels.
    sample_dim : name, optional
        The dimension that counts samples, as in `instance_norm`.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        Of the shape of `x` and labelled as it, without `units`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.group_norm`.

    See Also
    --------
    fastbn.group_norm : The same of arrays, with formula and source.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> x = xr.DataArray([[1.0, 3.0, 10.0, 30.0]], dims=["sample", "channel"])
    >>> fastbn.xarray.group_norm(x, 2, channel_dim="channel").values.round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    arguments = {"num_groups": num_groups, "gamma": gamma, "beta": beta, "eps": eps, "out": out}
    call = Call(group_norm_of_array, single(channel_dim), arguments, sample_dim=sample_dim)
    return mapped(call, x, others)


@public
def layer_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    dim: Names,
    eps: float = 1e-5,
    out: Any = None,
    others: str = "raise",
) -> Any:
    """Normalize over some dimensions, by the mean and biased variance at each place of the others.

    Parameters
    ----------
    x : DataArray or Dataset
        Of any dimensions.
    gamma, beta : DataArray or array_like, optional
        Scale and shift, over the normalized dimensions; plain ones have axes in the order of `dim`.
    dim : name or sequence of names
        The dimensions to normalize over.
    eps : float, default 1e-5
        Added to the variance, in the units of the data squared.
    out : DataArray, optional
        Receives the result, as in `zscore`.
    others : {"raise", "ignore"}, default "raise"
        As in `zscore`.

    Returns
    -------
    DataArray or Dataset
        Of the shape of `x` and labelled as it, without `units`.

    Raises
    ------
    ValueError, TypeError
        As in `zscore` and `fastbn.layer_norm`.

    See Also
    --------
    fastbn.layer_norm : The same of arrays, with formula and source.

    Examples
    --------
    >>> import xarray as xr, fastbn.xarray
    >>> x = xr.DataArray([[1.0, 3.0], [10.0, 30.0]], dims=["sample", "feature"])
    >>> fastbn.xarray.layer_norm(x, dim="feature").values.round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    if dim is None:
        raise TypeError("dim: got None; wants a name or several")
    arguments = {"gamma": gamma, "beta": beta, "eps": eps, "out": out}
    return mapped(Call(layer_norm_of_array, dim, arguments, argument="dim", keyword="axis"), x, others)
