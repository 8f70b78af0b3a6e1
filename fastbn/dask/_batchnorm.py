"""Batch normalization of Dask arrays, and its gradients."""

import functools
from operator import attrgetter
from typing import Any

import numpy as np

from .. import batchnorm
from .._backends import current
from .._channel_stats import ChannelStats
from .._gradients import BatchNormGradients
from .._layout import ChannelAxis
from .._optional import needed
from .._running import Default, check_apart, check_convention, weights
from ..normalization import normalize
from ._arrays import Beside, Data, may_be_same, open_array, refuse_out, reread
from ._gradients import along_x, slopes, sums_in_tree
from ._maps import fit, likely, mapped, plain
from ._states import looked_up
from ._stats import LazyChannelStats, mask_of

with needed("dask"):
    import dask.array as da


def batch_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    training: bool = True,
    momentum: float | Default = Default.CONVENTION,
    eps: float | Default = Default.CONVENTION,
    channel_axis: ChannelAxis = 1,
    convention: str = "torch",
    nan_policy: str = "propagate",
    where: Any = None,
    method: str = "compensated",
    return_stats: bool = False,
    out: Any = None,
) -> Any:
    """`fastbn.batch_norm` of a Dask array.

    The result is lazy; but running statistics are updated now, for which the statistics of the batch are computed.
    """
    refuse_out(out)
    data = open_array(x, channel_axis)
    rules = check_convention(convention, momentum, eps)
    running: dict[str, Any] = {"running_mean": running_mean, "running_var": running_var}
    vectors = {"gamma": data.vector(gamma, "gamma"), "beta": data.vector(beta, "beta")}
    if running_mean is not None:
        data.check_known("running_mean")
    nothing, axes = data.stand_in()
    sample, stats = batchnorm.batch_norm(
        nothing,
        plain(gamma),
        plain(beta),
        **running,
        training=training,
        eps=rules.eps,
        channel_axis=axes,
        nan_policy=nan_policy,
        method=method,
        return_stats=True,
    )
    if training:
        if data.axes.values == 1 and data.axes.channels:
            raise ValueError(f"x: got shape {x.shape}, one value per channel; wants more in training")
        stats = None
    fitted = fit(data, stats, nan_policy, method, {"where": where}, _refuse_single if training else None)
    if training and running_mean is not None and running_var is not None:
        check_apart(dict(running), {})
        found = LazyChannelStats(fitted.states, data.x.dtype).compute()
        nothing = np.empty(0)
        current(nothing).update_running(found.moments(nothing), *weights(rules), rules.ddof, running_mean, running_var)
        fitted = fit(data, found, "propagate", method, {}, None)
    y = mapped(functools.partial(normalize, eps=rules.eps), fitted, sample.dtype, **vectors)
    return (y, fitted.stats) if return_stats else y


def _refuse_single(stats: ChannelStats) -> None:
    """One value per channel has no spread to normalize by; Dask may not have known how many there are."""
    values = stats.count + stats.n_missing
    if values.size and (values == 1).all():
        raise ValueError("x: got one value per channel; wants more in training")


def batch_norm_backward(
    dy: Any,
    x: Any,
    stats: Any,
    gamma: Any = None,
    *,
    eps: float = 1e-5,
    training: bool = True,
    channel_axis: ChannelAxis = 1,
    where: Any = None,
    out: Any = None,
) -> BatchNormGradients:
    """`fastbn.batch_norm_backward` of Dask arrays; all three gradients are lazy."""
    refuse_out(out)
    data, gradient = open_pair(dy, x, channel_axis)
    nothing, axes = data.stand_in()
    batchnorm.batch_norm_backward(
        gradient.stand_in()[0],
        nothing,
        likely(stats, data),
        plain(gamma),
        eps=eps,
        training=training,
        channel_axis=axes,
    )
    states = fit(data, stats, "propagate", "compensated", {}, None).states
    scale, mask = data.vector(gamma, "gamma"), mask_of(data, where)
    incoming = data.beside(dy, "dy")
    found = slopes(sums_in_tree(data, states, incoming, mask), states, scale, eps)
    dgamma, dbeta = (looked_up(found, attrgetter(name), np.float64, name) for name in ("dgamma", "dbeta"))
    if data.x.size == 0:  # sums of nothing, whatever the statistics say
        dgamma, dbeta = da.zeros_like(dgamma), da.zeros_like(dbeta)
    if training:
        again = dict(zip(("x", "dy", "where"), reread(x, incoming.array, mask.array, after=found), strict=True))
        incoming, mask = incoming._replace(array=again["dy"]), mask._replace(array=again["where"])
        dx = along_x(data._replace(x=again["x"]), states, found, incoming, mask)
    else:
        fixed = functools.partial(_in_evaluation, eps=eps, channel_axis=data.axes.kept)
        dx = data.map(fixed, Beside(states, data.axes.kept), scale, incoming, mask, dtype=gradient.x.dtype)
    return BatchNormGradients(dx, dgamma, dbeta)


def open_pair(dy: Any, x: Any, channel_axis: ChannelAxis) -> tuple[Data, Data]:
    """Check data and the gradient with respect to what was made of them."""
    gradient, data = open_array(dy, channel_axis, "dy"), open_array(x, channel_axis)
    if gradient.x.dtype.kind != "f":
        raise TypeError(f"dy: got dtype {gradient.x.dtype}; wants float16, float32 or float64")
    if not may_be_same(gradient.x.shape, data.x.shape):
        raise ValueError(f"dy: got shape {gradient.x.shape}; wants {data.x.shape}, that of x")
    return data, gradient


def _in_evaluation(x: np.ndarray, stats: ChannelStats, gamma: Any, dy: np.ndarray, where: Any, **options: Any) -> Any:
    return batchnorm.batch_norm_backward(dy, x, stats, gamma, training=False, where=where, **options).dx
