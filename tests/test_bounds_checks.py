"""With ``NUMBA_BOUNDSCHECK=1`` every index of a Numba kernel is looked at."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba")

CODE = """
import numpy as np
from numba import njit
from fastbn._backends import numba_cpu
from fastbn._backends._numba_machine import load, store, window

touches = [  # what is done, where it may be done, and where not
    (lambda x, k: x[k], 4, [5]),
    (lambda x, k: load(x, k), 4, [5, -1]),
    (lambda x, k: store(x, k, 1.0), 4, [5, -1]),
    (lambda x, k: len(window(x, k)), 5, [6, -1]),
    (lambda x, k: load(window(x, 2), k), 2, [3, -1]),
]
x = np.zeros(16)[4:9]
seen = 0
for touch, inside, outside in touches:
    compiled = njit(touch, **numba_cpu._FLAGS)
    compiled(x, inside)
    for k in outside:
        try:
            compiled(x, k)
        except IndexError:
            seen += 1
print(seen, numba_cpu._digest())
"""


def run(checks):
    """How many touches outside of arrays were seen, and the digest that names what is kept on disk."""
    variables = os.environ | {"NUMBA_BOUNDSCHECK": checks}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=variables, check=True, timeout=300
    )
    return done.stdout.split()


def test_bounds_checks_are_compiled_into_kernels_and_kept_apart_on_disk():
    unseen, unchecked = run("0")
    assert unseen == "0"
    assert run("1") == ["9", f"{unchecked}-checked"]
