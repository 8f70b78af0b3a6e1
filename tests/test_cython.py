"""What only the compiled extension has: instruction-set variants, and no need of Numba."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fastbn

if not {info.name: info.available for info in fastbn.backends()}["cython"]:
    pytest.skip("the extension is not installed", allow_module_level=True)

from fastbn._arrays import as_operand
from fastbn._backends import _cython_driver, cython_cpu
from fastbn._layout import direct_view, split_axes

COMPUTE = """
import numpy as np, fastbn
x = np.arange(24.0).reshape(4, 6)
print(fastbn.channel_stats(x).mean.sum(), fastbn.zscore(x).sum(), fastbn.show_config("dicts")["simd"])
"""


def python(code, expect=0, **variables):
    """Run code in a fresh interpreter that has no Numba; return what it printed, or its last error line."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTBN_")} | variables
    code = "import sys; sys.modules['numba'] = None\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == expect, done.stderr
    return done.stdout.strip() if expect == 0 else done.stderr.strip().splitlines()[-1]


def test_without_numba_everything_is_computed():
    assert python(COMPUTE) == f"69.0 0.0 {cython_cpu.simd_variants()[-1]}"


def test_without_numba_the_command_line_works(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(4, 3))
    arguments = ["normalize", str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    python(f"from fastbn.cli import main; sys.exit(main({arguments!r}))")
    assert np.load(tmp_path / "y.npy").mean(axis=0).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("variant", cython_cpu.simd_variants())
def test_the_environment_chooses_the_instruction_set(variant):
    assert python(COMPUTE, FASTBN_SIMD=variant).endswith(variant)


@pytest.mark.parametrize("variant", ["v9", "avx"])
def test_an_instruction_set_that_is_not_there(variant):
    message = python(COMPUTE, expect=1, FASTBN_SIMD=variant)
    assert "BackendUnavailable" in message
    assert variant in message
    assert "'base'" in message


def test_one_variant_is_imported():
    code = COMPUTE + "print(*[name for name in sys.modules if '_kernels_' in name])"
    assert python(code).splitlines()[-1].count("fastbn._backends._kernels_") == 1


def test_the_base_variant_is_always_there():
    assert cython_cpu.simd_variants()[0] == "base"
    assert set(cython_cpu.simd_variants()) <= set(_cython_driver.variants())


def test_other_threads_run_meanwhile():
    """A kernel lets go of the interpreter: this thread goes on while another is in one call of one kernel."""
    x = as_operand(np.ones(2**26, np.float32))
    view = direct_view(x.stored, split_axes(x.stored.shape, None))
    reduction = cython_cpu.backend._reduction("compensated", x.arithmetic, x.storage)
    part = reduction.partials(view.cut)
    started, finished = threading.Event(), threading.Event()

    def compute():
        reduction._units(view, view.cut.geometry, part, 0, 1)  # whatever is imported or made once
        started.set()
        reduction._units(view, view.cut.geometry, part, 0, view.cut.segments)
        finished.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is interrupted: who holds the interpreter keeps it until it lets go
    try:
        worker = threading.Thread(target=compute)
        worker.start()
        assert started.wait(60)
        before = finished.is_set()
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert not before
    assert finished.is_set()


def test_read_only_memory_is_read():
    x = np.frombuffer(bytes(np.arange(12.0)), np.float64).reshape(4, 3)
    assert not x.flags.writeable
    with fastbn.use_backend("cython"):
        assert fastbn.channel_stats(x).mean.tolist() == [4.5, 5.5, 6.5]
        assert fastbn.zscore(x).shape == (4, 3)


def test_free_threading_is_declared():
    """Without the mark, importing the module would switch the GIL back on."""
    code = (
        "import sys, fastbn, numpy as np\n"
        "fastbn.set_backend('cython'); fastbn.zscore(np.ones((3, 2)))\n"
        "print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    )
    free = bool(__import__("sysconfig").get_config_var("Py_GIL_DISABLED"))
    assert python(code) == str(not free)


ROOT = Path(__file__).parents[1]
GENERATE = """
import ast, sys
sys.path.insert(0, {root!r})
from fastbn._backends._cython_source import CythonSource
kept = [{{}} for _ in range({objects})]
text = CythonSource().text()
rows = [line.strip(" ,").split(": <size_t><void *>") for line in text.splitlines() if "<size_t><void *>map_" in line]
names = {{ast.literal_eval(key): name for key, name in rows}}
assert names
for (entry, transform, arithmetic, *dtypes), name in names.items():
    same = [entry, arithmetic, *dtypes]
    others = [other for (e, _, *labels), other in names.items() if [e, *labels] == same]
    if arithmetic != "wide" or transform == "rescale":
        assert others.count(name) == 1, (entry, transform, arithmetic, dtypes)
print(__import__("hashlib").sha256(text.encode()).hexdigest())
"""


@pytest.mark.skipif(not (ROOT / "fastbn/_kernels/walks.pxd").exists(), reason="needs the sources")
def test_kernels_are_written_out_the_same_way_each_time():
    """Each transform has a function of its own (one for both affine maps of 64-bit integers), wherever memory is."""
    assert len({python(GENERATE.format(root=str(ROOT), objects=n)) for n in (0, 1, 7, 500)}) == 1
