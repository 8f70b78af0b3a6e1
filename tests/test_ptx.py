"""Every kernel for GPUs through the real compiler, without a GPU: to PTX, and with `ptxas` to machine code.

Numba for CUDA and `ptxas` have to be installed (``pip install "fastbn[cuda13]" "nvidia-cuda-nvcc==13.*"``); with
``FASTBN_REQUIRE_PTX=1`` it is an error if they are not. Each kernel is typed once, and compiled and assembled for each
capability.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ptx import Capability, Work, assembled, assembler, residuals_missing, work_per_value

# As Numba asks for them: from 9.0 on, with what only that architecture has.
CAPABILITIES: tuple[Capability, ...] = ((7, 5), (8, 0), (9, 0, "a"), (12, 0, "a"))
MOST_REGISTERS = 128  # so that two blocks of 256 threads fit
IN_REGISTERS = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
F8 = np.dtype("f8")
FLOATS = tuple(map(np.dtype, ("f2", "f4", "f8")))
INTEGERS = tuple(map(np.dtype, ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")))


def lacking() -> str | None:
    """What is missing for these tests."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") != "0":
        return "the simulator compiles nothing"
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed"
    return None if assembler() else "ptxas is not installed"


REASON = lacking()
if REASON and os.environ.get("FASTBN_REQUIRE_PTX") == "1":
    raise RuntimeError(REASON)

#: Additions, products and split products in float64 for each value: of a step of a reduction ...
STEPS = {
    "byte": (2, 1, 0),
    "short": (2, 1, 0),
    "half": (8, 1, 0),
    "single": (14, 1, 0),
    "integer": (27, 1, 1),
    "double": (27, 2, 1),
    "wide": (74, 3, 2),
    "weighted": (64, 5, 2),
    "gradients": (42, 2, 1),
    "exact": (0, 0, 0),
}
#: ... of a map, and of one of 64-bit integers.
MAPS = {"affine": (2, 1, 0), "affine_words": (19, 3, 1), "rescale": (5, 2, 0), "gradient": (4, 2, 0)}
WIDE_MAPS = MAPS | {"affine": (37, 3, 1), "affine_words": (37, 3, 1), "rescale": (19, 3, 0)}


def conversions(*dtypes: np.dtype) -> int:
    """How many it takes to have numbers in float64, or back."""
    return sum(dtype != F8 for dtype in dtypes)


def reducing(step: str, storage: np.dtype, *others: np.dtype, converts: int, adds: bool) -> Work:
    """Of a reduction; what is not finite may be added to a sum of its own (``adds``)."""
    additions, products, split = STEPS[step]
    singles = 0
    if storage.kind == "f" and step != "gradients":  # is it finite?
        additions, singles = (additions + 1, 0) if storage == F8 else (additions, 1)
        additions += adds
    return Work(additions, products, split, converts, singles, max(d.itemsize for d in (storage, *others)))


class Case(NamedTuple):
    """A set of kernels: the function of `cuda_kernels` that makes them, and what is expected of the loops of some."""

    maker: str
    arguments: tuple[Any, ...]
    parts: tuple[str, ...] = ()  # or the one that is made
    itemsize: int = 0  # bytes that are read for a value by those that walk data
    work: Work | None = None

    @property
    def name(self) -> str:
        said = (a.str[1:] if isinstance(a, np.dtype) else str(a) for a in self.arguments)
        return "-".join((self.maker, *said))


def reductions(maker: str, arguments: tuple[Any, ...], read: Iterable[np.dtype], work: Work) -> Case:
    """Two walks, and the fold of what they leave."""
    return Case(maker, arguments, ("rows", "columns", "close"), sum(dtype.itemsize for dtype in read), work)


def map_case(transform: str, arithmetic: str, storage: np.dtype, other: np.dtype, output: np.dtype) -> Case:
    """Two walks."""
    read = (storage, other) if transform == "gradient" else (storage,)
    wide = arithmetic == "wide"
    converts = conversions(*read, output) + (wide and transform != "gradient")
    counts = (WIDE_MAPS if wide else MAPS)[transform]
    work = Work(*counts, converts, 0, max(dtype.itemsize for dtype in read))
    arguments = (transform, arithmetic, storage, other, output)
    return Case("mapping", arguments, ("rows", "columns"), sum(dtype.itemsize for dtype in read), work)


def cases_of(arithmetic: str, storage: np.dtype) -> Iterable[Case]:
    """All that reads data of a dtype."""
    mark, wide = np.dtype("u1"), arithmetic == "wide"
    words = conversions(storage) + wide
    for counts in ("all", "marked", *(("numbers",) if storage.kind == "f" else ())):
        others = (mark,) if counts == "marked" else ()
        given, read = (arithmetic, storage, counts), (storage, *others)
        yield reductions("moments", given, read, reducing(arithmetic, *read, converts=words, adds=True))
        yield reductions("exact_sums", given, read, reducing("exact", *read, converts=0, adds=False))
    yield reductions(
        "weighted", (storage,), (storage, F8), reducing("weighted", storage, F8, converts=words, adds=True)
    )
    for other in FLOATS:
        converts = words + conversions(other)
        work = reducing("gradients", storage, other, converts=converts, adds=False)
        yield reductions("gradients_of", (storage, other), (storage, other), work)
        yield map_case("gradient", arithmetic, storage, other, other)
        for transform in ("affine", "affine_words", "rescale"):
            yield map_case(transform, arithmetic, storage, storage, other)
    yield Case("stage", (storage, storage))
    yield Case("stage", (storage, F8))
    yield Case("mark", ("true", storage))
    yield Case("mark_nodata", (storage,))
    yield Case("weigh", (storage,))


def every_case() -> dict[str, Case]:
    """Every kernel there is."""
    from fastbn._arrays import kernel_dtypes
    from fastbn._kernels.grid import channels

    inputs, _ = kernel_dtypes()
    found = [case for arithmetic, storage in inputs for case in cases_of(arithmetic, storage)]
    for dtype in FLOATS:
        found += [Case("mark", ("numbers", dtype)), Case("keep", (dtype,)), Case("unstage", (dtype, dtype))]
    found += [Case("unstage", (F8, dtype)) for dtype in INTEGERS]
    found += [Case("mark", ("false", np.dtype("u1"))), Case("fill", (np.dtype("u1"),))]
    found += [Case("of_channels", (name,)) for name in channels.KERNELS]
    return {case.name: case for case in found}


CASES = {} if REASON else every_case()


@pytest.fixture
def no_device(monkeypatch):
    """Numba asks the device for its capability when a function is called from another one."""
    from numba.cuda import dispatcher

    class Oldest:
        compute_capability = CAPABILITIES[0]

    monkeypatch.setattr(dispatcher, "get_current_device", Oldest)


def compiled(kernel: Any) -> dict[Capability, str]:
    """PTX of a kernel. What Numba hands to NVVM is the same for all capabilities."""
    from numba.cuda.compiler import _compile_pyfunc_with_fixup

    library, _ = _compile_pyfunc_with_fixup(
        kernel.function, kernel.signature, device=False, cc=CAPABILITIES[0], abi="numba"
    )
    return {capability: library.get_asm_str(cc=capability) for capability in CAPABILITIES}


def allowed(found: Work, expected: Work, capability: Capability) -> bool:
    """Whether a loop does what it should.

    NVVM is another one from 10.0 on: it may leave out an addition of 0, multiply small integers as such, and convert
    once more in a branch that few values take.
    """
    if capability < (10, 0):
        return found == expected
    saved = [now - then for now, then in zip(expected[:2], found[:2], strict=True)]
    more = found.conversions - expected.conversions
    exact = expected._replace(additions=0, products=0, conversions=0)
    return found._replace(additions=0, products=0, conversions=0) == exact and {0, 1}.issuperset((*saved, more))


def faults_of(ptx: str, capability: Capability, case: Case, part: str, folder: Path) -> list[str]:
    """What is not as it should be."""
    usage = assembled(ptx, capability, folder)
    found = [f"product without residual: {product}" for product in residuals_missing(ptx)]
    if ".local" in ptx or usage.memory != IN_REGISTERS:
        found.append(f"not all in registers: {usage.memory}")
    if usage.registers > MOST_REGISTERS:
        found.append(f"{usage.registers} registers")
    if case.work and part != "close":
        done = work_per_value(ptx, case.itemsize)
        if not done or not all(allowed(work, case.work, capability) for work in done):
            found.append(f"loops do {done or 'nothing'}, not {case.work}")
    return [f"{part or case.maker} for {capability}: {fault}" for fault in found]


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.parametrize("name", CASES)
def test_kernels_compile_and_are_assembled(name, no_device, tmp_path):
    from fastbn._backends import cuda_kernels

    case = CASES[name]
    made = getattr(cuda_kernels, case.maker)(*case.arguments)
    kernels = {part: getattr(made, part) for part in case.parts} or {"": made}
    faults = [
        fault
        for part, kernel in kernels.items()
        for capability, ptx in compiled(kernel).items()
        for fault in faults_of(ptx, capability, case, part, tmp_path)
    ]
    assert faults == []
