"""Layer normalization of Dask arrays.

Where every chunk holds all of the normalized axes, the function for NumPy arrays does it chunk by chunk. Else the
statistics at each place come from a tree over its chunks, and a chunk is normalized in float64 before gamma and beta,
which lie along the other axes, are applied to it.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import layernorm
from .._arrays import Operand, as_operand, prepare_output
from .._backends.gradient_parts import Slopes, host_of, map_gradient, slopes_of, sums_of, total_of
from .._channel_stats import ChannelStats
from .._environment import in_default_environment
from .._gradients import BatchNormGradients
from .._kernels.coefficients import SCALE
from .._layout import split_axes, split_normalized
from .._optional import needed
from ..normalization import normalize
from ._arrays import NOTHING, Beside, Data, open_array, refuse_masked, refuse_out, reread
from ._batchnorm import open_pair
from ._gradients import rounded_total
from ._maps import Fitted, mapped, plain
from ._states import STATE, in_tree, meta_of
from ._stats import lazy_stats

with needed("dask"):
    import dask.array as da


def layer_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
    out: Any = None,
) -> Any:
    """`fastbn.layer_norm` of a Dask array."""
    refuse_out(out)
    normalized, places = _open(x, axis)
    call = functools.partial(layernorm.layer_norm, eps=eps)
    nothing, axes = normalized.stand_in()
    dtype = call(nothing, plain(gamma), plain(beta), axis=axes).dtype
    vectors = {"gamma": normalized.vector(gamma, "gamma"), "beta": normalized.vector(beta, "beta")}
    if all(len(sizes) == 1 for sizes in normalized.chunks):
        one = functools.partial(_one_chunk, call=call, axis=normalized.axes.kept)
        return normalized.map(one, *vectors.values(), dtype=dtype)
    states = lazy_stats(places).states
    (again,) = reread(x, after=states)
    function = functools.partial(_normalized, axis=normalized.axes.kept, eps=eps, dtype=dtype)
    return mapped(function, Fitted(None, states, places._replace(x=again), NOTHING), dtype, **vectors)


def layer_norm_backward(
    dy: Any,
    x: Any,
    gamma: Any = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
    out: Any = None,
) -> BatchNormGradients:
    """`fastbn.layer_norm_backward` of Dask arrays; all three gradients are lazy."""
    refuse_out(out)
    normalized, places = _open(x, axis)
    _, gradient = open_pair(dy, x, normalized.axes.kept)
    (nothing, axes), (incoming, _) = normalized.stand_in(), gradient.stand_in()
    layernorm.layer_norm_backward(incoming, nothing, plain(gamma), axis=axes, eps=eps)
    states, scale = lazy_stats(places).states, normalized.vector(gamma, "gamma")
    beside, of_x = places.beside(dy, "dy"), Beside(states, places.axes.kept)
    kept = places.axes.kept
    sums = functools.partial(_sums, kept=kept, along=kept, eps=eps)
    rows = in_tree(places.states(sums, of_x, scale, beside), places.axes.reduced, total_of)
    index = tuple(range(rows.ndim))
    found = da.blockwise(
        functools.partial(_slopes_of_rows, eps=eps),
        index,
        rows,
        index,
        states,
        index,
        dtype=STATE,
        meta=meta_of(rows.ndim),
        align_arrays=False,
    )
    sums = functools.partial(_sums, kept=kept, along=normalized.axes.kept, eps=eps)
    totals = in_tree(places.states(sums, of_x, NOTHING, beside), normalized.axes.reduced, total_of)
    if any(len(sizes) > 1 for sizes in normalized.chunks):
        x, dy = reread(x, beside.array, after=found)
        places, beside = places._replace(x=x), beside._replace(array=dy)
    along_x = functools.partial(_along_x, kept=kept, eps=eps)
    dx = places.map(along_x, of_x, scale, beside, Beside(found, kept), dtype=gradient.x.dtype)
    return BatchNormGradients(dx, *rounded_total(totals))


def _open(x: Any, axis: Any) -> tuple[Data, Data]:
    """The data in two views: with the axes to normalize over kept, and with the others."""
    refuse_masked(x)
    whole = open_array(x, None)
    axes = split_normalized(x.shape, axis)
    return whole._replace(axes=axes), whole._replace(axes=split_axes(x.shape, axes.reduced))


def _one_chunk(x: np.ndarray, gamma: Any, beta: Any, call: Callable[..., Any], axis: tuple[int, ...]) -> np.ndarray:
    y: np.ndarray = call(x, gamma, beta, axis=axis)
    return y


def _normalized(
    x: np.ndarray,
    channel_axis: tuple[int, ...],
    stats: ChannelStats,
    axis: tuple[int, ...],
    eps: float,
    dtype: Any,
    **vectors: Any,
) -> np.ndarray:
    if not vectors:
        return normalize(x, stats, channel_axis, eps=eps)
    xhat = normalize(x, stats, channel_axis, eps=eps, dtype=np.float64)
    shape = tuple(x.shape[i] for i in axis)
    return normalize(xhat, _standard(1, shape), axis, dtype=dtype, **vectors)


def _standard(count: Any, shape: tuple[int, ...]) -> ChannelStats:
    """Statistics of what is standardized already."""
    return ChannelStats.from_moments(count, np.zeros(shape), 1.0)


class _Pair(NamedTuple):
    """A chunk standardized, and the gradient with respect to that, both in float64."""

    xhat: Operand
    gradient: Operand


@in_default_environment
def _pair(x: np.ndarray, stats: ChannelStats, gamma: Any, dy: np.ndarray, kept: Any, eps: float) -> _Pair:
    xhat = normalize(np.asarray(x), stats, kept, eps=eps, on_constant="nan", dtype=np.float64)
    scale = 1.0 if gamma is None else np.expand_dims(np.asarray(gamma, np.float64), kept)
    with np.errstate(all="ignore"):
        gradient = np.multiply(dy, scale, dtype=np.float64)
    return _Pair(as_operand(xhat), as_operand(gradient))


def _sums(
    x: np.ndarray, stats: ChannelStats, gamma: Any, dy: np.ndarray, kept: Any, along: tuple[int, ...], eps: float
) -> np.ndarray:
    """Sums over all but some axes."""
    pair, nothing = _pair(x, stats, gamma, dy, kept, eps), np.empty(0)
    axes = split_axes(x.shape, along)
    return sums_of(host_of(nothing), *pair, axes, _standard(1, axes.shape).moments(nothing))


@in_default_environment
def _slopes_of_rows(sums: np.ndarray, stats: ChannelStats, eps: float) -> Slopes:
    nothing = np.empty(0)
    backend, size = host_of(nothing), stats.count.size
    inverse = np.empty(0)
    if size:
        rows = backend.standardize(stats.moments(nothing), np.ones(size), np.zeros(size), eps, 0, np.nan)
        inverse = rows.reshape(-1, size)[SCALE].copy()
    standard = _standard(stats.count, stats.shape)
    return slopes_of(backend, sums, standard.moments(nothing), inverse, 0.0, stats.shape)


def _along_x(
    x: np.ndarray, stats: ChannelStats, gamma: Any, dy: np.ndarray, found: Slopes, kept: Any, eps: float
) -> np.ndarray:
    pair, nothing = _pair(x, stats, gamma, dy, kept, eps), np.empty(0)
    dx, target = prepare_output(dy, as_operand(dy, "dy"), None, None, "dy")
    moments = _standard(1, stats.shape).moments(nothing)
    map_gradient(host_of(nothing), *pair, split_axes(x.shape, kept), moments, found.knobs, target)
    return dx
