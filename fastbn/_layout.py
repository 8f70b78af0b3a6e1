"""The only place that knows axes: how an array of any rank becomes (outer, channel, inner), and how work on it is cut.

Every cut depends on sizes and strides alone, never on threads or on the machine: it fixes the bits of the result.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ._kernels.sizes import (
    BLOCKS_TOGETHER,
    LANES,
    MAP_BLOCKS,
    MAP_ROWS,
    MAP_WIDTH,
    PLACES,
    ROWS,
    SEGMENTS,
    WIDTH,
)

ChannelAxis = int | tuple[int, ...] | None

_REMEMBERED = 1024  # shapes and cuts kept from call to call
_NARROW = ((8, 160), (16, 2048), (32, 8192))  # lanes of channels of so many values: 32 for 64 took 1.5 times the time
_LONG = 8  # times the outer size: an inner one is walked along then (1.2 to 5 times as fast)
_SHORT_BLOCKS = 16  # blocks of short channels at least, to have enough units of parallel work
_TILE = 1 << 16  # elements of a tile of columns: read twice, so it should fit the second-level cache
_COLUMNS = 128  # lanes of a block of columns, if its channels are that narrow
_UNITS = 128  # segments are cut for about so many units of parallel work: enough threads, and states of 1 MiB at most
_UNITS_LEAST = 32  # of them at least where blocks are reduced together
_STATES = 1 << 21  # bytes of the states of all segments
_MAP_UNIT = 1 << 15  # elements of a map's unit
_MAP_UNITS = 128  # of a map along runs at least, each of as many channels side by side in memory as there can be
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
                f"channel_axis: got {channel_axis} for an array of shape {shape}; wants axes in [{-rank}, {rank})"
            )
    kept = tuple(sorted(axis % rank for axis in wanted))
    if len(set(kept)) < len(kept):
        raise ValueError(f"channel_axis: got {channel_axis}, which names an axis of shape {shape} twice")
    reduced = tuple(axis for axis in range(rank) if axis not in kept)
    kept_shape = tuple(shape[axis] for axis in kept)
    return Axes(kept, reduced, kept_shape, math.prod(kept_shape), math.prod(shape[axis] for axis in reduced))


def _axis_index(axis: Any) -> int:
    try:
        return operator.index(axis)
    except TypeError:
        raise TypeError(
            f"channel_axis: got {axis!r} of type {type(axis).__name__}; wants an int, a tuple of ints or None"
        ) from None


class Cut(NamedTuple):
    """How work on an (outer, channel, inner) array is divided."""

    geometry: np.ndarray  # what the kernels read (places: ``_kernels/sizes.py``)
    along_rows: bool  # which of the two walks of the reduction ...
    map_along_rows: bool  # ... and of the map
    channels: int
    block: int  # channels that are reduced and mapped together
    blocks: int  # groups of channels
    segments: int  # units of reduction per block
    chunks: int  # units of a map per block
    spread: np.ndarray  # the geometry of work on everything, several blocks at a time ...
    groups: int  # ... groups of blocks that are reduced together then ...
    units: int  # ... and units of a map


class View(NamedTuple):
    """An array, or a pair of them with one geometry, as flat memory and the way it is cut."""

    flat: np.ndarray
    other: np.ndarray  # of a pair, else the same as flat
    cut: Cut
    order: tuple[int, ...]  # axes of more than one element as they lie in memory, the slowest first


class _Sizes(NamedTuple):
    outer: int
    channels: int
    inner: int
    outer_stride: int
    channel_stride: int


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
        return _cut(_Sizes(1, 1, axes.values, axes.values, axes.values)), order
    outer = math.prod(shape[: axes.kept[0]])
    inner = axes.values // outer
    return _cut(_Sizes(outer, axes.channels, inner, axes.channels * inner, inner)), order


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
    return _cut(sizes), order, extent


def _strided_sizes(shape: tuple[int, ...], strides: list[int], axes: Axes, order: tuple[int, ...]) -> _Sizes | None:
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
        return _Sizes(1, 1, axes.values, axes.values, axes.values)
    if pattern == [False, False]:
        return _Sizes(groups[0][1], 1, groups[1][1], groups[0][2], groups[1][1])
    outer = groups.pop(0) if not pattern[0] else one
    if [kept for kept, *_ in groups] not in ([True], [True, False]):
        return None
    channel = groups[0]
    inner = groups[1][1] if len(groups) == 2 else 1
    return _Sizes(outer[1], channel[1], inner, outer[2], channel[2])


@functools.lru_cache(_REMEMBERED)
def _cut(sizes: _Sizes) -> Cut:
    """Cut an (outer, channel, inner) array into tiles, segments and units."""
    outer, channels, inner, outer_stride, channel_stride = sizes
    along_rows = inner > WIDTH or outer * _LONG <= inner
    if along_rows:
        fits = (n for n, most in _NARROW if outer * inner <= most and outer * -(-inner // n) <= ROWS)
        lanes = next(fits, LANES)
        runs = -(-inner // (lanes * ROWS))
        run = -(-inner // (runs * lanes)) * lanes
        pieces = max(1, lanes * ROWS // run) if runs == 1 else 1
        tiles = -(-outer // pieces) * runs
        block = min(WIDTH // lanes, -(-channels // _SHORT_BLOCKS)) if tiles == 1 else 1
        repeat, tile_rows, map_rows = 1, 1, 1
        map_along_rows, chunks = True, outer * runs
    else:
        runs, run, pieces = 1, inner, 1
        together = channels == 1 or channel_stride == inner
        block = min(channels, max(1, _COLUMNS // inner)) if together else 1
        lanes = block * inner
        repeat = _repeat(lanes) if block == channels and outer_stride == lanes else 1
        tile_rows = ROWS * repeat * max(1, _TILE // (ROWS * repeat * lanes))
        tiles = -(-outer // tile_rows)
        map_rows = -(-max(1, _MAP_UNIT // lanes) // repeat) * repeat
        map_along_rows = lanes > LANES and lanes == inner  # no coefficient per lane: 0.7 of the time in cache
        chunks = outer if map_along_rows else -(-outer // map_rows)
    blocks = -(-channels // block)
    segments = min(tiles, max(1, _UNITS // blocks))
    places = (*sizes, segments, tiles, pieces, run, runs, block, repeat, tile_rows, map_rows, lanes, 1, 1)
    geometry = np.array(places, dtype=np.int64)
    assert len(geometry) == PLACES
    reduced = 1 if along_rows else max(1, blocks * segments // _UNITS_LEAST)
    most = blocks * chunks // _MAP_UNITS if map_along_rows else MAP_WIDTH // (block * inner)
    group = min(blocks, max(1, most))
    group = -(-blocks // -(-blocks // group))  # no narrow one is left over
    rows = max(1, map_rows // group)
    spread = geometry.copy()
    spread[[MAP_ROWS, MAP_BLOCKS, BLOCKS_TOGETHER]] = rows, group, reduced
    groups = -(-blocks // reduced)
    units = -(-blocks // group) * (chunks if map_along_rows else -(-outer // rows))
    walks = along_rows, map_along_rows
    return Cut(geometry, *walks, channels, block, blocks, segments, chunks, spread, groups, units)


def limit_segments(cut: Cut, size: int) -> Cut:
    """As many segments as states of so many bytes per channel allow.

    This leaves every cut of the compensated method as it is (its states take 1 MiB at most), for a cut fixes its bits.
    The exact method has larger states, and no cut can change its results.
    """
    segments = max(1, min(cut.segments, _STATES // (size * cut.channels)))
    if segments == cut.segments:
        return cut
    geometry, spread = cut.geometry.copy(), cut.spread.copy()
    geometry[SEGMENTS] = spread[SEGMENTS] = segments
    return cut._replace(geometry=geometry, spread=spread, segments=segments)


def _repeat(lanes: int) -> int:
    """How many rows stand side by side in the lanes: so many that these fill whole vectors of any type, if they can.

    63 lanes (21 rows of 3) took 2.5 times the time of 192 with vectors of 64 uint8.
    """
    if lanes >= LANES:
        return 1
    return max(range(1, WIDTH // lanes + 1), key=lambda repeat: (math.gcd(repeat * lanes, LANES), -repeat))


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
    first: bool  # nothing of these channels came before


def blocks(array: np.ndarray, axes: Axes, itemsize: int) -> Iterator[Block]:
    """Cut an array into blocks whose copies have at most 2^20 bytes: first enough of each channel, then neighbours."""
    most = _BLOCK // itemsize
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
        yield Block(
            (*index, ...), kept, math.prod(s.stop - s.start for s in kept), all(s.start == 0 for s in index[rank:])
        )
