"""What LeakSanitizer finds after every function has been called again and again: for `.ci/sanitizers`, not for pytest.

It looks while Python still runs: at its end Python itself lets go of memory that it does not free. It does not look
into the frames of functions, which Python maps by itself, so local variables hold nothing meanwhile.
"""

import ctypes
import gc
import sys

import numpy as np

import fastbn
from guarded_calls import GROUPS

ROUNDS = 3  # what is lost once is found
SHAPES = [(5, 3), (4, 6, 7), (2, 3, 5000)]
DTYPES = ("float16", "float32", "float64", "bool", "uint8", "int64")


def call_all() -> int:
    """Every function, for every kind of kernel; how many results there were."""
    count = 0
    for dtype in DTYPES:
        for shape in SHAPES:
            x = (np.arange(np.prod(shape)).reshape(shape) % 7).astype(dtype)
            for group in GROUPS:
                count += sum(1 for _ in range(ROUNDS) for _ in group(x, 1, lambda array: array))
    return count


def leaks() -> int:
    """1 if anything was lost since the last time."""
    gc.collect()
    return int(ctypes.CDLL(None).__lsan_do_recoverable_leak_check())


def main() -> int:
    """Look for leaks; then lose an array, and see that it is found."""
    fastbn.set_backend("cython")
    with np.errstate(all="ignore"):
        print(f"{call_all()} results", flush=True)
    if leaks():
        return 1
    lost = np.zeros(1000)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
    del lost
    if not leaks():
        print("an array that was lost is not found", file=sys.stderr)
        return 1
    print("nothing was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
