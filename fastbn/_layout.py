"""The only place that knows axes: how an array of any rank becomes (outer, channel, inner)."""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ._cuts import Cut, Sizes, cut
from ._printable import shown
from ._scalars import check_int

ChannelAxis = int | tuple[int, ...] | None

_REMEMBERED = 1024  # shapes and cuts kept from call to call
_BLOCK = 1 << 20  # bytes of a copy of a block: 2^18 took 1.5 times the time and did not gain from two threads
_BLOCK_REDUCED = 1 << 11  # of one channel, so that the finish of a channel is paid for


class Axes(NamedTuple):
    """Kept and reduced axes of an array, both in array order."""

    kept: tuple[int, ...]
    reduced: tuple[int, ...]
    shape: tuple[int, ...]  # of the per-channel vectors
    channels: int
    values: int  # per channel


def split_axes(shape: tuple[int, ...], channel_axis: ChannelAxis) -> Axes:
    """Check ``channel_axis`` against a shape."""
    plain = channel_axis is None or type(channel_axis) is int  # 1.0 would find what was remembered for 1
    return (_split_axes if plain else _split_axes.__wrapped__)(shape, channel_axis)


@functools.lru_cache(_REMEMBERED)
def _split_axes(shape: tuple[int, ...], channel_axis: ChannelAxis) -> Axes:
    rank = len(shape)
    if channel_axis is None:
        wanted: tuple[int, ...] = ()
    elif isinstance(channel_axis, tuple):
        wanted = tuple(_axis_index(a) for a in channel_axis)
    else:
        wanted = (_axis_index(channel_axis),)
    for axis in wanted:
        if not -rank <= axis < rank:
            raise ValueError(
                f"channel_axis: got {shown(channel_axis)} for an array of shape {shape}; "
                f"wants axes in [{-rank}, {rank})"
            )
    kept = tuple(sorted(axis % rank for axis in wanted))
    if len(set(kept)) < len(kept):
        raise ValueError(f"channel_axis: got {shown(channel_axis)}, which names an axis of shape {shape} twice")
    reduced = tuple(axis for axis in range(rank) if axis not in kept)
    kept_shape = tuple(shape[axis] for axis in kept)
    return Axes(kept, reduced, kept_shape, math.prod(kept_shape), math.prod(shape[axis] for axis in reduced))


def _axis_index(axis: Any) -> int:
    return check_int("channel_axis", axis, "an int, a tuple of ints or None")


def split_normalized(shape: tuple[int, ...], axis: Any) -> Axes:
    """Check ``axis`` against a shape: the axes to normalize over are the kept ones."""
    if axis is None:
        raise TypeError("axis: got None; wants an int or a tuple of ints")
    if isinstance(axis, tuple) and not axis:
        raise ValueError("axis: got (); wants at least one axis to normalize over")
    try:
        return split_axes(shape, axis)
    except (TypeError, ValueError) as error:  # the user knows the argument by another name
        raise type(error)(str(error).replace("channel_axis", "axis")) from None


def as_numbers(flat: np.ndarray) -> np.ndarray:
    """Flat memory as kernels take it: float16 is its bits."""
    return flat.view(np.int16) if flat.dtype.char == "e" else flat


class View(NamedTuple):
    """An array, or a pair of them with one geometry, as flat memory and the way it is cut."""

    flat: np.ndarray
    other: np.ndarray  # of a pair, else the same as flat
    cut: Cut
    order: tuple[int, ...]  # axes of more than one element as they lie in memory, the slowest first


def direct_view(array: np.ndarray, axes: Axes) -> View | None:
    """See a non-empty native array as (outer, channel, inner) where the kernels can walk it in place, else None."""
    flags = array.flags
    if not flags.aligned:
        return None
    if flags.c_contiguous and (len(axes.kept) < 2 or axes.kept[-1] - axes.kept[0] == len(axes.kept) - 1):
        cut, order = _contiguous_cut(array.shape, axes)
        flat = array.reshape(-1)
    else:
        strided = _strided_cut(array.shape, array.strides, array.itemsize, axes)
        if strided is None:
            return None
        cut, order, extent = strided
        flat = np.lib.stride_tricks.as_strided(array, (extent,), (array.itemsize,))
    if not flags.writeable:
        flat = np.asarray(_Alias(flat))
    flat = as_numbers(flat)
    return View(flat, flat, cut, order)


def pair_view(arrays: tuple[np.ndarray, ...], axes: Axes) -> View | None:
    """See two arrays of one shape and dtype as a pair, where the kernels can walk them with one geometry, else None."""
    first, second = (direct_view(array, axes) for array in arrays)
    if first is None or second is None or first.order != second.order:
        return None
    if not np.array_equal(first.cut.geometry, second.cut.geometry):
        return None
    return first._replace(other=second.flat)


class _Alias:
    """Read-only memory under a writeable name: Numba would compile every kernel a second time for read-only arrays.

    The kernels never write to their input.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}


@functools.lru_cache(_REMEMBERED)
def _contiguous_cut(shape: tuple[int, ...], axes: Axes) -> tuple[Cut, tuple[int, ...]]:
    order = tuple(a for a, size in enumerate(shape) if size > 1)
    if axes.channels == 1:
        return cut(Sizes(1, 1, axes.values, axes.values, axes.values)), order
    outer = math.prod(shape[: axes.kept[0]])
    inner = axes.values // outer
    return cut(Sizes(outer, axes.channels, inner, axes.channels * inner, inner)), order


@functools.lru_cache(_REMEMBERED)
def _strided_cut(
    shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int, axes: Axes
) -> tuple[Cut, tuple[int, ...], int] | None:
    """Cut, order in memory, and elements from the first to the last."""
    order = tuple(a for a in sorted(range(len(shape)), key=lambda a: -strides[a]) if shape[a] > 1)
    if any(stride % itemsize for stride in strides):
        return None
    sizes = _strided_sizes(shape, [stride // itemsize for stride in strides], axes, order)
    if sizes is None:
        return None
    extent = (sizes.outer - 1) * sizes.outer_stride + (sizes.channels - 1) * sizes.channel_stride + sizes.inner
    return cut(sizes), order, extent


def _strided_sizes(shape: tuple[int, ...], strides: list[int], axes: Axes, order: tuple[int, ...]) -> Sizes | None:
    """Merge neighbours in memory, and accept [outer] [channel] [inner] with unit stride at the end."""
    kept = [a for a in order if a in axes.kept]
    if any(strides[a] <= 0 for a in order) or kept != sorted(kept):
        return None
    groups: list[tuple[bool, int, int]] = []  # kept?, size, stride
    for a in order:
        size, stride = shape[a], strides[a]
        if groups and groups[-1][0] == (a in axes.kept) and groups[-1][2] == size * stride:
            groups[-1] = (groups[-1][0], groups[-1][1] * size, stride)
        else:
            groups.append((a in axes.kept, size, stride))
    if groups and groups[-1][2] != 1:
        return None
    pattern = [group[0] for group in groups]
    one = (True, 1, axes.values * axes.channels)
    if pattern in ([], [False]):
        return Sizes(1, 1, axes.values, axes.values, axes.values)
    if pattern == [False, False]:
        return Sizes(groups[0][1], 1, groups[1][1], groups[0][2], groups[1][1])
    outer = groups.pop(0) if not pattern[0] else one
    if [kept for kept, *_ in groups] not in ([True], [True, False]):
        return None
    channel = groups[0]
    inner = groups[1][1] if len(groups) == 2 else 1
    return Sizes(outer[1], channel[1], inner, outer[2], channel[2])


def same_walk(a: View, b: View) -> bool:
    """Whether a walk over two arrays meets the same elements of both: merged axes have to lie in the same order."""
    if a.order != b.order:
        return False
    return a.cut is b.cut or (a.cut.block == b.cut.block and bool((a.cut.geometry[:3] == b.cut.geometry[:3]).all()))


def cut_kept(shape: tuple[int, ...], axes: Axes, size: int) -> Iterator[tuple[slice, ...]]:
    """Cut the kept axes so that a piece has at most so many values, if one channel has no more."""
    sizes = list(shape)
    total = axes.values
    for axis in reversed(axes.kept):
        sizes[axis] = min(shape[axis], max(1, size // total))
        total *= sizes[axis]
    cuts = [[slice(i, min(i + n, end)) for i in range(0, end, n)] for n, end in zip(sizes, shape, strict=True)]
    yield from itertools.product(*cuts)


class Block(NamedTuple):
    """A rectangular piece of an array that has no direct view."""

    where: tuple[Any, ...]  # into the array with its axes in the order kept, reduced; a view, of 0 axes as well
    kept: tuple[slice, ...]  # into the per-channel vectors
    channels: int
    size: int  # values
    first: bool  # nothing of these channels came before


def blocks(array: np.ndarray, axes: Axes, itemsize: int, size: int = _BLOCK) -> Iterator[Block]:
    """Cut an array into blocks, copies of which have ``size`` bytes at most: enough of a channel, then neighbours."""
    most = size // itemsize
    sizes = [1] * array.ndim
    nearest = sorted(range(array.ndim), key=lambda a: abs(array.strides[a]))
    for group, target in ((axes.reduced, _BLOCK_REDUCED), (axes.kept, most), (axes.reduced, most)):
        for a in nearest:
            if a in group:
                sizes[a] = min(array.shape[a], sizes[a] * max(1, target // math.prod(sizes)))
    order = axes.kept + axes.reduced
    cuts = [[slice(i, min(i + sizes[a], array.shape[a])) for i in range(0, array.shape[a], sizes[a])] for a in order]
    rank = len(axes.kept)
    for index in itertools.product(*cuts):
        kept = index[:rank]
        lengths = [s.stop - s.start for s in index]
        first = all(s.start == 0 for s in index[rank:])
        yield Block((*index, ...), kept, math.prod(lengths[:rank]), math.prod(lengths), first)
