"""Instance and group normalization of Dask arrays.

Where every chunk holds whole samples, the functions for NumPy arrays do it chunk by chunk. Else statistics are those of
channels of samples, in a tree over the chunks of each; groups join the channels of theirs afterwards.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import relatives
from .._arrays import channel_vector
from .._backends.gradient_parts import Slopes, host_of, slopes_of, total_of
from .._channel_stats import ChannelStats
from .._gradients import BatchNormGradients
from .._layout import split_axes
from ..normalization import normalize
from ._arrays import KNOWN, NOTHING, Data, is_known, open_array, refuse_masked, refuse_out, reread
from ._batchnorm import open_pair
from ._gradients import along_x, rounded_total, sums_in_tree, words_of
from ._joining import joined
from ._maps import Fitted, mapped, plain
from ._states import gathered, in_tree, spread
from ._stats import lazy_stats


def instance_norm(
    x: Any, gamma: Any = None, beta: Any = None, *, eps: float = 1e-5, channel_axis: int = 1, out: Any = None
) -> Any:
    """`fastbn.instance_norm` of a Dask array."""
    call = functools.partial(relatives.instance_norm, eps=eps)
    return _forward(call, x, None, gamma, beta, eps, channel_axis, out)


def group_norm(
    x: Any,
    num_groups: int,
    gamma: Any = None,
    beta: Any = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: Any = None,
) -> Any:
    """`fastbn.group_norm` of a Dask array."""
    call = functools.partial(relatives.group_norm, num_groups=num_groups, eps=eps)
    return _forward(call, x, num_groups, gamma, beta, eps, channel_axis, out)


def instance_norm_backward(
    dy: Any, x: Any, gamma: Any = None, *, eps: float = 1e-5, channel_axis: int = 1, out: Any = None
) -> BatchNormGradients:
    """`fastbn.instance_norm_backward` of Dask arrays."""
    call = functools.partial(relatives.instance_norm_backward, eps=eps)
    return _backward(call, dy, x, None, gamma, eps, channel_axis, out)


def group_norm_backward(
    dy: Any,
    x: Any,
    num_groups: int,
    gamma: Any = None,
    *,
    eps: float = 1e-5,
    channel_axis: int = 1,
    out: Any = None,
) -> BatchNormGradients:
    """`fastbn.group_norm_backward` of Dask arrays."""
    call = functools.partial(relatives.group_norm_backward, num_groups=num_groups, eps=eps)
    return _backward(call, dy, x, num_groups, gamma, eps, channel_axis, out)


class _Case:
    """A checked array: its channels, and whether its chunks hold whole samples."""

    def __init__(self, data: Data, num_groups: int | None) -> None:
        x, (axis,) = data.x, data.axes.kept
        self.data = data
        self.channels = data.axes.channels
        self.groups = self.channels if num_groups is None else num_groups
        samples = (0, axis) if axis else (0,)
        self.in_samples = data._replace(axes=split_axes(x.shape, samples))
        self.whole = all(len(sizes) == 1 for sizes in x.chunks[len(samples) - 1 :])
        if x.size == (x.shape[0] if axis else 1) * self.groups and x.size:
            raise ValueError(f"x: got shape {x.shape}, one value to normalize by; wants more")

    def grouped(self) -> tuple[Any, Any]:
        """Statistics of groups, for all groups of some samples; and the same for the channels of each chunk."""
        if not is_known(self.data.chunks):
            raise ValueError(f"x: got an unknown number of channels; {KNOWN}")
        states = lazy_stats(self.in_samples).states
        groups = gathered(functools.partial(_of_groups, groups=self.groups), states)
        members = functools.partial(_of_members, members=self.channels // self.groups if self.groups else 1)
        return groups, spread(groups, self.data.chunks[-1], members)

    def reread(self, *arrays: Any, after: Any) -> list[Any]:
        """For the second time, unless both times are in one task after the other."""
        return list(arrays) if self.whole else reread(*arrays, after=after)


def _open(x: Any, num_groups: int | None, channel_axis: Any) -> _Case:
    if channel_axis is None or isinstance(channel_axis, tuple):
        raise TypeError(f"channel_axis: got {channel_axis!r} of type {type(channel_axis).__name__}; wants an int")
    refuse_masked(x)
    return _Case(open_array(x, channel_axis), num_groups)


def _forward(
    call: Callable[..., Any],
    x: Any,
    num_groups: int | None,
    gamma: Any,
    beta: Any,
    eps: float,
    channel_axis: Any,
    out: Any,
) -> Any:
    refuse_out(out)
    case = _open(x, num_groups, channel_axis)
    nothing, _ = case.data.stand_in()
    dtype = call(nothing, gamma=plain(gamma), beta=plain(beta), channel_axis=1).dtype
    vectors = {"gamma": case.data.vector(gamma, "gamma"), "beta": case.data.vector(beta, "beta")}
    if case.whole:
        one = functools.partial(_one_chunk, call=call, channel_axis=case.data.axes.kept[0])
        return case.data.map(one, *vectors.values(), dtype=dtype)
    _, states = case.grouped()
    (again,) = reread(x, after=states)
    function = functools.partial(_normalized, eps=eps)
    return mapped(function, Fitted(None, states, case.in_samples._replace(x=again), NOTHING), dtype, **vectors)


def _backward(
    call: Callable[..., Any],
    dy: Any,
    x: Any,
    num_groups: int | None,
    gamma: Any,
    eps: float,
    channel_axis: Any,
    out: Any,
) -> BatchNormGradients:
    refuse_out(out)
    case = _open(x, num_groups, channel_axis)
    _, gradient = open_pair(dy, x, channel_axis)
    call(gradient.stand_in()[0], case.data.stand_in()[0], gamma=plain(gamma), channel_axis=1)
    incoming = case.in_samples.beside(dy, "dy")
    groups, states = case.grouped()
    sums = sums_in_tree(case.in_samples, states, incoming, NOTHING)
    scale = case.data.vector(gamma, "gamma").array
    found = gathered(functools.partial(_slopes_of_groups, eps=eps), sums, scale, beside=groups)
    again, along = case.reread(x, incoming.array, after=found)
    knobs = spread(found, case.data.chunks[-1], _knobs_of)
    dx = along_x(case.in_samples._replace(x=again), states, knobs, incoming._replace(array=along), NOTHING)
    samples = tuple(range(found.ndim - 1))
    totals = in_tree(found.map_blocks(words_of, dtype=found.dtype, meta=found._meta), samples, total_of)
    return BatchNormGradients(dx, *rounded_total(totals))


def _one_chunk(x: np.ndarray, gamma: Any, beta: Any, call: Callable[..., Any], channel_axis: int) -> np.ndarray:
    y: np.ndarray = call(x, gamma=gamma, beta=beta, channel_axis=channel_axis)
    return y


def _normalized(x: np.ndarray, channel_axis: Any, stats: ChannelStats, eps: float, **vectors: Any) -> np.ndarray:
    every: dict[str, Any] = {name: np.broadcast_to(vector, stats.shape) for name, vector in vectors.items()}
    return normalize(x, stats, channel_axis, eps=eps, **every)


def _of_groups(nested: Any, groups: int) -> ChannelStats:
    """Statistics of neighbouring channels together: the last axis has groups then."""
    stats: ChannelStats = joined(nested)
    channels = stats.shape[-1]
    if channels == groups:
        return stats
    if not channels:
        return ChannelStats.empty((*stats.shape[:-1], groups))
    members = channels // groups
    before = (slice(None),) * (len(stats.shape) - 1)
    first, *others = (stats.select((*before, slice(k, None, members))) for k in range(members))
    return first.merge(*others)


def _of_members(groups: ChannelStats, where: tuple[slice, ...], members: int) -> ChannelStats:
    """Every channel has the statistics of its group."""
    if members == 1:
        return groups.select((*(slice(None),) * (len(groups.shape) - 1), *where))
    index = np.arange(where[0].start, where[0].stop) // members
    return groups.select((*(slice(None),) * (len(groups.shape) - 1), index))


def _slopes_of_groups(sums: Any, gamma: Any, groups: ChannelStats, eps: float) -> Slopes:
    """All channels of some samples, from the sums of chunks of channels."""
    every = np.concatenate(sums, axis=-1)
    shape = every.shape[2:]
    scale = None if gamma is None else np.broadcast_to(np.concatenate(gamma), shape)
    vector = channel_vector(scale, "gamma", shape, 1.0)
    nothing = np.empty(0)
    return slopes_of(host_of(nothing), every, groups.moments(nothing), vector, eps, shape)


def _knobs_of(found: Slopes, where: tuple[slice, ...]) -> Slopes:
    return found._replace(knobs=found.knobs[..., where[0]])
