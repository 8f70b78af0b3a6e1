"""What the public functions have in common: from checked arguments to backend verbs and back."""

import math

import numpy as np

from . import _merging
from ._arrays import Operand, transform_of
from ._backends import Moments, current
from ._channel_stats import ChannelStats
from ._exact import ExactState
from ._layout import Axes

#: What ``on_constant`` means for the factor on ``x - mean``, and for the width under ``x - min``.
CONSTANT_FACTOR = {"zero": 0.0, "nan": math.nan, "raise": 0.0}
CONSTANT_WIDTH = {"zero": math.inf, "nan": math.nan, "raise": math.inf}


def reduce(operand: Operand, axes: Axes) -> Moments:
    """Moments of a checked array."""
    if operand.stored.size == 0:
        least, greatest = _merging.no_extremes((axes.channels,), operand.storage)
        return Moments(np.zeros((5, axes.channels)), least, greatest)
    return current().reduce_moments(operand, axes)


def statistics_of(operand: Operand, axes: Axes, method: str) -> ChannelStats:
    """Statistics of a checked array by a method."""
    if method == "compensated":
        return wrap(reduce(operand, axes), axes.shape, operand.original)
    if operand.stored.size == 0:
        least, greatest = _merging.no_extremes(axes.shape, operand.original)
        return ChannelStats(ExactState.empty(axes.channels), least, greatest)
    sums = current().reduce_exact(operand, axes)
    least, greatest = (_as_original(end, operand.original).reshape(axes.shape) for end in (sums.least, sums.greatest))
    return ChannelStats(ExactState.of(sums), least, greatest)


def _as_original(end: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if end.dtype == dtype:
        return end
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        return end.astype(dtype)


def wrap(moments: Moments, shape: tuple[int, ...], dtype: np.dtype) -> ChannelStats:
    """A backend's result as a public value."""
    least, greatest = (_as_original(end, dtype) for end in (moments.least, moments.greatest))
    return ChannelStats(moments.state.reshape(5, *shape), least.reshape(shape), greatest.reshape(shape))


def fit_apply(
    operand: Operand,
    axes: Axes,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    ddof: int,
    constant: float,
    target: Operand,
    groups: tuple[Operand, Axes] | None = None,
) -> Moments:
    """Moments of checked data, and the data normalized with them.

    ``groups`` is another view of the same data, in which neighbouring channels are one; they share moments then.
    """
    grouped, of_groups = groups or (operand, axes)
    if operand.stored.size == 0:
        return reduce(grouped, of_groups)
    return current().normalize_batch(
        operand, axes, grouped, of_groups, transform_of(target.output), gamma, beta, eps, ddof, constant, target
    )


def apply(
    operand: Operand,
    axes: Axes,
    moments: Moments,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    ddof: int,
    on_constant: str,
    target: Operand,
) -> None:
    """Normalize checked data with given moments."""
    if on_constant == "raise" and eps == 0.0:
        refuse_constant((moments.state[3] == 0.0) & (moments.state[0] > ddof), axes)
    if operand.stored.size:
        backend = current()
        coefficients = backend.standardize(moments, gamma, beta, eps, ddof, CONSTANT_FACTOR[on_constant])
        backend.map_channels(operand, axes, transform_of(target.output), coefficients, target)


def refuse_constant(constant: np.ndarray, axes: Axes) -> None:
    if constant.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(constant)), axes.shape)) if axes.shape else ()
        raise ValueError(f"x: channel {index} is constant; on_constant='raise' wants channels that vary")
