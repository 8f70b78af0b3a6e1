"""Statistics chunk by chunk, and their merge in a tree.

What comes between is a Dask array whose blocks are values that merge (`ChannelStats`, `ChannelQuantiles`) and not
arrays: Dask hands blocks from task to task without a look at them. Nobody outside gets to see such an array.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .._optional import needed
from ._arrays import Chunks, is_known
from ._joining import flat, joined

with needed("dask"):
    import dask.array as da

STATE = np.dtype(object)
SPLIT_EVERY = 16  # states that one task merges: fixed, for the bits depend on it


def meta_of(rank: int) -> np.ndarray:
    """What Dask takes for a sample of the blocks."""
    return np.empty((0,) * rank, STATE)


def in_tree(parts: Any, reduced: tuple[int, ...], merge: Callable[[list[Any]], Any]) -> Any:
    """One state for all blocks along the reduced axes; chunks alone decide in which order they are merged."""
    if not reduced:
        return parts
    combine = functools.partial(_combine, merge=merge)
    return da.reduction(
        parts,
        _same,
        combine,
        combine=combine,
        axis=reduced,
        concatenate=False,
        split_every=SPLIT_EVERY,
        dtype=STATE,
        meta=meta_of(parts.ndim - len(reduced)),
    )


def union(parts: list[Any]) -> Any:
    """Statistics, or quantiles, of all data together."""
    return parts[0].merge(*parts[1:])


def pieces_of(stats: Any, chunks: Chunks) -> Any:
    """Statistics as blocks for chunks of channels."""
    return _blocks([stats.select(where) if where else stats for where in _places(chunks)], chunks)


def whole(states: Any) -> Any:
    """All channels in one block."""
    if max(states.numblocks, default=1) == 1:
        return states
    index = tuple(range(states.ndim))
    new = {states.ndim + i: sum(sizes) for i, sizes in enumerate(states.chunks)}
    return da.blockwise(
        joined, tuple(new), states, index, new_axes=new, concatenate=False, dtype=STATE, meta=meta_of(states.ndim)
    )


def in_chunks(states: Any, chunks: Chunks) -> Any:
    """The same channels in other chunks; chunks of unknown sizes are taken to be those there are."""
    if states.chunks == chunks or not is_known(chunks):
        return states
    index = tuple(range(states.ndim))
    places, all_channels = _blocks(_places(chunks), chunks), whole(states)
    return da.blockwise(
        _select, index, places, index, all_channels, index, dtype=STATE, meta=meta_of(len(index)), align_arrays=False
    )


def gathered(function: Callable[..., Any], states: Any, *others: Any, beside: Any = None) -> Any:
    """One block for all chunks along the last axis, from lists of states and of the others, and from what is beside."""
    rank = states.ndim
    index, out = tuple(range(rank)), (*range(rank - 1), rank)
    pairs = [part for other in others for part in (other, None if other is None else (rank - 1,))]
    last, new = ((), {rank: sum(states.chunks[-1])}) if beside is None else ((beside, out), None)
    return da.blockwise(
        function,
        out,
        states,
        index,
        *pairs,
        *last,
        new_axes=new,
        concatenate=False,
        dtype=STATE,
        meta=meta_of(rank),
        align_arrays=False,
    )


def spread(values: Any, sizes: tuple[int, ...], take: Callable[[Any, tuple[slice, ...]], Any]) -> Any:
    """The opposite: what each chunk of such sizes takes of the one block along the last axis."""
    index = tuple(range(values.ndim))
    places = _blocks(_places((sizes,)), (sizes,))
    return da.blockwise(
        take, index, values, index, places, index[-1:], dtype=STATE, meta=meta_of(values.ndim), align_arrays=False
    )


def checked(states: Any, check: Callable[[Any], None]) -> Any:
    """The same states, of which none is used before all channels have passed a check."""
    known = is_known(states.chunks)
    passed = (whole(states) if known else states).map_blocks(
        functools.partial(_pass, check=check), dtype=STATE, meta=meta_of(states.ndim)
    )
    return in_chunks(passed, states.chunks)


def looked_up(states: Any, look: Callable[[Any], np.ndarray], dtype: Any, name: str) -> Any:
    """A per-channel vector of the states, as a plain Dask array that says what it is."""
    index = tuple(range(states.ndim))
    return da.blockwise(look, index, states, index, token=name, dtype=dtype, meta=np.empty((0,) * len(index), dtype))


def _combine(
    parts: Any, axis: tuple[int, ...], keepdims: bool, computing_meta: bool = False, *, merge: Callable[..., Any]
) -> Any:
    if computing_meta:
        return meta_of(parts.ndim + len(axis) * keepdims)
    return merge(flat(parts))


def _same(block: Any, axis: Any, keepdims: bool) -> Any:  # noqa: ARG001 - what Dask calls
    return block


def _pass(stats: Any, check: Callable[[Any], None]) -> Any:
    check(stats)
    return stats


def _select(where: tuple[slice, ...], stats: Any) -> Any:
    return stats.select(where)


def _places(chunks: Chunks) -> list[tuple[slice, ...]]:
    """Where each chunk lies."""
    ends = [list(itertools.accumulate(sizes, initial=0)) for sizes in chunks]
    return list(itertools.product(*([slice(*pair) for pair in itertools.pairwise(axis)] for axis in ends)))


def _blocks(values: list[Any], chunks: Chunks) -> Any:
    """Any values as blocks."""
    grid = np.empty(len(values), STATE)
    grid[:] = values
    boxes = da.from_array(grid.reshape([len(sizes) for sizes in chunks]), chunks=1)
    return boxes.map_blocks(_unboxed, chunks=chunks, dtype=STATE, meta=meta_of(len(chunks)))


def _unboxed(box: np.ndarray) -> Any:
    return box.item()
