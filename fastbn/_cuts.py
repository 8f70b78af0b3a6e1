"""How work on an (outer, channel, inner) array is cut into tiles, segments and units.

Every cut depends on sizes and strides alone, never on threads or on the machine: it fixes the bits of the result.
"""

import functools
import math
from typing import NamedTuple

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

_REMEMBERED = 1024  # cuts kept from call to call
_NARROW = ((8, 160), (16, 2048), (32, 8192))  # lanes of channels of so many values: 32 for 64 took 1.5 times the time
_LONG = 8  # times the outer size: an inner one is walked along then (1.2 to 5 times as fast)
_SHORT_BLOCKS = 16  # blocks of short channels at least, to have enough units of parallel work
_TILE = 1 << 16  # elements of a tile of columns: read twice, so it should fit the second-level cache
_COLUMNS = 128  # lanes of a block of columns, if its channels are that narrow
_UNITS = 128  # segments are cut for about so many units of parallel work: enough threads, and states of 1 MiB at most
_UNITS_LEAST = 16  # of them at least where blocks are reduced together: memory is busy then (32: 1.05 of the time)
_STATES = 1 << 21  # bytes of the states of all segments
_MAP_UNIT = 1 << 15  # elements of a map's unit
_MAP_UNITS = 128  # of a map along runs at least, each of as many channels side by side in memory as there can be


class Sizes(NamedTuple):
    """An (outer, channel, inner) array; strides in elements, that of inner is 1."""

    outer: int
    channels: int
    inner: int
    outer_stride: int
    channel_stride: int


class Cut(NamedTuple):
    """How work on an (outer, channel, inner) array is divided."""

    sizes: Sizes
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


@functools.lru_cache(_REMEMBERED)
def cut(sizes: Sizes) -> Cut:
    """Cut an (outer, channel, inner) array into tiles, segments and units."""
    outer, channels, inner, outer_stride, channel_stride = sizes
    along_rows = inner > WIDTH or outer * _LONG <= inner
    together = channels == 1 or channel_stride == inner  # nothing lies between the channels of a row
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
    most = blocks * chunks // _MAP_UNITS if map_along_rows else MAP_WIDTH // (block * inner) if together else 1
    group = min(blocks, max(1, most))
    group = -(-blocks // -(-blocks // group))  # no narrow one is left over
    rows = max(1, map_rows // group)
    spread = geometry.copy()
    spread[[MAP_ROWS, MAP_BLOCKS, BLOCKS_TOGETHER]] = rows, group, reduced
    groups = -(-blocks // reduced)
    units = -(-blocks // group) * (chunks if map_along_rows else -(-outer // rows))
    walks = along_rows, map_along_rows
    return Cut(sizes, geometry, *walks, channels, block, blocks, segments, chunks, spread, groups, units)


def limit_segments(cut: Cut, size: int) -> Cut:
    """As many segments as states of so many bytes per channel allow.

    This leaves every cut of the compensated method as it is (its states take 1 MiB at most), for a cut fixes its bits.
    The exact method has larger states, and no cut can change its results.
    """
    if cut.segments * cut.channels * size <= _STATES or cut.segments == 1:
        return cut
    segments = max(1, _STATES // (size * cut.channels))
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
