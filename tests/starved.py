"""Calls in a process that may have little more memory than it has; run as a script.

python starved.py BACKEND

The address space is limited to what is taken plus nothing, plus a step, plus two, ... until the call succeeds. Each
before that ends in a MemoryError and changes nothing, and small arrays are computed with meanwhile. Prints how many
calls failed.
"""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import fastbn

# What is larger than this comes from the system, and the limit is felt. What is smaller has a reserve: NumPy crashes
# where its iterators lack memory (seen with 20 KB left), and Python waits for ever for a thread that could not begin.
LARGE = 2**17
RESERVE = 2**22
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": f"{LARGE}", "MALLOC_TOP_PAD_": f"{2**25}"}
STEP = 2**19  # bytes
MOST = 2**26
SHAPE = (500, 8, 500)


def taken() -> int:
    """Bytes of the address space."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def limited(more: int):
    """Allow so many bytes more than there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


X = np.random.default_rng(0).normal(3, 2, SHAPE).astype("f4")
ROWS = (np.arange(SHAPE[0]) % 3 > 0)[:, np.newaxis, np.newaxis]
STATS = fastbn.channel_stats(X)
CALLS: dict[str, Callable[[np.ndarray], object]] = {
    "channel_stats": fastbn.channel_stats,
    "channel_stats, exact": lambda x: fastbn.channel_stats(x, method="exact").mean,
    "channel_stats, many": lambda x: fastbn.channel_stats(x, (1, 2)),
    "channel_stats, where": lambda x: fastbn.channel_stats(x, where=ROWS),
    "channel_stats, weights": lambda x: fastbn.channel_stats(x, weights=1.0 + ROWS),
    "channel_quantiles": lambda x: fastbn.channel_quantiles(x, (0.1, 0.5)),
    "zscore": fastbn.zscore,
    "zscore, reversed": lambda x: fastbn.zscore(x[::-1, ::-1, ::-1]),
    "minmax_scale": fastbn.minmax_scale,
    "robust_scale": fastbn.robust_scale,
    "normalize": lambda x: fastbn.normalize(x, STATS),
    "denormalize": lambda x: fastbn.denormalize(x, STATS),
    "minmax_unscale": lambda x: fastbn.minmax_unscale(x, STATS),
    "batch_norm": fastbn.batch_norm,
    "batch_norm_backward": lambda x: fastbn.batch_norm_backward(x, x, STATS),
    "instance_norm": fastbn.instance_norm,
    "group_norm": lambda x: fastbn.group_norm(x, 2),
    "layer_norm": fastbn.layer_norm,
    "layer_norm_backward": lambda x: fastbn.layer_norm_backward(x, x),
}


def held_but_for_a_reserve() -> list[np.ndarray]:
    """All that the process was given and has not used, but for holes between pieces, each too small for large ones."""
    walls = [np.empty(LARGE // 2, np.uint8) for _ in range(2 * RESERVE // (LARGE // 2))]
    pieces, before = [], taken()
    while taken() == before:
        pieces.append(np.empty(LARGE, np.uint8))
    del walls[::2]
    return walls + pieces


def starve(call: Callable[[], object]) -> int:
    """Call with more and more memory; returns how often there was too little."""
    call()  # compiles, and starts threads
    _held = held_but_for_a_reserve()
    for failed in range(MOST // STEP):
        try:
            with limited(failed * STEP):
                call()
        except MemoryError:
            small = fastbn.zscore(np.array([[1.0], [3.0]]))
            assert small.tolist() == [[-1.0], [1.0]]
        else:
            return failed
    raise AssertionError("never enough")


def functions() -> int:
    fastbn.set_num_threads(2)
    before, failed = X.tobytes(), 0
    for name, call in CALLS.items():
        failed += starve(lambda call=call: call(X))
        assert X.tobytes() == before, name
    return failed


def main(backend: str) -> None:
    with fastbn.use_backend(backend):
        print(functions())


if __name__ == "__main__":
    # The stack of the main thread grows as it is needed, and where it cannot the system ends the process.
    threading.stack_size(2**23)
    thread = threading.Thread(target=main, args=sys.argv[1:])
    thread.start()
    thread.join()
