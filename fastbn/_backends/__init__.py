"""The contract of a backend, the table of those there are, and the choice among them."""

import contextvars
import functools
import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._arrays import Operand
from .._kernels.sizes import Words
from .._layout import Axes
from .._selection import Kept


class Moments(NamedTuple):
    """What a reduction returns, per channel in array order."""

    state: np.ndarray  # float64 (5, channels): count, mean, its tail, m2, its tail
    least: np.ndarray  # dtype of the input
    greatest: np.ndarray
    tally: np.ndarray | None = None  # of weighted data, (2, channels): values counted, tail of their weight (the count)


class ExactSums(NamedTuple):
    """What an exact reduction returns, per channel in array order."""

    state: np.ndarray  # int64 (rows, channels): counts and words (``_kernels/sizes.py``)
    least: np.ndarray  # dtype of the input
    greatest: np.ndarray
    words: Words  # which words these are


MOMENT_ROWS = 5  # of Moments.state
Interval = tuple[float, float]


class Backend(Protocol):
    """The verbs. Arrays are non-empty, checked, and described by ``Axes``; per-channel vectors are flat float64."""

    def reduce_moments(self, x: Operand, axes: Axes) -> Moments: ...

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums: ...

    def standardize(
        self, moments: Moments, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int, constant: float
    ) -> np.ndarray: ...

    def destandardize(
        self, moments: Moments, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int
    ) -> np.ndarray: ...

    def rescale(self, moments: Moments, onto: Interval, least: float, constant: float) -> np.ndarray: ...

    def unscale(self, moments: Moments, interval: Interval) -> np.ndarray: ...

    def backward(
        self, x: Operand, dy: Operand, axes: Axes, moments: Moments, gamma: np.ndarray, eps: float, out: Operand | None
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def update_running(
        self, moments: Moments, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None: ...

    def map_channels(
        self,
        x: Operand,
        axes: Axes,
        transform: str,
        coefficients: np.ndarray,
        out: Operand,
        kept: Kept | None = None,
    ) -> None: ...

    def normalize_batch(
        self,
        x: Operand,
        axes: Axes,
        grouped: Operand,
        of_groups: Axes,
        transform: str,
        gamma: np.ndarray,
        beta: np.ndarray,
        eps: float,
        ddof: int,
        constant: float,
        out: Operand,
    ) -> Moments: ...


class _Row(NamedTuple):
    """One backend: what it needs and where it is."""

    name: str
    requires: tuple[str, ...]  # modules that must be importable
    module: str
    install: str
    start: float  # seconds until the first result of a process, compiled kernels being on disk


TABLE = (
    _Row("numba", ("numba",), "fastbn._backends.numba_cpu", 'pip install "fastbn[numba]"', 0.5),
    _Row(
        "cython",
        ("fastbn._backends._cython_driver", "fastbn._backends._kernels_base"),
        "fastbn._backends.cython_cpu",
        "install fastbn again where there is a C compiler, with FASTBN_REQUIRE_EXT=1 to see what it lacks",
        0.001,
    ),
)


class BackendUnavailable(ImportError):
    """The backend asked for is unknown, or what it needs is not installed."""


class BackendInfo(NamedTuple):
    """One row of `backends`."""

    name: str
    available: bool
    reason: str


def backends() -> list[BackendInfo]:
    """List the backends, whether each can be used here, and why not.

    Returns
    -------
    list of BackendInfo

    Examples
    --------
    >>> import fastbn
    >>> [info.name for info in fastbn.backends()]
    ['numba', 'cython']
    """
    return [BackendInfo(row.name, *_availability(row)) for row in TABLE]


@functools.cache
def _availability(row: _Row) -> tuple[bool, str]:
    for module in row.requires:
        if importlib.util.find_spec(module) is None:
            return False, f"{module} is not installed: {row.install}"
    return True, "available"


_process_choice: list[str] = []  # at most one name, from set_backend
_context_choice: contextvars.ContextVar[str | None] = contextvars.ContextVar("fastbn_backend", default=None)


def _checked(name: str) -> str:
    for row in TABLE:
        if row.name == name:
            available, reason = _availability(row)
            if not available:
                raise BackendUnavailable(f"backend {name!r} cannot be used: {reason}")
            return name
    there = ", ".join(f"{info.name!r} ({info.reason})" for info in backends())
    raise BackendUnavailable(f"backend: got {name!r}; there is {there}")


def set_backend(name: str) -> None:
    """Choose the backend for host arrays, for the whole process.

    Parameters
    ----------
    name : str
        A name from `backends`.

    Raises
    ------
    BackendUnavailable
        If there is no such backend or it cannot be used here.
    """
    _process_choice[:] = [_checked(name)]


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Choose the backend for host arrays within a ``with`` block, in this thread (or task) only.

    Parameters
    ----------
    name : str
        A name from `backends`.

    Raises
    ------
    BackendUnavailable
        If there is no such backend or it cannot be used here.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> with fastbn.use_backend("numba"):
    ...     fastbn.channel_stats(np.arange(6.0).reshape(3, 2)).mean
    array([2., 3.])
    """
    token = _context_choice.set(_checked(name))
    try:
        yield
    finally:
        _context_choice.reset(token)


def chosen() -> str:
    """Name of the backend that a call from here uses."""
    return _context_choice.get() or (_process_choice[0] if _process_choice else _default())


@functools.cache
def _default() -> str:
    """The one that ``FASTBN_BACKEND`` names when this is first asked, else, of what can be used, the first to start.

    They are as fast as each other (1.02 in the median of 252 operations), but one compiles for 10 s at first.
    """
    name = os.environ.get("FASTBN_BACKEND")
    if name:
        return _checked(name)
    usable = [row for row in TABLE if _availability(row)[0]]
    if usable:
        return min(usable, key=lambda row: row.start).name
    raise BackendUnavailable("no backend can be used here: " + "; ".join(_availability(row)[1] for row in TABLE))


def current() -> Backend:
    """The backend that a call from here uses."""
    return _load(chosen())


@functools.cache
def _load(name: str) -> Backend:
    module: Any = importlib.import_module(next(row.module for row in TABLE if row.name == name))
    backend: Backend = module.backend
    return backend
