"""Quantiles of Dask arrays by radix selection: one pass over the chunks for every 16 bits of a value."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .._apply import refuse_channels
from .._channel_quantiles import ChannelQuantiles
from .._layout import split_axes
from .._optional import needed
from .._radix import Sought, Tallies, begun, finished, merged, shifts, tallied, unknown
from ._arrays import NOTHING, Beside, Data, reread
from ._states import STATE, checked, in_tree, meta_of, union

with needed("dask"):
    import dask.array as da

_MERGED = functools.partial(merged, union=union)


def selected(
    data: Data, dtype: np.dtype, q: float | tuple[float, ...], nan_policy: str, where: Beside, nodata: Beside
) -> Any:
    """Quantiles of chunks of channels, as blocks."""
    count = functools.partial(tallied, dtype=dtype, nan_policy=nan_policy, channel_axis=data.axes.kept)
    first, *others = shifts(dtype)
    found = in_tree(
        data.states(functools.partial(count, shift=first), where, nodata, NOTHING), data.axes.reduced, _MERGED
    )
    refusing = nan_policy == "raise" and dtype.kind == "f"
    passed = [checked(_blockwise(_greatest, found), _refuse_unknown)] if refusing else []
    sought = _blockwise(functools.partial(_begun, q=q, dtype=dtype), found, *passed)
    for shift in others:
        x, mask = reread(data.x, where.array, after=sought)
        parts = data._replace(x=x).states(
            functools.partial(count, shift=shift),
            where._replace(array=mask),
            nodata,
            Beside(sought, data.axes.kept),
        )
        sought = _blockwise(Sought.narrowed, sought, in_tree(parts, data.axes.reduced, _MERGED))
    return _blockwise(functools.partial(finished, q=q, dtype=dtype), sought)


def _greatest(found: Tallies) -> ChannelQuantiles:
    """The greatest first digits alone, which are few numbers."""
    return ChannelQuantiles(found[0]._contents._replace(histogram=None))


def _refuse_unknown(greatest: ChannelQuantiles) -> None:
    every = tuple(range(len(greatest.shape)))
    refuse_channels(unknown(greatest), split_axes(greatest.shape, every))


def _begun(found: Tallies, *passed: ChannelQuantiles, q: float | tuple[float, ...], dtype: np.dtype) -> Sought:  # noqa: ARG001 - has to be there before
    return begun(found, q, dtype)


def _blockwise(function: Callable[..., Any], *states: Any) -> Any:
    """A function of the blocks of the same channels."""
    index = tuple(range(states[0].ndim))
    pairs = [part for blocks in states for part in (blocks, index)]
    return da.blockwise(function, index, *pairs, dtype=STATE, meta=meta_of(len(index)), align_arrays=False)
