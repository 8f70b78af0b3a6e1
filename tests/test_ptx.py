"""Every kernel for GPUs through the real compiler, without a GPU: to PTX, and with `ptxas` to machine code.

Numba for CUDA and `ptxas` have to be installed (``pip install "fastbn[cuda13]" "nvidia-cuda-nvcc==13.*"``); with
``FASTBN_REQUIRE_PTX=1`` it is an error if they are not. PTX of the oldest capability is assembled for all of them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

CAPABILITIES = ((7, 5), (8, 0), (9, 0), (12, 0))
MOST_REGISTERS = 128  # so that two blocks of 256 threads fit
FLOATS = ("f2", "f4", "f8")
INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")


def assembler() -> str | None:
    """Where `ptxas` is: on the path, or in a package."""
    folder = Path(sysconfig.get_paths()["purelib"], "nvidia")
    found = sorted(folder.glob("*/bin/ptxas"))
    return str(found[-1]) if found else shutil.which("ptxas")


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
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def specialisations() -> dict[str, tuple]:
    """Every kernel there is: the function of `cuda_kernels` that makes it, its arguments, which of those it makes."""
    from fastbn._arrays import kernel_dtypes
    from fastbn._kernels.grid import channels

    inputs, _ = kernel_dtypes()
    dtypes = {code: np.dtype(code) for code in (*FLOATS, *INTEGERS)}
    found: dict[str, tuple] = {}

    def enter(maker: str, *arguments: object, parts: tuple[str, ...] = ("",)) -> None:
        said = "-".join(a.str[1:] if isinstance(a, np.dtype) else str(a) for a in arguments)
        found.update({f"{maker}-{said}-{part}": (maker, arguments, part) for part in parts})

    reductions, maps = ("rows", "columns", "close"), ("rows", "columns")
    for arithmetic, storage in inputs:
        for counts in ("all", "marked", *(("numbers",) if storage.kind == "f" else ())):
            enter("moments", arithmetic, storage, counts, parts=reductions)
            enter("exact_sums", arithmetic, storage, counts, parts=reductions)
        enter("weighted", storage, parts=reductions)
        for code in FLOATS:
            enter("gradients_of", storage, dtypes[code], parts=reductions)
            enter("mapping", "gradient", arithmetic, storage, dtypes[code], dtypes[code], parts=maps)
            for transform in ("affine", "affine_words", "rescale"):
                enter("mapping", transform, arithmetic, storage, storage, dtypes[code], parts=maps)
        enter("stage", storage, storage)
        enter("stage", storage, dtypes["f8"])
        enter("mark", "true", storage)
        enter("mark_nodata", storage)
        enter("weigh", storage)
    for code in FLOATS:
        enter("mark", "numbers", dtypes[code])
        enter("keep", dtypes[code])
        enter("unstage", dtypes[code], dtypes[code])
    enter("mark", "false", dtypes["u1"])
    for code in INTEGERS:
        enter("unstage", dtypes["f8"], dtypes[code])
    enter("fill", dtypes["u1"])
    for name in channels.KERNELS:
        enter("of_channels", name)
    return found


KERNELS = {} if REASON else specialisations()


@pytest.fixture(scope="module", autouse=True)
def no_device():
    """Numba asks the device for its capability when a function is called from another one."""
    from numba.cuda import dispatcher

    class Oldest:
        compute_capability = CAPABILITIES[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatcher, "get_current_device", Oldest)
        yield


def compiled(name: str) -> str:
    """PTX of a kernel."""
    from numba import cuda

    from fastbn._backends import cuda_kernels

    maker, arguments, part = KERNELS[name]
    made = getattr(cuda_kernels, maker)(*arguments)
    kernel = getattr(made, part) if part else made
    ptx, _ = cuda.compile_ptx(kernel.function, kernel.signature, cc=CAPABILITIES[0])
    return ptx


def residuals_missing(ptx: str) -> list[str]:
    """Products that are never to be fused, whose rounding error is not computed from the same two numbers."""
    products = dict.fromkeys(re.findall(r"mul\.rn\.f64\s+(%fd\d+), (%fd\d+, %fd\d+);", ptx))
    negated = dict(re.findall(r"neg\.f64\s+(%fd\d+), (%fd\d+);", ptx))
    errors = {
        (factors, negated.get(c))
        for factors, c in re.findall(r"fma\.rn\.f64\s+%fd\d+, (%fd\d+, %fd\d+), (%fd\d+);", ptx)
    }
    return [product for product, factors in products if (factors, product) not in errors]


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_compiles_and_is_assembled(name, tmp_path):
    ptx = compiled(name)
    assert ".local" not in ptx
    assert residuals_missing(ptx) == []
    path = tmp_path / "kernel.ptx"
    path.write_text(ptx)
    for major, minor in CAPABILITIES:
        command = [assembler(), "-arch", f"sm_{major}{minor}", "-v", "-o", os.devnull, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in done.stderr
        registers = int(re.search(r"Used (\d+) registers", done.stderr)[1])
        assert registers <= MOST_REGISTERS


def test_error_free_products_are_where_they_should_be():
    counts = {
        name: compiled(name).count("mul.rn.f64") for name in KERNELS if name.startswith("moments") and "rows" in name
    }
    assert min(counts[f"moments-double-f8-{c}-rows"] for c in ("all", "marked", "numbers")) > 0
    assert max(v for name, v in counts.items() if name.split("-")[1] in {"byte", "short", "half", "single"}) == 0
