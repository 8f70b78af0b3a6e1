"""Random arguments by the names of parameters: most of them right, some wrong in every way there is."""

from __future__ import annotations

import contextlib
import functools
import math
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import watched
from watched import Watched

import fastbn

WRONG = 0.04  # share of arguments that are anything at all
GIVEN = 0.25  # share of optional arguments that are given
MASKED, LISTED, FRAMED = 0.03, 0.03, 0.01  # shares of data that are no plain arrays
LARGE = 0.01


class Awkward:
    """What looks like a number and is none."""

    def __index__(self) -> int:
        raise TypeError("no index")

    def __float__(self) -> float:
        raise ValueError("no float")

    def __repr__(self) -> str:
        return "Awkward()"


class Endless(list[Any]):
    """A list with itself in it."""

    def __init__(self) -> None:
        super().__init__([1.0])
        self.append(self)


JUNK: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, 7, 2**53, 2**63, 2**64, -(2**63), 10**30, -(10**400), 10**5000, 1.5, -0.5,
    math.nan, math.inf, -math.inf, 1e-320, 1e308, 1j, "", "abc", "1", "float32", "torch", "exact", "\0", "a\nb",
    "é\ud800", b"x", bytearray(8), memoryview(b"12345678"), [], (), {}, set(), frozenset({1}), [None], [[1, 2], [3]],
    [1, "a"], ["a", "a"], [1, [2]], [2**64, -1], (1, 1), (0, -1), (1.0,), (0, 1), (-1, 1), (0.5, math.nan), (3, 2, 1),
    {"a": 1}, range(3), range(1000), iter(()), object(), Ellipsis, slice(None), slice(None, None, -2), int,
    np.float32, len, Fraction(1, 3), Decimal("NaN"), Decimal("1e999"), Awkward(), Endless(), np.bool_(True),
    np.int8(1), np.uint64(2**64 - 1), np.float16(math.nan), np.float32(0.5), np.longdouble(1), np.complex64(1),
    np.datetime64("NaT"), np.str_("exact"), np.array([]), np.array(3), np.array(3.0), np.array([1.0, 2.0]),
    np.array([True, False, True]), np.array("a"), np.array([None]), np.ma.masked, np.ma.array([1.0, 2.0], mask=[1,
    0]), np.dtype("f4"), np.dtype("O"), np.zeros((2, 0)), np.zeros(3, "M8[s]"), np.zeros((1,) * 40), np.array([np.nan,
    np.inf]), np.zeros(0, [("a", "i4")]),
)  # fmt: skip


class Case:
    """What the arguments of a call have to fit to, and the memory that they lie in."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.inputs: list[Watched] = []
        self.outputs: list[Watched] = []  # the call may write to them, unless it fails
        self.shape = rng.choice(watched.LARGE if rng.random() < LARGE else watched.SHAPES)
        self.axis = self._an_axis()
        self.vectors = self._vectors()
        self.x: Any = None
        self.out: Any = None
        self.objects: list[tuple[Any, Any]] = []  # immutable ones, and what they were

    def _an_axis(self) -> Any:
        rng, rank = self.rng, len(self.shape)
        chance = rng.random()
        if rank == 0 or chance < 0.1:
            return None
        if chance < 0.6:
            return 1 if rank > 1 else 0
        if chance < 0.9:
            return rng.randrange(-rank, rank)
        return tuple(rng.sample(range(rank), rng.randint(0, rank)))

    def _vectors(self) -> tuple[int, ...]:
        """The shape of per-channel vectors."""
        if self.axis is None:
            return ()
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return tuple(self.shape[axis] for axis in sorted(axis % len(self.shape) for axis in axes))

    def read(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array that must not change."""
        dtype = tuple(dtype) if isinstance(dtype, list) else dtype
        found = watched.given(shape, dtype, self.rng.randrange(watched.variants(shape)))
        self.inputs.append(found)
        return found.array

    def written(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array that may change if the call succeeds."""
        found = watched.room(shape, dtype, self.rng.randrange(watched.variants(shape)))
        if all(found is not other for other in self.outputs):
            self.outputs.append(found)
        return found.array

    def junk(self) -> Any:
        """Anything."""
        return self.rng.choice(JUNK)

    def dtype(self) -> Any:
        """One that arrays can have."""
        rng = self.rng
        return rng.choice(watched.UNSUPPORTED) if rng.random() < 0.05 else rng.choice(watched.SUPPORTED)


def data(case: Case) -> Any:
    """Arrays of all kinds; later ones fit to the first."""
    rng, shape = case.rng, case.shape
    if rng.random() < 0.02:
        shape = rng.choice(watched.SHAPES)
    chance = rng.random()
    if chance < 0.1:
        found: Any = case.written(shape, rng.choice(watched.SUPPORTED))
    else:
        found = case.read(shape, case.dtype())
    chance = rng.random()
    if chance < MASKED and found.dtype.kind in "biuf":
        mask = rng.choice([False, True, None])
        found = np.ma.array(found, mask=case.read(shape, "?") if mask is None else mask, copy=False)
    elif chance < MASKED + LISTED and found.size < 100 and found.dtype.kind in "biufOU":
        found = found.tolist()
    elif chance < MASKED + LISTED + FRAMED and found.ndim == 2 and found.dtype.kind in "biuf" and found.dtype.isnative:
        found = framed(found)
    case.x = found if case.x is None else case.x
    return found


def framed(array: np.ndarray) -> Any:
    """A frame of pandas, where it is installed, that looks at the array."""
    with contextlib.suppress(ImportError):
        import pandas as pd

        return pd.DataFrame(array, copy=False)
    return array


def gradient(case: Case) -> Any:
    return case.read(case.shape, case.rng.choice(("f2", "f4", "f8"))) if case.rng.random() < 0.9 else data(case)


def axis(case: Case) -> Any:
    return case.axis


def vector(case: Case) -> Any:
    shape = case.vectors if case.rng.random() < 0.9 else case.rng.choice(((3,), (1,), (), (3, 1), (0,)))
    found = case.read(shape, case.dtype())
    return found.tolist() if case.rng.random() < 0.1 and found.dtype.kind in "biuf" else found


def normalized_vector(case: Case) -> Any:
    """Of the last axis."""
    return case.read(case.shape[-1:] if case.rng.random() < 0.9 else case.shape[-2:], case.dtype())


def running(case: Case) -> Any:
    return case.written(case.vectors, case.rng.choice(("f2", "f4", "f8", "f8", "i4")))


def mask(case: Case) -> Any:
    return case.read(part_of(case), "?" if case.rng.random() < 0.95 else case.dtype())


def part_of(case: Case) -> tuple[int, ...]:
    """A shape that broadcasts to that of the data, mostly."""
    shape = tuple(n if case.rng.random() < 0.7 else 1 for n in case.shape)
    return shape[case.rng.randrange(len(shape) + 1) :] if case.rng.random() < 0.2 else shape


def weights(case: Case) -> Any:
    return case.read(part_of(case), case.rng.choice(("u1", "u2", "?", "f4", "f8")))


def nodata(case: Case) -> Any:
    chance = case.rng.random()
    return case.rng.choice((0, 3, -9999, math.nan, 255, 3.0)) if chance < 0.8 else case.read(case.vectors, case.dtype())


def output(case: Case) -> Any:
    """Where results go: as a rule a place of its own, or the data, or what overlaps them."""
    chance = case.rng.random()
    x = case.x
    if isinstance(x, np.ndarray) and chance < 0.2:
        found: Any = x
    elif isinstance(x, np.ndarray) and chance < 0.3 and x.ndim:
        found = case.rng.choice((x[::-1], x[...], x.view(), x.T, x[:0]))
    else:
        by_x = {"f2": "f2", "f4": "f4", "f8": "f8"}.get(getattr(x, "dtype", np.dtype("f8")).newbyteorder("=").str[1:])
        dtype = by_x if by_x and chance < 0.7 else case.rng.choice(("f4", "f8", "f4", "f8", "f2", "u1", "i4", "?"))
        found = case.written(case.shape, dtype)
    if found is x:
        plain = x.data if isinstance(x, np.ma.MaskedArray) else x
        case.outputs += [held for held in case.inputs if _same_place(held.array, plain)]
        case.inputs = [held for held in case.inputs if not _same_place(held.array, plain)]
    case.out = found
    return found


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    return a.__array_interface__["data"] == b.__array_interface__["data"] and a.shape == b.shape and a.dtype == b.dtype


@functools.cache
def known_stats(shape: tuple[int, ...], k: int) -> Any:
    """Statistics of channels of a shape."""
    rng = np.random.default_rng(k)
    rows = (0, 1, 5, 9, 9)[k % 5]
    x = rng.normal(3, 2, (rows, *shape)).astype(("f8", "f4", "i2", "f8", "f8")[k % 5])
    axes = tuple(range(1, len(shape) + 1)) or None
    if k % 2 and x.dtype.kind == "f" and x.size:
        x.flat[0] = (np.nan, np.inf)[k % 3 % 2]
    if k % 7 == 6:
        return fastbn.ChannelStats.from_moments(np.full(shape, 5), np.full(shape, 1.0), np.full(shape, 2.0))
    found = fastbn.channel_stats(x, axes, method="exact" if k % 3 == 1 else "compensated")
    return found.with_names([f"c{i}" for i in range(shape[0])]) if len(shape) == 1 and k % 4 == 0 else found


@functools.cache
def known_quantiles(shape: tuple[int, ...], k: int) -> Any:
    """Quantiles of channels of a shape."""
    x = np.random.default_rng(k).normal(30, 9, (7, *shape)).astype(("u1", "f8", "i2", "f4")[k % 4])
    q = (0.5, (0.25, 0.5, 0.75), (0.0, 1.0), (0.5,))[k % 3]
    return fastbn.channel_quantiles(x, q, tuple(range(1, len(shape) + 1)) or None)


def some_stats(case: Case) -> Any:
    shape = case.vectors if case.rng.random() < 0.95 else case.rng.choice(((3,), (), (2, 3)))
    if case.rng.random() < 0.03:
        return some_quantiles(case)
    return seen(case, known_stats(shape, some_number(case, 21)))


def some_quantiles(case: Case) -> Any:
    return seen(case, known_quantiles(case.vectors, some_number(case, 12)))


def some_number(case: Case, most: int) -> int:
    """Which of the known values of such channels: there are few of many channels."""
    return case.rng.randrange(2 if math.prod(case.vectors) > 1000 else most)


def seen(case: Case, value: Any) -> Any:
    """A value that must stay what it is."""
    case.objects.append((value, hash(value)))
    return value


def statistics_or_quantiles(case: Case) -> Any:
    return some_quantiles(case) if case.rng.random() < 0.3 else some_stats(case)


def one_of(*values: Any) -> Callable[[Case], Any]:
    """One of the right values."""
    return lambda case: case.rng.choice(values)


ARGUMENTS: dict[str, Callable[[Case], Any]] = {
    "x": data, "y": data, "dy": gradient, "channel_axis": axis, "axis": one_of(-1, -1, -1, 0, 1, (0, 1), (-1, -2),
    ()), "gamma": vector, "beta": vector, "running_mean": running, "running_var": running, "where": mask, "weights":
    weights, "nodata": nodata, "out": output, "stats": some_stats, "eps": one_of(0.0, 1e-5, 1, 1e300, 5e-324), "ddof":
    one_of(0, 1, 2, 100), "nan_policy": one_of("propagate", "omit", "raise"), "method": one_of("compensated",
    "exact"), "on_constant": one_of("zero", "nan", "raise"), "return_stats": one_of(True, False), "clip": one_of(True,
    False), "training": one_of(True, False, False), "momentum": one_of(0.0, 0.1, 1.0, 0.99), "convention":
    one_of("torch", "keras", "onnx"), "feature_range": one_of((0, 1), (-1.0, 1.0), (0, 1e300), (-1e308, 1e308), [2,
    3]), "quantile_range": one_of((25, 75), (0, 100), [1, 2]), "dtype": one_of("f2", "f4", "f8", np.float32,
    np.float64, "u1", "i8"), "q": one_of(0.5, 0, 1.0, (0.25, 0.75), [0.1], np.array([0, 0.5])), "num_groups":
    one_of(1, 1, 2, 3), "num_channels": one_of(1, 2, 3, 4), "affine": one_of(True, False), "track_running_stats":
    one_of(True, False), "n": one_of(1, 2, 3), "name": one_of("cython", "numba"), "kind": one_of("float32", "float64",
    "auto"), "mode": one_of("dicts", "stdout"), "part_bytes": one_of(1, 10**6), "device": one_of(0, 1),
}  # fmt: skip
