"""Every kernel for GPUs through the real compiler, without a GPU: to PTX, and with `ptxas` to machine code.

Numba for CUDA and `ptxas` have to be installed (``pip install "fastbn[cuda13]" "nvidia-cuda-nvcc==13.*"``); with
``FASTBN_REQUIRE_PTX=1`` it is an error if they are not. Each kernel is typed once, and compiled and assembled for each
capability.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import re
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
#: Besides, of reductions of floats, in float64 and in float32: is a value finite?
FINITE = {"f2": (0, 1), "f4": (0, 1), "f8": (1, 0)}


def conversions(*dtypes: np.dtype) -> int:
    """How many it takes to have numbers in float64, or back."""
    return sum(dtype != F8 for dtype in dtypes)


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


def reduction(maker: str, arguments: tuple[Any, ...], step: str, read: tuple[np.dtype, ...], converts: int) -> Case:
    """Two walks, and the fold of what they leave."""
    additions, products, split = STEPS[step]
    doubles, singles = FINITE.get(read[0].str[1:], (0, 0)) if step != "gradients" else (0, 0)
    if read[0].kind == "f" and step not in ("gradients", "exact"):  # what is not finite has a sum of its own
        doubles += 1
    work = Work(additions + doubles, products, split, converts, singles, max(dtype.itemsize for dtype in read))
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
    converts = conversions(storage) + (arithmetic == "wide")
    for counts in ("all", "marked", *(("numbers",) if storage.kind == "f" else ())):
        given, read = (arithmetic, storage, counts), (storage, np.dtype("u1")) if counts == "marked" else (storage,)
        yield reduction("moments", given, arithmetic, read, converts)
        yield reduction("exact_sums", given, "exact", read, 0)
    yield reduction("weighted", (storage,), "weighted", (storage, F8), converts)
    for other in FLOATS:
        pair = storage, other
        yield reduction("gradients_of", pair, "gradients", pair, converts + conversions(other))
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
    gc.freeze()  # Numba keeps what it compiles: to search it for garbage, again and again, takes a tenth of the time


@functools.cache  # kernels that several variants have
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


def faults_of(ptx: str, capability: Capability, expected: tuple[int, Work] | None, folder: Path) -> list[str]:
    """What is not as it should be. If loops are expected to read data: bytes of a value, and what is done with it."""
    if re.search(r"\bcall\b", ptx):
        return ["calls a function that is not compiled with it"]
    usage = assembled(ptx, capability, folder)
    found = [f"product without residual: {product}" for product in residuals_missing(ptx)]
    if ".local" in ptx or usage.memory != IN_REGISTERS:
        found.append(f"not all in registers: {usage.memory}")
    if usage.registers > MOST_REGISTERS:
        found.append(f"{usage.registers} registers")
    if expected:
        itemsize, work = expected
        done = work_per_value(ptx, itemsize)
        if not done or not all(allowed(some, work, capability) for some in done):
            found.append(f"loops do {done or 'nothing'}, not {work}")
    return found


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.parametrize("name", CASES)
def test_kernels_compile_and_are_assembled(name, no_device, tmp_path):
    from fastbn._backends import cuda_kernels

    case = CASES[name]
    made = getattr(cuda_kernels, case.maker)(*case.arguments)
    faults = {}
    for part in case.parts or ("",):
        expected = (case.itemsize, case.work) if case.work and part != "close" else None
        for capability, ptx in compiled(getattr(made, part) if part else made).items():
            faults[part, capability] = faults_of(ptx, capability, expected, tmp_path)
    assert {where: some for where, some in faults.items() if some} == {}


SOME = """
.visible .entry some(.param .u64 x)
{
    .reg .pred %p<3>;
    ld.param.u64 \t%rd1, [x];
$L__BB0_1: // a loop around another
    @%p1 bra \t$L__BB0_3;
$L__BB0_2:
    ld.global.nc.v2.b64 \t{%rd2, %rd3}, [%rd1];
    add.f32 \t%f1, %f1, %f2;
    add.f32 \t%f1, %f1, %f3;
    sub.f32 \t%f1, %f1, %f4;
    fma.rn.f32 \t%f1, %f5, %f6, %f7;
    @%p2 bra \t$L__BB0_2;
$L__BB0_3:
    add.f64 \t%fd1, %fd1, %fd2;
    @%p1 bra \t$L__BB0_1;
    bra.uni \t$L__BB0_4;
$L__BB0_4:
    ret;
}
"""


@pytest.mark.parametrize(("itemsize", "singles"), [(4, 1), (16, 4)])
def test_innermost_loop_is_found_and_counted(itemsize, singles):
    assert work_per_value(SOME, itemsize) == {Work(0, 0, 0, 0, singles, 16)}


SPLIT = """
    mul.rn.f64 \t%fd1, %fd2, %fd3;
    neg.f64 \t%fd4, %fd1;
    fma.rn.f64 \t%fd5, %fd2, %fd3, %fd4;
"""


def test_fused_additions_count_but_for_split_products():
    fused = "fma.rn.f64 \t%fd6, %fd5, %fd3, %fd4;"
    text = SOME.replace("    add.f32 \t%f1, %f1, %f2;", SPLIT + fused)
    assert work_per_value(text, 16) == {Work(1, 2, 1, 0, 3, 16)}


def test_split_product_of_other_numbers_is_found():
    assert residuals_missing(SPLIT) == []
    assert residuals_missing(SPLIT.replace("%fd5, %fd2, %fd3", "%fd5, %fd2, %fd2")) == ["%fd1"]
    assert residuals_missing(SPLIT.replace("neg.f64 \t%fd4, %fd1", "neg.f64 \t%fd4, %fd2")) == ["%fd1"]
