"""What the public functions have in common: from checked arguments to backend verbs and back."""

import math
from typing import TypeVar

import numpy as np

from . import _merging
from ._arrays import Operand, transform_of
from ._backends import Found, Moments, current
from ._channel_quantiles import ChannelQuantiles
from ._channel_stats import ChannelStats
from ._exact import ExactState
from ._layout import Axes
from ._merging import Tally
from ._selection import Selection, kept_nodata

Fitted = TypeVar("Fitted", bound=ChannelStats | ChannelQuantiles)

#: What ``on_constant`` means for the factor on ``x - mean``, and for the width under ``x - min``.
CONSTANT_FACTOR = {"zero": 0.0, "nan": math.nan, "raise": 0.0}
CONSTANT_WIDTH = {"zero": math.inf, "nan": math.nan, "raise": math.inf}


def reduce(operand: Operand, axes: Axes) -> Found:
    """Moments of a checked array."""
    if operand.stored.size == 0:
        least, greatest = _merging.no_extremes((axes.channels,), operand.storage)
        return Moments(np.zeros((5, axes.channels)), least, greatest)
    return current(operand.stored).reduce_moments(operand, axes)


def statistics_of(operand: Operand, axes: Axes, method: str) -> ChannelStats:
    """Statistics of a checked array by a method."""
    if method == "compensated":
        return wrap(reduce(operand, axes), axes, operand)
    if operand.stored.size == 0:
        least, greatest = _merging.no_extremes(axes.shape, operand.original)
        return ChannelStats(ExactState.empty(axes.channels), least, greatest)
    sums = current(operand.stored).reduce_exact(operand, axes)
    state = ExactState.of(sums)
    count = state.counts[0].reshape(axes.shape)
    least, greatest = _extremes(sums.least, sums.greatest, count, axes, operand)
    return ChannelStats(state, least, greatest, None, _tally(count, axes, operand))


def _extremes(
    least: np.ndarray, greatest: np.ndarray, count: np.ndarray | None, axes: Axes, operand: Operand
) -> tuple[np.ndarray, np.ndarray]:
    """Of the data's dtype and channel shape; where nothing was counted, if that can be, those of nothing."""
    low, high = least.reshape(axes.shape), greatest.reshape(axes.shape)
    if count is not None and not count.all():
        nothing = _merging.no_extremes((), operand.original)
        low, high = (np.where(count > 0, end, 0) for end in (low, high))
        low, high = _as_original(low, operand.original).copy(), _as_original(high, operand.original).copy()
        low[count == 0], high[count == 0] = nothing
    return _as_original(low, operand.original), _as_original(high, operand.original)


def _tally(count: np.ndarray, axes: Axes, operand: Operand, tail: np.ndarray | None = None) -> Tally | None:
    if operand.selection is None:
        return None
    whole = count.astype(np.int64)
    return Tally(whole, axes.values - whole, np.zeros(axes.shape) if tail is None else tail.reshape(axes.shape))


def _as_original(end: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if end.dtype == dtype:
        return end
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        original = end.astype(dtype)
    if dtype.kind == "f":
        original[np.isnan(original)] = np.nan  # one for all: which bits it has is the compiler's choice
    return original


def wrap(moments: Found, axes: Axes, operand: Operand) -> ChannelStats:
    """A backend's result as a public value; what is on a device stays there until somebody looks at it."""
    if not isinstance(moments, Moments):
        # What is kept for later holds none of the data.
        selection = operand.selection and Selection(omit=operand.selection.omit)
        bare = operand._replace(stored=np.empty(0), selection=selection)
        return ChannelStats.pending(axes.shape, moments, lambda: wrap(moments.fetched(), axes, bare))
    state = moments.state.reshape(5, *axes.shape)
    # Where nothing was left out there is nothing to say about it, which takes half the time of a small call.
    complete = moments.tally is None and bool((moments.state[0] == axes.values).all()) and axes.values > 0
    if operand.selection is None or complete:
        return ChannelStats(state, *_extremes(moments.least, moments.greatest, None, axes, operand))
    count, tail = (moments.state[0], None) if moments.tally is None else moments.tally
    count = count.reshape(axes.shape)
    state = np.where(count > 0, state, 0.0)
    least, greatest = _extremes(moments.least, moments.greatest, count, axes, operand)
    return ChannelStats(state, least, greatest, None, _tally(count, axes, operand, tail))


def fit(operand: Operand, axes: Axes, stats: Fitted | None, method: str, nan_policy: str) -> Fitted | ChannelStats:
    """The statistics to normalize with: those given, else those of the data; NaN are refused where they are to be."""
    if stats is not None and nan_policy != "raise":
        return stats
    own = statistics_of(operand, axes, method)
    if nan_policy == "raise":
        refuse_nan(own.moments(operand.stored), axes)
    return own if stats is None else stats


def refuse_nan(moments: Found, axes: Axes) -> None:
    """What ``nan_policy="raise"`` means: a minimum is NaN if and only if a value is."""
    moments = moments.fetched()
    if moments.least.dtype.kind == "f":
        refuse_channels(np.isnan(moments.least) & (moments.state[0] > 0), axes)


def refuse_channels(bad: np.ndarray, axes: Axes) -> None:
    """Those that have a NaN."""
    if bad.any():
        raise ValueError(f"x: channel {_index(bad, axes)} has a NaN; nan_policy='raise' wants none")


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
) -> Found:
    """Moments of checked data, and the data normalized with them.

    ``groups`` is another view of the same data, in which neighbouring channels are one; they share moments then.
    """
    grouped, of_groups = groups or (operand, axes)
    if operand.stored.size == 0:
        return reduce(grouped, of_groups)
    return current(operand.stored).normalize_batch(
        operand, axes, grouped, of_groups, transform_of(target.output), gamma, beta, eps, ddof, constant, target
    )


def apply(
    operand: Operand,
    axes: Axes,
    moments: Found,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    ddof: int,
    on_constant: str,
    target: Operand,
) -> None:
    """Normalize checked data with given moments; nodata keep their value."""
    if on_constant == "raise" and eps == 0.0:
        state = moments.fetched().state
        refuse_constant((state[3] == 0.0) & (state[0] > ddof), axes)
    if operand.stored.size:
        backend = current(operand.stored)
        coefficients = backend.standardize(moments, gamma, beta, eps, ddof, CONSTANT_FACTOR[on_constant])
        kept = kept_nodata(operand, target.output)
        backend.map_channels(operand, axes, transform_of(target.output), coefficients, target, kept)


def refuse_constant(constant: np.ndarray, axes: Axes) -> None:
    """What ``on_constant="raise"`` means."""
    if constant.any():
        raise ValueError(
            f"x: channel {_index(constant, axes)} is constant; on_constant='raise' wants channels that vary"
        )


def _index(found: np.ndarray, axes: Axes) -> tuple[int, ...]:
    """The first channel of those found."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(found)), axes.shape)) if axes.shape else ()
