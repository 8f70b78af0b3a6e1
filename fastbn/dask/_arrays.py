"""Dask arrays at the door: axes, what lies beside them chunk by chunk, and a second reading of the same data."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._arrays import number_dtype, plain_array
from .._layout import Axes, ChannelAxis, split_axes
from .._optional import needed

with needed("dask"):
    import dask.array as da
    from dask.blockwise import Blockwise
    from dask.graph_manipulation import clone
    from dask.highlevelgraph import HighLevelGraph

Chunks = tuple[tuple[int, ...], ...]
KNOWN = "call x.compute_chunk_sizes() first"


class Beside(NamedTuple):
    """An array, and which axes of the data its axes are: one of length 1 goes with every chunk."""

    array: Any
    axes: tuple[int, ...] | None  # None: the same value for every chunk


NOTHING = Beside(None, None)


class Data(NamedTuple):
    """A Dask array of numbers, with its kept and reduced axes."""

    x: Any
    axes: Axes

    @property
    def chunks(self) -> Chunks:
        """Those of the per-channel vectors."""
        return tuple(self.x.chunks[axis] for axis in self.axes.kept)

    def stand_in(self, dtype: Any = None) -> tuple[np.ndarray, tuple[int, ...]]:
        """No values at all of the same channels, and their axes: what NumPy's functions check arguments against."""
        shape = tuple(0 if math.isnan(n) else n for n in self.axes.shape)
        return np.empty((0, *shape), self.x.dtype if dtype is None else dtype), tuple(range(1, len(shape) + 1))

    def check_known(self, name: str) -> None:
        """Refuse an argument of so many channels beside channels of unknown number."""
        if not is_known(self.chunks):
            raise ValueError(f"{name}: got one value per channel for an unknown number of channels of x; {KNOWN}")

    def vector(self, value: Any, name: str) -> Beside:
        """A per-channel argument, in the chunks of the channels."""
        if value is None:
            return NOTHING
        array = value if isinstance(value, da.Array) else np.asarray(value)
        self.check_known(name)
        if isinstance(array, da.Array):
            refuse_unreal(array, name)
        if array.shape != self.axes.shape:
            raise ValueError(f"{name}: got shape {array.shape}; wants {self.axes.shape}, one number per channel")
        return Beside(_in_chunks(array, self.chunks), self.axes.kept)

    def beside(self, value: Any, name: str) -> Beside:
        """An argument that broadcasts to the data, in their chunks."""
        if value is None:
            return NOTHING
        array = value if isinstance(value, da.Array) else plain_array(value, name)
        x, first = self.x, self.x.ndim - array.ndim
        if first < 0 or not all(map(_fits, array.shape, x.shape[first:])):
            raise ValueError(f"{name}: got shape {array.shape}; wants one that broadcasts to {x.shape}")
        along = zip(array.shape, x.shape[first:], x.chunks[first:], strict=True)
        chunks = tuple((1,) if n == 1 and m != 1 else sizes for n, m, sizes in along)
        known = is_known(chunks) and is_known(getattr(array, "chunks", ()))
        if not known and getattr(array, "numblocks", None) != tuple(map(len, chunks)):
            raise ValueError(f"{name}: got an array with other chunks than x, whose sizes are unknown; {KNOWN}")
        return Beside(_in_chunks(array, chunks) if known else array, tuple(range(first, x.ndim)))

    def map(self, function: Callable[..., np.ndarray], *others: Beside, dtype: Any) -> Any:
        """Call a function with every chunk and what lies beside it; its result is a chunk of the same shape."""
        return self._with_chunks(function, others, self.x._meta.astype(dtype))

    def states(self, function: Callable[..., Any], *others: Beside) -> Any:
        """The same for a function whose result is any value, which takes the place of the chunk."""
        return self._with_chunks(function, others, np.empty((0,) * self.x.ndim, object))

    def _with_chunks(self, function: Callable[..., Any], others: tuple[Beside, ...], meta: Any) -> Any:
        index = tuple(range(self.x.ndim))
        pairs = [part for other in others for part in other]
        return da.blockwise(function, index, self.x, index, *pairs, dtype=meta.dtype, meta=meta, align_arrays=False)


def reread(*arrays: Any, after: Any) -> list[Any]:
    """The same arrays from tasks of their own, for what waits for some states: their name gives these tasks theirs.

    Statistics and a map that share tasks would keep every chunk in memory until the last one is summed.
    """
    lazy = [array for array in arrays if isinstance(array, da.Array)]
    if not all(map(_can_clone, lazy)):
        return list(arrays)
    copies = iter(clone([*lazy], seed=after.name))  # together, so that what they share stays shared
    return [next(copies) if isinstance(array, da.Array) else array for array in arrays]


def open_array(x: Any, channel_axis: ChannelAxis, name: str = "x") -> Data:
    """Check a Dask array."""
    if not isinstance(x, da.Array):
        raise TypeError(f"{name}: got {type(x).__name__}; wants a Dask array, as the others are")
    number_dtype(x.dtype, name)
    return Data(x, split_axes(x.shape, channel_axis))


def refuse_out(out: Any) -> None:
    """Results are lazy: nothing is there that could be written to."""
    if out is not None:
        raise TypeError(
            f"out: got {type(out).__name__} for a Dask array; wants None: store the lazy result, as by y.store"
        )


def refuse_masked(x: Any) -> None:
    """Refuse data with masks where NumPy's functions would."""
    if isinstance(getattr(x, "_meta", None), np.ma.MaskedArray):
        raise TypeError("x: got a masked array; wants a plain one: fill it, for example with da.ma.filled(x, 0)")


def refuse_unreal(array: Any, name: str) -> None:
    """Refuse what NumPy's functions would refuse, as soon as its dtype is known."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: got dtype {array.dtype}; wants real numbers")


def is_known(chunks: Any) -> bool:
    """Whether Dask knows all sizes of chunks."""
    return not any(math.isnan(n) for axis in chunks for n in axis)


def may_be_same(shape: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two shapes are the same, or may be for all that Dask knows."""
    return len(shape) == len(other) and all(n == m or math.isnan(n + m) for n, m in zip(shape, other, strict=True))


def _fits(n: Any, of_data: Any) -> bool:
    return bool(n in (1, of_data) or math.isnan(n + of_data))


def _in_chunks(array: Any, chunks: Chunks) -> Any:
    if not isinstance(array, da.Array):
        return da.from_array(array, chunks=chunks)
    # Dask's rechunk leaves arrays of no values as they are.
    return array.rechunk(chunks) if array.size else da.empty(array.shape, dtype=array.dtype, chunks=chunks)


def _can_clone(x: Any) -> bool:
    """Whether Dask's `clone` renames all keys and copies what gives the same values twice.

    It misses the keys inside the tasks of layers that are written out, and those in lists beside arrays.
    """
    graph = x.__dask_graph__()
    if not isinstance(graph, HighLevelGraph):
        return False
    keys = graph.get_all_external_keys()
    return all(
        graph.dependencies[name] <= _named(layer)
        if isinstance(layer, Blockwise)
        else not any(layer.get_dependencies(key, keys) for key in layer.get_output_keys())
        and not any(map(_draws, layer.values()))
        for name, layer in graph.layers.items()
    )


def _named(layer: Blockwise) -> set[Any]:
    """What a layer takes by name, and not inside of something else."""
    names = (getattr(name, "key", name) for name, _ in layer.indices)
    return {name for name in names if isinstance(name, str)}


def _draws(task: Any) -> bool:
    """Whether a task draws from a generator of bits, which goes on from where it was: Dask's `choice` does."""
    arguments = task if isinstance(task, tuple) else getattr(task, "args", ())  # older ones of Dask are tuples
    return any(isinstance(argument, np.random.BitGenerator) for argument in arguments)
