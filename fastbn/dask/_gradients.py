"""Gradients of Dask arrays: sums chunk by chunk and in a tree, then the map of every chunk."""

import functools
import math
from typing import Any

import numpy as np

from .._arrays import as_operand, channel_vector
from .._backends.gradient_parts import Slopes, host_of, map_gradient, slopes_of, sums_of, total_of
from .._channel_stats import ChannelStats
from .._environment import in_default_environment
from .._gradients import fold_rows, open_gradient
from .._opening import open_data
from .._optional import needed
from ._arrays import Beside, Data
from ._states import STATE, in_tree, looked_up, meta_of

with needed("dask"):
    import dask.array as da


def sums_in_tree(data: Data, states: Any, dy: Beside, mask: Beside) -> Any:
    """Sums of ``dy`` and of ``dy (x - mean)`` per channel, as blocks in the chunks of the channels."""
    kept = data.axes.kept
    parts = data.states(functools.partial(_sums_of_chunk, kept=kept), Beside(states, kept), dy, mask)
    return in_tree(parts, data.axes.reduced, total_of)


def slopes(sums: Any, states: Any, gamma: Beside, eps: float) -> Any:
    """What the sums say, as blocks of `Slopes`; gamma lies beside the last axes of the channels."""
    index = tuple(range(sums.ndim))
    scale = None if gamma.array is None else index[len(index) - gamma.array.ndim :]
    function = functools.partial(_slopes_of_chunk, eps=eps)
    others = (gamma.array, scale)
    return da.blockwise(
        function, index, sums, index, states, index, *others, dtype=STATE, meta=meta_of(len(index)), align_arrays=False
    )


def along_x(data: Data, states: Any, found: Any, dy: Beside, mask: Beside) -> Any:
    """The gradient with respect to the data, as in training."""
    kept = data.axes.kept
    function = functools.partial(_along_x_of_chunk, kept=kept)
    return data.map(function, Beside(states, kept), Beside(found, kept), dy, mask, dtype=dy.array.dtype)


def rounded_total(totals: Any) -> tuple[Any, Any]:
    """Gradients of gamma and beta, from blocks of sums as `sums_of` has them."""
    rows = enumerate(("dbeta", "dgamma"))
    dbeta, dgamma = (looked_up(totals, functools.partial(_rounded, row=row), np.float64, name) for row, name in rows)
    return dgamma, dbeta


@in_default_environment
def words_of(found: Slopes) -> np.ndarray:
    """Sums of the gradients of beta and gamma over all but the last axis: (2 words, 2 sums, channels)."""
    values = np.stack([found.dbeta, found.dgamma])
    values = values.reshape(2, math.prod(values.shape[1:-1]), values.shape[-1])
    return np.stack(fold_rows(values)) if values.shape[1] else np.zeros((2, 2, values.shape[-1]))


@in_default_environment
def _rounded(words: np.ndarray, row: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = words[0, row] + words[1, row]
    return np.where(np.isnan(values), np.nan, values)  # one NaN for all: its sign is the machine's choice


def _sums_of_chunk(x: np.ndarray, stats: ChannelStats, dy: np.ndarray, where: Any, kept: tuple[int, ...]) -> np.ndarray:
    operand, axes = open_data(x, kept, where=where)
    return sums_of(host_of(operand.stored), operand, as_operand(dy, "dy"), axes, stats.moments(operand.stored))


def _slopes_of_chunk(sums: np.ndarray, stats: ChannelStats, gamma: Any, eps: float) -> Slopes:
    nothing = as_operand(np.empty(0))
    every = None if gamma is None else np.broadcast_to(gamma, stats.shape)
    scale = channel_vector(every, "gamma", stats.shape, 1.0)
    return slopes_of(host_of(nothing.stored), sums, stats.moments(nothing.stored), scale, eps, stats.shape)


def _along_x_of_chunk(
    x: np.ndarray, stats: ChannelStats, found: Slopes, dy: np.ndarray, where: Any, kept: tuple[int, ...]
) -> np.ndarray:
    operand, axes = open_data(x, kept, where=where)
    incoming = open_gradient(dy, x, operand, None)
    moments = stats.moments(operand.stored)
    map_gradient(host_of(operand.stored), operand, incoming.dy, axes, moments, found.knobs, incoming.target)
    return incoming.dx
