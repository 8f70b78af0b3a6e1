"""Times on the device, between events of the default stream, with a second-level cache that was written over before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

FLUSH = 256 << 20  # bytes at least
COPY = 1 << 30  # bytes of the copy that everything is compared with, or
SHARE = 8  # this part of the memory that is free, if that is less
CALLS = 50  # in a row, for their cost on the host: fewer launches than the driver keeps waiting


def percentile(values: list[float], share: float) -> float:
    """By linear interpolation between the two nearest ranks."""
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    below = int(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (place - below) * (ranked[above] - ranked[below])


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and the tenths at both ends."""
    return {
        "median": statistics.median(seconds),
        "p10": percentile(seconds, 0.1),
        "p90": percentile(seconds, 0.9),
        "repetitions": len(seconds),
    }


class Clock:
    """Times calls on the default stream.

    While the device still writes over the cache, the host is ahead: its own cost shows only as far as it is longer.
    """

    def __init__(self) -> None:
        from numba.cuda.cudadrv.driver import device_memset

        cache = cuda.get_current_device().L2_CACHE_SIZE
        self._scratch = cuda.device_array(max(FLUSH, 4 * cache), np.uint8)
        self._memset = device_memset
        self._stream = cuda.default_stream()
        self._events = cuda.event(), cuda.event()
        self._turn = 0

    def _flush(self) -> None:
        self._turn = (self._turn + 1) % 256
        self._memset(self._scratch, self._turn, self._scratch.size, stream=self._stream)

    def seconds(self, call: Callable[[], Any]) -> float:
        """Seconds between two events, one before and one after a call."""
        start, end = self._events
        self._flush()
        start.record(self._stream)
        result = call()
        end.record(self._stream)
        end.synchronize()
        del result
        return 1e-3 * start.elapsed_time(end)

    def wait(self) -> None:
        """Until the device has nothing to do."""
        cuda.synchronize()


def alternating(clock: Any, calls: dict[str, Callable[[], Any]], repetitions: int) -> dict[str, dict[str, float]]:
    """Times of calls that take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            seconds[name].append(clock.seconds(call))
    return {name: summary(seen) for name, seen in seconds.items()}


def host_seconds(clock: Any, call: Callable[[], Any], repetitions: int) -> dict[str, float]:
    """Cost of a call on the host: of many in a row, while the device works behind."""
    seen = []
    for _ in range(repetitions):
        clock.wait()
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        seen.append((time.perf_counter() - start) / CALLS)
    clock.wait()
    return summary(seen)


def copy_call(free: float) -> tuple[int, Callable[[], None]]:
    """Bytes that a copy from the device to itself moves (each read and written), and that copy."""
    size = int(min(COPY, free // SHARE))
    source, target = (cuda.device_array(size, np.uint8) for _ in range(2))
    stream = cuda.default_stream()
    return 2 * size, lambda: target.copy_to_device(source, stream=stream)
