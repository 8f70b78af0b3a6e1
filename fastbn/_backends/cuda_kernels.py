"""The kernels of the ``cuda`` backend by variant, each compiled when it is first launched."""

import functools
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import _algebra
from .._kernels import coefficients, gradients, limbs, operands, steps, sums
from .._kernels.grid import channels, close, deposits, exact, lines, maps, narrow, reduce, rules, staging, variants
from .._kernels.grid import moments as grid_moments
from .._kernels.grid import steps as grid_steps
from .._kernels.grid.places import CLOSED_ROWS, END_ROWS, SLOT_ROWS
from .._kernels.grid.variants import Bindings
from .._kernels.sums import TERMS
from ._cuda_machine import SIMULATED, Kernel, compiler, known_groups, known_operations
from .binding import Known, made_in

# Threads of a block: of reductions and maps, of `close`, and where each works alone. The simulator runs each as a
# thread of Python.
THREADS, CLOSING, ALONE = (16, 8, 4) if SIMULATED else (256, 128, 64)
MOST_BLOCKS = 2 if SIMULATED else 1 << 14  # of copies of pieces: each thread goes on with more elements
_BANK = 12  # rows that the coefficients of a channel take (``_kernels/coefficients.py``)

F8, U1, I8 = np.dtype(np.float64), np.dtype(np.uint8), np.dtype(np.int64)


@functools.cache
def _known(threads: int) -> Known:
    """What kernels of blocks of so many threads may call."""
    pitch = {"THREADS": threads, "PITCH": threads, "WIDTH": 1}
    known = compiler.share(known_operations(), [_algebra], {})
    modules = [operands, steps, sums, gradients, coefficients, lines, grid_steps, narrow, rules, close]
    return compiler.share(known, modules, pitch)


class _Way(NamedTuple):
    """How sums are kept: modules in the order in which they need each other, the last with what reductions call."""

    modules: tuple[ModuleType, ...]
    word: np.dtype
    slot_rows: int
    closed_rows: int
    term_rows: int
    threads: int
    closing: int
    values: int  # that a thread has under way at once, at most


class Reduction(NamedTuple):
    """The kernels of a reduction, and what they leave."""

    rows: Kernel
    columns: Kernel
    close: Kernel
    values: int  # that a thread has under way at once
    way: _Way


_HOOKS = ("start", "take", "rest", "put", "join", "settle", "conclude")


def _bound(label: str, bindings: Bindings, way: _Way, threads: int, values: int) -> Any:
    """The kernels of `reduce` in blocks of so many threads."""
    known = _known(threads) | known_groups(values)
    sizes = {
        "THREADS": threads,
        "WORDS": way.slot_rows * threads,
        "WORD": way.word.type,
        "ENDS": END_ROWS * threads,
        "TERMS": way.term_rows * threads,
        "ROWS": way.slot_rows,
        "VALUES": values,
    }
    label = f"{label}-{values}-{threads}"
    for module in way.modules:
        made = vars(compiler.bind(module, label, known, bindings | sizes))
        known = known | {value: made[name] for name, value in vars(module).items() if made_in(module, value)}
    hooks = {name: getattr(way.modules[-1], name) for name in _HOOKS if hasattr(way.modules[-1], name)}
    return compiler.bind(reduce, label, known, hooks | bindings | sizes)


def _reduction(label: str, bindings: Bindings, storage: np.dtype, other: np.dtype, way: _Way) -> Reduction:
    values = min(way.values, variants.values_of(storage, other))
    bound = _bound(label, bindings, way, way.threads, values)
    walk = (storage, other, *(int,) * 10, F8, int, int, way.word, F8)
    close = _closing(way, tuple((name, bindings[name]) for name in variants.CLOSING if name in bindings))
    # Along columns nothing says whether neighbours are aligned.
    columns = (*walk[:6], *walk[8:])
    return Reduction(Kernel(bound.reduce_rows, walk), Kernel(bound.reduce_columns, columns), close, values, way)


@functools.cache
def _closing(way: _Way, bindings: tuple[tuple[str, Any], ...]) -> Kernel:
    """The fold of slots, which knows nothing of the dtype of the data."""
    label = "-".join(str(getattr(value, "__name__", value)) for _, value in bindings)
    close = _bound(f"close-{label}", dict(bindings), way, way.closing, 1).close
    return Kernel(close, (way.word, F8, int, int, int, F8, int, int, way.word, F8))


_MOMENTS = _Way((grid_moments,), F8, SLOT_ROWS, CLOSED_ROWS, TERMS, THREADS, CLOSING, 16)


@functools.cache
def _exact(rows: int) -> _Way:
    """In so many words: a thread's take up to 1.6 KiB of the 48 that a block has."""
    threads = THREADS if SIMULATED else 16 if rows > 100 else 64
    return _Way((limbs, deposits, exact), I8, rows, rows, 1, threads, threads, 8)  # with 16, 130 registers


@functools.cache
def moments(arithmetic: str, storage: np.dtype, counts: str) -> Reduction:
    """Of count, mean, squared deviations and extremes."""
    return _reduction(
        *variants.moments_bindings(arithmetic, storage, counts), storage, _other(storage, counts), _MOMENTS
    )


@functools.cache
def narrow_moments(arithmetic: str, storage: np.dtype, counts: str) -> Reduction:
    """The same for GPUs that are slow at float64: of float16 and float32 in float32."""
    if arithmetic not in variants.NARROW_MOMENTS:
        return moments(arithmetic, storage, counts)
    return _reduction(
        *variants.narrow_bindings(arithmetic, storage, counts), storage, _other(storage, counts), _MOMENTS
    )


@functools.cache
def exact_sums(arithmetic: str, storage: np.dtype, counts: str) -> Reduction:
    """Of exact sums."""
    label, bindings = variants.exact_bindings(arithmetic, storage, counts)
    return _reduction(label, bindings, storage, _other(storage, counts), _exact(bindings["ROWS"]))


def _other(storage: np.dtype, counts: str) -> np.dtype:
    return U1 if counts == "marked" else storage


@functools.cache
def gradients_of(storage: np.dtype, other: np.dtype) -> Reduction:
    """Of gradients, and their products with differences from the mean."""
    return _reduction(*variants.gradients_bindings(storage), storage, other, _MOMENTS)


@functools.cache
def weighted(storage: np.dtype) -> Reduction:
    """Of weighted moments, about a centre."""
    return _reduction(*variants.weighted_bindings(storage), storage, F8, _MOMENTS)


class Map(NamedTuple):
    """The kernels of a map."""

    rows: Kernel
    columns: Kernel
    values: int


@functools.cache
def mapping(transform: str, arithmetic: str, storage: np.dtype, other: np.dtype, output: np.dtype) -> Map:
    """Of a transform."""
    label, bindings = variants.map_bindings(transform, arithmetic, output)
    values = variants.values_of(storage, other, output)
    known = _known(THREADS) | known_groups(values)
    bound = compiler.bind(maps, f"{label}-{values}", known, bindings | {"THREADS": THREADS, "VALUES": values})
    walk = (storage, other, output, *(int,) * 12, F8)
    return Map(Kernel(bound.map_rows, walk), Kernel(bound.map_columns, (*walk[:9], *walk[11:])), values)


_CHANNELS: dict[str, tuple[Any, ...]] = {
    "standardize_channels": (F8, int, int, F8, F8, float, float, float, F8),
    "destandardize_channels": (F8, int, F8, F8, float, float, F8),
    "rescale_channels": (F8, int, F8, F8, F8, F8, float, float, float, float, F8),
    "unscale_channels": (F8, int, F8, F8, F8, F8, float, float, F8),
    "update_running_channels": (F8, int, float, float, float, F8, F8),
    "differentiate_channels": (F8, F8, int, int, F8, float, F8, F8, F8),
    "scale_weights": (F8, int, float),
    "drop_means": (F8, int, F8),
    "take_means": (F8, int, int, F8),
    "state_of": (F8, F8, int, F8),
}


@functools.cache
def of_channels(name: str) -> Kernel:
    """A kernel of one thread per channel."""
    bound = compiler.bind(channels, "channels", _known(ALONE), {"THREADS": ALONE, "BANK": _BANK * ALONE})
    return Kernel(getattr(bound, name), _CHANNELS[name])


_GEOMETRY = (int,) * 8  # three sizes, four strides, and how many elements


def _staging(label: str, bindings: Bindings) -> Any:
    return compiler.bind(staging, label, _known(ALONE), bindings | {"THREADS": ALONE})


@functools.cache
def stage(storage: np.dtype, copy: np.dtype) -> Kernel:
    """A copy of a piece in another dtype, or the same."""
    kind = "same" if storage == copy else copy.str[1:]
    return Kernel(_staging(kind, variants.CONVERSIONS[kind]).stage, (storage, *_GEOMETRY, copy))


@functools.cache
def unstage(copy: np.dtype, output: np.dtype) -> Kernel:
    """The way back."""
    kind = "same" if output == copy else output.str[1:]
    return Kernel(_staging(kind, variants.CONVERSIONS[kind]).unstage, (output, *_GEOMETRY, copy))


@functools.cache
def mark(keeps: str, array: np.dtype) -> Kernel:
    """Marks by what an array says."""
    return Kernel(
        _staging(f"{keeps}-{array.str[1:]}", variants.KEEPS[keeps] | variants.number_of(array)).mark,
        (array, *_GEOMETRY, U1),
    )


@functools.cache
def mark_nodata(storage: np.dtype) -> Kernel:
    """Marks by values that stand for nothing."""
    return Kernel(
        _staging(f"nodata-{storage.str[1:]}", variants.number_of(storage)).mark_nodata,
        (storage, *_GEOMETRY, U1, storage, U1, int, int),
    )


@functools.cache
def keep(copy: np.dtype) -> Kernel:
    """Values of channels where nothing counts."""
    return Kernel(_staging("keep", variants.CONVERSIONS[copy.str[1:]]).keep, (copy, U1, F8, int, int))


@functools.cache
def weigh(weights: np.dtype) -> Kernel:
    """Copies of weights, times a factor; 0 where nothing counts."""
    return Kernel(_staging("weigh", {}).weigh, (weights, *_GEOMETRY, F8, U1, float))


@functools.cache
def fill(array: np.dtype) -> Kernel:
    """One number everywhere."""
    return Kernel(_staging("fill", {}).fill, (array, int, float if array.kind == "f" else int))
