"""A call that cannot have its memory raises MemoryError and leaves ``out`` as it was; the next call works."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import cuda

import fastbn
from gpu.checks import Case, run_cases
from gpu.libraries import Numba, free_memory, torch
from gpu.samples import Layout, bits, host_data, make, zscore

SMALL = Layout("table", (1000, 7), 1)
LARGE = Layout("table", (2**18, 64), 1)  # 64 MiB of float32, as much as a copy of a piece
LEAST = 1 << 20  # bytes


def _raised(call: Any) -> str:
    """The error that comes, which has to be a MemoryError."""
    try:
        call()
    except MemoryError as error:
        return type(error).__name__
    except Exception as error:  # noqa: BLE001 - any other one is the failure that is looked for
        raise AssertionError(f"{type(error).__name__} instead of MemoryError: {error}") from None
    raise AssertionError("memory was had that is not there")


def _works() -> list[bytes]:
    """What a small call gives."""
    library = Numba()
    return bits(zscore(make(library.put, SMALL, "float32")), library.get)


def no_room_for_the_result() -> str:
    """A result of twice the memory that is free."""
    expected = _works()
    x = cuda.device_array(int(free_memory()) // 4, np.uint8)
    said = _raised(functools.partial(fastbn.minmax_scale, x, None, dtype=np.float64))
    assert _works() == expected, "the next call gave other values"
    del x
    free_memory()
    assert _works() == expected, "a call with memory again gave other values"
    return said


def no_room_for_work() -> str:
    """Data with a mask go through copies; all memory but some is taken before."""
    from numba.cuda.cudadrv.driver import CudaAPIError

    library, expected = Numba(), _works()
    values = host_data(LARGE, "float32")[0]
    x, where = library.put(values), library.put(np.ones(values.shape, np.bool_))
    out = library.put(np.full(values.shape, -7, np.float32))
    fastbn.zscore(x, where=where)  # compiled
    taken, size = [], int(free_memory())
    while size >= LEAST:
        try:
            taken.append(cuda.device_array(size, np.uint8))
        except CudaAPIError:
            size //= 2
    try:
        said = _raised(lambda: fastbn.zscore(x, where=where, out=out))
    finally:
        taken.clear()
        free_memory()
    assert (library.get(out) == -7).all(), "out was written to"
    assert _works() == expected, "the next call gave other values"
    assert library.get(fastbn.zscore(x, where=where)).tobytes() == library.get(fastbn.zscore(x)).tobytes()
    return said


def no_room_in_torch() -> str:
    """Of the library that has the data."""
    library = torch()
    assert library is not None
    expected = _works()
    x = library.torch.empty(int(free_memory()) // 4, dtype=library.torch.uint8, device="cuda")
    said = _raised(functools.partial(fastbn.minmax_scale, x, None, dtype=np.float64))
    del x
    free_memory()
    assert _works() == expected, "the next call gave other values"
    return said


def cases() -> Iterator[Case]:
    """Results, work in between, and another library's memory."""
    yield "no room for the result", no_room_for_the_result
    yield "no room for work", no_room_for_work
    if torch() is not None:
        yield "no room for the result, torch", no_room_in_torch


def run(options: argparse.Namespace) -> Iterator[dict]:  # noqa: ARG001
    """Ask for too much."""
    return run_cases(cases())
