"""The floating-point environment: how the calling thread rounds, and whether it keeps numbers below the normal ones.

Any library can change it for a thread, for example one that was linked with ``-ffast-math`` when it is loaded, or
``torch.set_flush_denormal``; threads inherit it from those that start them. Compensated sums are wrong then: they rest
on what rounding to nearest loses. So whatever computes here does so in the default environment, and gives the thread
its own back.
"""

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_ONE, _TINY = 1.0, 1e-30
_LEAST_NORMAL, _HALF = sys.float_info.min, 0.5

_ENVIRONMENT_BYTES = 256  # of C's fenv_t, at least: 32 on x86-64
_DEFAULT = ctypes.c_void_p(-1)  # what FE_DFL_ENV is in glibc and musl


def is_default() -> bool:
    """Whether this thread rounds to nearest and keeps subnormal numbers: 0.005 of a small call."""
    return _ONE + _TINY == _ONE - _TINY and _LEAST_NORMAL * _HALF != 0.0


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


@contextmanager
def default_environment() -> Iterator[None]:
    """Compute in the default environment within a ``with`` block, in this thread.

    Raises
    ------
    FloatingPointError
        If the thread has another one which cannot be changed from here.
    """
    if is_default():
        yield
        return
    library = _c_library()
    own = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
    if library is not None:
        library.fegetenv(own)
    try:
        if library is not None:
            library.fesetenv(_DEFAULT)
        if not is_default():
            raise FloatingPointError(
                "floating-point environment: this thread flushes subnormal numbers to zero or does not round to "
                "nearest; wants the default, which another library has changed"
            )
        yield
    finally:
        if library is not None:
            library.fesetenv(own)


def in_default_environment(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function compute in the default environment, whatever the calling thread has."""

    @functools.wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_default():
            return function(*args, **kwargs)
        with default_environment():
            return function(*args, **kwargs)

    return computed
