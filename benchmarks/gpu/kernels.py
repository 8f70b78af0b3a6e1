"""Kernels of the checks themselves."""

from __future__ import annotations

from typing import Any

from numba import cuda

THREADS = 128
BLOCKS = 256
NAP = 1_000_000  # nanoseconds, the longest that a thread sleeps at a time


@cuda.jit
def _fill(out, value):
    for k in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        out[k] = value


@cuda.jit
def _late(source, target, naps):
    for _ in range(naps):
        cuda.nanosleep(NAP)
    for k in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[k] = source[k]


def fill(out: Any, value: float) -> Any:
    """Give every element of a flat array a value; returns the array."""
    _fill[min(BLOCKS, -(-out.size // THREADS)), THREADS](out, value)
    return out


def late_copy(source: Any, target: Any, naps: int, stream: Any) -> None:
    """Copy a flat array on a stream, after some sleep of a millisecond each."""
    _late[min(BLOCKS, -(-target.size // THREADS)), THREADS, stream](source, target, naps)
