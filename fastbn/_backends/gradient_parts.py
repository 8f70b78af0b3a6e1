"""The backward pass of data that come in parts, on the host: sums of each, their total, and the map of each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._algebra import add
from .._arrays import Operand
from .._environment import in_default_environment
from .._gradients import fold_rows
from .._kernels.coefficients import CENTRE, CENTRE_TAIL
from .._kernels.gradients import PRODUCT, PRODUCT_2, SUM, SUM_2
from .._kernels.sizes import KNOBS
from .._kernels.sums import MEAN, MEAN_TAIL
from .._layout import Axes
from .._selection import Kept
from . import Moments, current
from .host import Host
from .scratch import scratch
from .sources import pair

_HEADS, _TAILS = (SUM, PRODUCT), (SUM_2, PRODUCT_2)
_ROWS = PRODUCT_2 + 1


class Slopes(NamedTuple):
    """What the sums of all parts say."""

    dgamma: np.ndarray  # of the shape of the channels
    dbeta: np.ndarray
    knobs: np.ndarray  # (KNOBS, *channels): coefficients of the map


def host_of(array: np.ndarray) -> Host:
    """The backend of an array in the host's memory."""
    backend = current(array)
    if not isinstance(backend, Host):
        raise TypeError("x: got chunks on a device; wants chunks in the host's memory, for gradients")
    return backend


@in_default_environment
def sums_of(backend: Host, x: Operand, dy: Operand, axes: Axes, moments: Moments) -> np.ndarray:
    """Sums of ``dy`` and of ``dy (x - mean)`` over a part: (2 words, 2 sums, *channels)."""
    if x.stored.size == 0:
        return np.zeros((2, 2, *axes.shape))
    if x.arithmetic == "wide":
        x, moments = backend._centred(x, axes, moments)
    source = pair(x, dy, backend._copies)
    reduction = backend._reduction("gradients", source.arithmetic, source.storage)
    centre = moments.state[[MEAN, MEAN_TAIL]].copy()
    states = reduction.whole(source, axes, centre).states.reshape(-1, *axes.shape)
    return np.stack([states[list(_HEADS)], states[list(_TAILS)]])


@in_default_environment
def total_of(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Sums of all parts, in two words; a sum that is not finite has no second one."""
    words = np.stack([part.reshape(2, 2, -1) for part in parts], axis=2)
    with np.errstate(all="ignore"):
        heads, rest = fold_rows(words[0])
        tails, _ = fold_rows(words[1])
        head, tail = add(heads, rest, tails, 0.0)
        finite = np.isfinite(head)
        total = np.stack([np.where(finite, head, words[0].sum(axis=1)), np.where(finite, tail, 0.0)])
    return total.reshape(parts[0].shape)


@in_default_environment
def slopes_of(
    backend: Host, sums: np.ndarray, moments: Moments, gamma: np.ndarray, eps: float, shape: tuple[int, ...]
) -> Slopes:
    """Gradients of gamma and beta; moments may be those of groups of neighbouring channels."""
    groups, channels = moments.least.size, gamma.size
    rows = np.zeros((_ROWS, channels))
    rows[list(_HEADS)], rows[list(_TAILS)] = sums.reshape(2, 2, channels)
    dgamma, dbeta, knobs = np.empty(channels), np.empty(channels), np.empty(KNOBS * channels)
    if channels:
        results = dgamma, dbeta, knobs
        state = moments.state.reshape(-1)
        backend._kernels.coefficients.differentiate(
            rows.reshape(-1), state, groups, channels // groups, gamma, eps, *results, 0, groups, scratch.lanes
        )
    return Slopes(dgamma.reshape(shape), dbeta.reshape(shape), knobs.reshape(KNOBS, *shape))


@in_default_environment
def map_gradient(
    backend: Host, x: Operand, dy: Operand, axes: Axes, moments: Moments, knobs: np.ndarray, out: Operand
) -> None:
    """The gradient of a part with respect to ``x``, as in training; moments are those of its channels."""
    if x.stored.size == 0:
        return
    if x.arithmetic == "wide":
        x, moments = backend._centred(x, axes, moments)
        knobs = knobs.copy()
        knobs[[CENTRE, CENTRE_TAIL]] = moments.state[[MEAN, MEAN_TAIL]].reshape(2, *axes.shape)
    source = pair(x, dy, backend._copies)
    kept = Kept(x.selection, np.zeros(axes.shape)) if x.selection else None
    mapping = backend._mapping("gradient", source.arithmetic, source.storage)
    mapping.whole(source, axes, np.ascontiguousarray(knobs).reshape(-1), out, kept)
