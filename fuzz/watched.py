"""Arrays in memory that is watched: of every dtype, shape and order, and what is around them.

An array lies in a piece of memory of its own, with bytes before, after and between its elements that nobody may write
to. The bytes of the whole piece are known, so that a glance tells whether anything has changed.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import random
from typing import Any, NamedTuple

import numpy as np

SUPPORTED = ("f2", "f4", "f8", "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
UNSUPPORTED = ("c8", "c16", "g", "O", "U3", "S4", "M8[s]", "m8[ms]", "V3", [("a", "f4"), ("b", "i8")])
SHAPES: tuple[tuple[int, ...], ...] = (
    (6, 3), (4, 3), (2, 3, 4), (3, 3, 2, 2), (5, 4), (2, 6), (7, 1), (1, 3), (2, 6, 3),
    (5,), (1,), (), (0,), (0, 3), (6, 0), (3, 0, 2), (2, 3, 1), (1, 3, 1), (1, 1, 1, 1, 1), (2, 1, 2, 1, 2, 1),
)  # fmt: skip
LARGE: tuple[tuple[int, ...], ...] = ((700, 7), (2, 3, 2000), (3, 5000), (9000, 1), (2, 600, 5), (12000,))
FILLS = ("normal", "special", "bits", "constant", "small")
VARIANTS = 6  # arrays of a shape and dtype that there are, unless they are large
_MARK = 0xA5  # what stands around elements
_SPECIAL = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e-40, 3e38, 1.7e308, -6e4, 1.0, 0.1, 2.0**53)


class Watched(NamedTuple):
    """An array and the memory that it is a part of."""

    array: np.ndarray
    memory: np.ndarray
    before: bytes

    def changed(self) -> bool:
        """Whether anything in its memory has."""
        return self.memory.tobytes() != self.before

    def restore(self) -> None:
        """Undo all changes."""
        self.memory[...] = np.frombuffer(self.before, self.memory.dtype)

    def changed_around(self) -> bool:
        """Whether anything has but its elements; restores it."""
        held = self.array.copy()
        self.array[...] = _original(self)
        around = self.changed()
        self.array[...] = held
        return around


def _original(held: Watched) -> np.ndarray:
    """The array as it was."""
    copy = np.frombuffer(bytearray(held.before), np.uint8)
    offset = held.array.__array_interface__["data"][0] - held.memory.__array_interface__["data"][0]
    return np.ndarray(held.array.shape, held.array.dtype, copy, offset, held.array.strides)


def whole(array: np.ndarray) -> Watched:
    """Watch an array that owns its memory."""
    return Watched(array, array, array.tobytes())


@functools.cache
def given(shape: tuple[int, ...], dtype: Any, variant: int) -> Watched:
    """An array to be read, the same in every run; some may be written to, though nobody should."""
    return _made(shape, _dtype(dtype, variant), f"given {shape} {dtype} {variant}", for_output=False)


@functools.cache
def room(shape: tuple[int, ...], dtype: Any, variant: int) -> Watched:
    """An array to be written to, or to be read and written to."""
    return _made(shape, _dtype(dtype, variant), f"room {shape} {dtype} {variant}", for_output=True)


def prepare() -> None:
    """Make all of them, so that memory does not grow while calls are made."""
    for shape in (*SHAPES, *LARGE):
        for dtype in SUPPORTED:
            for variant in range(variants(shape)):
                given(shape, dtype, variant)
                room(shape, dtype, variant)


def variants(shape: tuple[int, ...]) -> int:
    """How many arrays of a shape and dtype there are."""
    return 2 if math.prod(shape) > 4000 else VARIANTS


def _dtype(dtype: Any, variant: int) -> Any:
    """Every sixth array is in the other order of bytes; lists cannot be remembered."""
    dtype = np.dtype(list(dtype) if isinstance(dtype, tuple) else dtype)
    return dtype.newbyteorder() if variant == VARIANTS - 1 else dtype


def _made(shape: tuple[int, ...], dtype: np.dtype, seed: str, *, for_output: bool) -> Watched:
    rng = random.Random(seed)
    if dtype.hasobject:
        array = np.empty(shape, dtype)
        array[...] = rng.choice([1, None, "a", 2.5, dt.date(2020, 1, 1)])
        return whole(array)
    memory, array = _arranged(shape, dtype, rng, for_output)
    fill(array, rng)
    array.flags.writeable = for_output or rng.random() < 0.5
    return Watched(array, memory, memory.tobytes())


def _arranged(
    shape: tuple[int, ...], dtype: np.dtype, rng: random.Random, for_output: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A piece of memory, and in it an array: contiguous, in another order, with gaps, backwards, at an odd place."""
    style = rng.choice(["plain", "plain", "orders", "gaps", "backwards", "all"])
    order = list(range(len(shape)))
    if style in ("orders", "all"):
        rng.shuffle(order)
    repeated = rng.choice(order) if style == "all" and order and not for_output else None
    strides, stride, offset = [0] * len(shape), dtype.itemsize, 0
    for axis in reversed(order):
        if axis == repeated:
            continue
        step = rng.choice([1, 1, 2, 3]) if style in ("gaps", "all") else 1
        strides[axis] = stride * step
        stride *= max(shape[axis], 1) * step
        if style in ("backwards", "all") and rng.random() < 0.5 and shape[axis]:
            offset += strides[axis] * (shape[axis] - 1)
            strides[axis] *= -1
    before = 16 + rng.choice([0, 0, 0, 1])  # at an odd place
    memory = np.full(before + stride + 16, _MARK, np.uint8)
    return memory, np.ndarray(shape, dtype, memory, before + offset, strides)


def fill(array: np.ndarray, rng: random.Random) -> None:
    """Put numbers of one family into an array."""
    style, size, dtype = rng.choice(FILLS), array.size, array.dtype
    numbers = np.random.default_rng(rng.randrange(2**32))
    if dtype.kind in "USMmV":
        array[...] = np.zeros(array.shape, dtype)
    elif dtype.kind == "b":
        array[...] = numbers.random(array.shape) < 0.5
    elif style == "bits" and dtype.kind in "iuf":
        array[...] = np.frombuffer(numbers.bytes(size * dtype.itemsize), dtype).reshape(array.shape)
    elif style == "constant":
        array[...] = 3
    elif dtype.kind in "iu":
        array[...] = numbers.integers(0, 100, array.shape)
    else:
        values = numbers.normal(3, 2, array.shape)
        if style == "special":
            values = np.where(numbers.random(array.shape) < 0.2, numbers.choice(_SPECIAL, array.shape), values)
        with np.errstate(all="ignore"):
            array[...] = values.astype(dtype)
