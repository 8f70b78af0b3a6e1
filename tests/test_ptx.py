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
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ptx import Capability, Work, assembled, assembler, reading_loops, residuals_missing, widest_load

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

#: What is done for each value: by a step of a reduction ...
STEPS = {
    "byte": Work(),
    "short": Work(),
    "half": Work(8, 1),
    "single": Work(14, 1),
    "integer": Work(27, 1, 1),
    "double": Work(27, 2, 1),
    "wide": Work(74, 3, 2),
    "narrow-half": Work(singles=27),
    "narrow-single": Work(singles=34, split_singles=1),
    "weighted": Work(70, 6, 2),
    "gradients": Work(42, 2, 1),
    "exact": Work(),
}
WIDENING = Work(42, conversions=6)  # besides, for each group of values, in float32
#: ... by a map, and by one of 64-bit integers.
MAPS = {"affine": Work(2, 1), "affine_words": Work(19, 3, 1), "rescale": Work(5, 2), "gradient": Work(4, 2)}
WIDE_MAPS = MAPS | {"affine": Work(37, 3, 1), "affine_words": Work(37, 3, 1), "rescale": Work(19, 3)}
#: Besides, in reductions of floats: is a value finite?
FINITE = {"f2": Work(singles=1), "f4": Work(singles=1), "f8": Work(1)}


def conversions(*dtypes: np.dtype) -> Work:
    """What it takes to have numbers in float64, or back."""
    return Work(conversions=sum(dtype != F8 for dtype in dtypes))


def loads(arithmetic: str, storage: np.dtype) -> Work:
    """What it takes to have a stored number in float64; 64-bit integers are two, the upper one scaled."""
    return conversions(storage).times(1, Work(products=1, conversions=1) if arithmetic == "wide" else Work())


class Case(NamedTuple):
    """A set of kernels: the function of `cuda_kernels` that makes them, and what is expected of the loops of some."""

    maker: str
    arguments: tuple[Any, ...]
    parts: tuple[str, ...] = ()  # or the one that is made
    itemsize: int = 0  # bytes of the widest of what walks read
    work: Work | None = None  # of a value
    once: Work = Work()  # of a group of values besides
    scalings: int = 1  # products of a value that may be done in integers

    @property
    def name(self) -> str:
        said = (a.str[1:] if isinstance(a, np.dtype) else str(a) for a in self.arguments)
        return "-".join((self.maker, *said))


def reduction(maker: str, arguments: tuple[Any, ...], step: str, read: tuple[np.dtype, ...], loading: Work) -> Case:
    """Two walks, and the fold of what they leave."""
    finite = FINITE.get(read[0].str[1:], Work()) if step != "gradients" else Work()
    special = Work(1) if read[0].kind == "f" and step not in ("gradients", "exact") else Work()  # has a sum of its own
    work = STEPS[step].times(1, finite).times(1, special).times(1, loading)
    once = WIDENING if step.startswith("narrow") else Work()
    itemsize = max(dtype.itemsize for dtype in read)
    scalings = 2 if step == "wide" else 1  # by 2^11, and by 2
    return Case(maker, arguments, ("rows", "columns", "close"), itemsize, work, once, scalings)


def map_case(transform: str, arithmetic: str, storage: np.dtype, other: np.dtype, output: np.dtype) -> Case:
    """Two walks."""
    read = (storage, other) if transform == "gradient" else (storage,)
    loading = conversions(*read) if transform == "gradient" else loads(arithmetic, storage)
    works = WIDE_MAPS if arithmetic == "wide" else MAPS
    work = works[transform].times(1, loading).times(1, conversions(output))
    arguments = (transform, arithmetic, storage, other, output)
    return Case("mapping", arguments, ("rows", "columns"), max(dtype.itemsize for dtype in read), work)


def cases_of(arithmetic: str, storage: np.dtype) -> Iterable[Case]:
    """All that reads data of a dtype."""
    loading = loads(arithmetic, storage)
    for counts in ("all", "marked", *(("numbers",) if storage.kind == "f" else ())):
        given, read = (arithmetic, storage, counts), (storage, np.dtype("u1")) if counts == "marked" else (storage,)
        integral = arithmetic in ("byte", "short")
        yield reduction("moments", given, arithmetic, read, Work() if integral else loading)
        if arithmetic in ("half", "single"):
            yield reduction("narrow_moments", given, f"narrow-{arithmetic}", read, Work(conversions=1))
        yield reduction("exact_sums", given, "exact", read, Work())
    yield reduction("weighted", (storage,), "weighted", (storage, F8), loading)
    for other in FLOATS:
        pair = storage, other
        yield reduction("gradients_of", pair, "gradients", pair, loading.times(1, conversions(other)))
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
    found += [Case("mark", ("false", np.dtype("u1"))), Case("fill", (np.dtype("u1"),)), Case("fill", (F8,))]
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


def allowed(found: Work, expected: Work, spared: Work, capability: Capability) -> bool:
    """Whether a loop does what it should.

    NVVM is another one from 10.0 on: it may leave out an addition of 0, scale integers as such, and convert once more
    in a branch that few values take.
    """
    if capability < (10, 0):
        return found == expected
    saved = Work(*(n - m for n, m in zip(expected, found, strict=True)))
    saved = saved._replace(conversions=-saved.conversions)
    return all(0 <= n <= most for n, most in zip(saved, spared, strict=True))


def does(work: Work, case: Case, values: int, capability: Capability) -> bool:
    """Whether a loop does what is expected for each of ``values``; a compiler may unroll the loop over them in part."""
    assert case.work is not None
    together = [n for n in (1, 2, 4, 8, 16) if n <= values]
    spared = Work(additions=1, products=case.scalings, conversions=1)
    return any(allowed(work, case.work.times(n, case.once), spared.times(n, Work()), capability) for n in together)


def faults_of(ptx: str, capability: Capability, case: Case, values: int, part: str, folder: Path) -> list[str]:
    """What is not as it should be; of kernels that walk data, also in their loops."""
    if re.search(r"\bcall\b", ptx):
        return ["calls a function that is not compiled with it"]
    usage = assembled(ptx, capability, folder)
    found = [f"product without residual: {product}" for product in residuals_missing(ptx)]
    if ".local" in ptx or usage.memory != IN_REGISTERS:
        found.append(f"not all in registers: {usage.memory}")
    if usage.registers > MOST_REGISTERS:
        found.append(f"{usage.registers} registers")
    if case.work and part != "close":
        # A loop that only brings values together is part of one that computes, if any is to.
        done = reading_loops(ptx, None if case.work == Work() else Work())
        found += [f"a loop does {work}" for work in done if not does(work, case, values, capability)]
        widest = widest_load(ptx)
        if widest != (values * case.itemsize if part == "rows" else case.itemsize):
            found.append(f"loads of {widest} bytes")
    return found


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
@pytest.mark.parametrize("name", CASES)
def test_kernels_compile_and_are_assembled(name, no_device, tmp_path):
    from fastbn._backends import cuda_kernels

    case = CASES[name]
    made = getattr(cuda_kernels, case.maker)(*case.arguments)
    values = getattr(made, "values", 1)
    faults = {}
    for part in case.parts or ("",):
        for capability, ptx in compiled(getattr(made, part) if part else made).items():
            faults[part, capability] = faults_of(ptx, capability, case, values, part, tmp_path)
    assert {where: some for where, some in faults.items() if some} == {}


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_kernels_are_kept_on_disk(tmp_path):
    script = Path(__file__).with_name("kernels_on_disk.py")
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = []
    for _ in range(2):
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=variables, check=False)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found == [["0", "5"], ["5", "0"]]


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


def test_innermost_loop_is_found_and_counted():
    assert reading_loops(SOME) == [Work(singles=4)]
    assert widest_load(SOME) == 16


SPLIT = """
    mul.rn.f64 \t%fd1, %fd2, %fd3;
    neg.f64 \t%fd4, %fd1;
    fma.rn.f64 \t%fd5, %fd2, %fd3, %fd4;
"""


def test_fused_additions_count_but_for_split_products():
    fused = "fma.rn.f64 \t%fd6, %fd5, %fd3, %fd4;"
    text = SOME.replace("    add.f32 \t%f1, %f1, %f2;", SPLIT + fused)
    assert reading_loops(text) == [Work(1, 2, 1, 0, 3)]


def test_split_product_of_other_numbers_is_found():
    assert residuals_missing(SPLIT) == []
    assert residuals_missing(SPLIT.replace("%fd5, %fd2, %fd3", "%fd5, %fd2, %fd2")) == ["%fd1"]
    assert residuals_missing(SPLIT.replace("neg.f64 \t%fd4, %fd1", "neg.f64 \t%fd4, %fd2")) == ["%fd1"]
