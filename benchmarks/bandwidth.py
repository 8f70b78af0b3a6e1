"""What the memory of this machine can do: read, copy, copy past the caches, and give new pages, with so many threads.

The limit of an operation is the time in which its bytes can be read and written, as found in the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

try:
    from llvmlite import ir
    from numba import njit, types
    from numba.extending import intrinsic
except ModuleNotFoundError:  # then there is no copy past the caches
    njit = None

SIZE = 1 << 26  # bytes: more than the caches hold, with what is written
VECTOR = 64  # bytes of a store
PAGE = 4096  # bytes


def _copy_past() -> Callable[[np.ndarray, np.ndarray], None] | None:
    """Make a copy by non-temporal stores of 64 bytes, for arrays that start with a cache line."""
    if njit is None:
        return None

    @intrinsic
    def stream(typing_context, source, target, i):  # noqa: ARG001
        def generate(context, builder, signature, arguments):
            lanes = ir.VectorType(ir.IntType(64), VECTOR // 8)
            places = [
                builder.bitcast(
                    builder.gep(context.make_array(kind)(context, builder, array).data, [arguments[2]]),
                    lanes.as_pointer(),
                )
                for kind, array in zip(signature.args[:2], arguments[:2], strict=True)
            ]
            kept = builder.store(builder.load(places[0], align=VECTOR), places[1], align=VECTOR)
            kept.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
            return context.get_dummy_value()

        return types.none(source, target, types.intp), generate

    @njit(nogil=True)
    def copy(source, target):
        for i in range(0, source.size, VECTOR // 8):
            stream(source, target, i)

    return copy


def _aligned(size: int) -> np.ndarray:
    """Give int64 zeros, with pages of their own, that start with a cache line."""
    room = np.ones(size + VECTOR, np.uint8)
    start = -room.ctypes.data % VECTOR
    return room[start : start + size].view(np.int64)


class Probe:
    """Calls that read or copy ``SIZE`` bytes, to be timed in turn with everything else."""

    def __init__(self, threads: int, size: int = SIZE) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self.parts = [
            (part, target)
            for part, target in zip(np.split(_aligned(size), threads), np.split(_aligned(size), threads), strict=True)
        ]
        self.size = size
        self._past = _copy_past()

    def calls(self) -> dict[str, Callable[[], None]]:
        """What can be timed, by name."""
        ways = {"read": lambda part, _: part.max(), "copy": lambda part, target: np.copyto(target, part)}
        ways["new pages"] = lambda part, _: np.empty(part.nbytes, np.uint8)[::PAGE].fill(1)
        if self._past is not None:
            ways["copy past caches"] = self._past
        return {name: lambda way=way: self._run(way) for name, way in ways.items()}

    def _run(self, way: Callable[[np.ndarray, np.ndarray], object]) -> None:
        for done in [self._pool.submit(way, *pair) for pair in self.parts]:
            done.result()

    def limit(self, seconds: dict[str, float], read: int, written: int, allocated: int = 0) -> float:
        """Seconds for so many bytes, from those that the calls took."""
        per_byte = seconds["read"] / self.size
        copies = min(seconds[name] for name in seconds if name.startswith("copy"))
        return (
            per_byte * read
            + max(0.0, copies / self.size - per_byte) * written
            + seconds.get("new pages", 0.0) / self.size * allocated
        )
