"""No function touches an element beside its arrays: inputs and outputs lie beside pages that nobody may touch."""

import mmap
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.lib.array_utils import byte_bounds

from generators import FLOATS, INTEGERS
from guarded_calls import GROUPS
from layouts import LAYOUTS

guarding = pytest.importorskip("guarded", exc_type=ImportError)
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="protects pages by mprotect of Linux's C library"
)

DTYPES = FLOATS + INTEGERS
# channels, values: less than a vector, not a multiple of one, more than a tile, many short channels
SHAPES = [(2, 2), (3, 7), (5, 63), (2, 4096 + 9), (130, 12), (67, 210)]
CASES = [(shape, side) for shape in SHAPES for side in guarding.SIDES]

BEYOND = """
import ctypes, numpy as np, guarded
x = guarded.guarded(np.arange(5.0), {side!r})
assert x.sum() == 10
x[:] = 1
print("within", flush=True)
address = x.ctypes.data + (x.nbytes if {side!r} == "end" else -1)
{touch}
print("beyond")
"""


@pytest.mark.parametrize("side", guarding.SIDES)
@pytest.mark.parametrize("touch", ["ctypes.string_at(address, 1)", "ctypes.memset(address, 1, 1)"])
def test_who_goes_beyond_a_guarded_array_ends(side, touch):
    code = BEYOND.format(side=side, touch=touch)
    path = os.pathsep.join(sys.path)
    variables = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=variables
    )
    assert done.stdout == "within\n"
    assert done.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("side", guarding.SIDES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_guarded_array_lies_in_memory_as_its_original_does(layout, dtype, side):
    x = LAYOUTS[layout](filled((6, 12), dtype)).x
    copy = guarding.guarded(x, side)
    assert (copy.dtype, copy.shape, copy.strides) == (x.dtype, x.shape, x.strides)
    assert copy.flags.writeable == x.flags.writeable
    assert copy.flags.aligned == x.flags.aligned
    assert copy.tobytes() == x.tobytes()
    low, high = byte_bounds(copy)
    assert (low if side == "start" else -high) % mmap.PAGESIZE < x.itemsize  # what lies further is another page


def filled(shape, dtype):
    """Numbers that every dtype holds and that differ from channel to channel."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 2, shape) * rng.integers(1, 120, shape)).astype(dtype)


def cases(layout, dtype):
    """Shapes and sides: one for each pair, all of them with each layout and each dtype; or all for each pair."""
    if os.environ.get("FASTBN_GUARD") == "full":
        return CASES
    return [CASES[(list(LAYOUTS).index(layout) + DTYPES.index(dtype)) % len(CASES)]]


@pytest.mark.host
@pytest.mark.usefixtures("backend")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_nothing_beside_arrays_is_touched(group, dtype, tally):
    count = 0
    for layout in LAYOUTS:
        for shape, side in cases(layout, dtype):
            x, axis = (arranged := LAYOUTS[layout](filled(shape, dtype))).x, arranged.axis

            def guard(array, side=side):
                nonlocal count
                count += 1
                return guarding.guarded(array, side)

            found = list(group(x, axis, guard))
            expected = list(group(x, axis, lambda array: array))
            assert [v.tobytes() for v in found] == [v.tobytes() for v in expected], (layout, shape, side)
    tally("arrays between guard pages", count)
