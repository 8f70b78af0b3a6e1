"""The contract of a backend, the table of those there are, and the choice among them."""

import contextvars
import functools
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._arrays import Operand
from .._devices import OnDevice
from .._kernels.sizes import Words
from .._layout import Axes
from .._printable import shown
from .._selection import Kept


class Moments(NamedTuple):
    """What a reduction returns, per channel in array order."""

    state: np.ndarray  # float64 (5, channels): count, mean, its tail, m2, its tail
    least: np.ndarray  # dtype of the input
    greatest: np.ndarray
    tally: np.ndarray | None = None  # of weighted data, (2, channels): values counted, tail of their weight (the count)

    def fetched(self) -> "Moments":
        """The same on the host, where they are already."""
        return self


class ExactSums(NamedTuple):
    """What an exact reduction returns, per channel in array order."""

    state: np.ndarray  # int64 (rows, channels): counts and words (``_kernels/sizes.py``)
    least: np.ndarray  # dtype of the input
    greatest: np.ndarray
    words: Words  # which words these are


#: Moments, or what a backend has of them on a device: with ``fetched``, which returns Moments.
Found = Any
MOMENT_ROWS = 5  # of Moments.state
Interval = tuple[float, float]


class Backend(Protocol):
    """The verbs. Arrays are non-empty, checked, and described by ``Axes``; per-channel vectors are flat float64."""

    def reduce_moments(self, x: Operand, axes: Axes) -> Found: ...

    def reduce_exact(self, x: Operand, axes: Axes) -> ExactSums: ...

    def standardize(
        self, moments: Found, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int, constant: float
    ) -> np.ndarray: ...

    def destandardize(
        self, moments: Found, gamma: np.ndarray, beta: np.ndarray, eps: float, ddof: int
    ) -> np.ndarray: ...

    def rescale(self, moments: Found, onto: Interval, least: float, constant: float) -> np.ndarray: ...

    def unscale(self, moments: Found, interval: Interval) -> np.ndarray: ...

    def backward(
        self, x: Operand, dy: Operand, axes: Axes, moments: Found, gamma: np.ndarray, eps: float, out: Operand | None
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def update_running(
        self, moments: Found, keep: float, take: float, ddof: int, mean: np.ndarray, var: np.ndarray
    ) -> None: ...

    def moments_of(self, mean: np.ndarray, var: np.ndarray) -> Found: ...

    def without_means(self, moments: Found) -> Found: ...

    slab: int  # values of some rows that are held in between

    def room(self, size: int) -> np.ndarray: ...

    def copy(self, x: Operand, out: Operand) -> None: ...

    def run(self, count: int, size: int, work: Callable[[int, int], None]) -> None: ...

    def total(
        self, parts: Iterable[list[tuple[np.ndarray, np.ndarray]]], channels: int
    ) -> tuple[np.ndarray, np.ndarray]: ...

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
    ) -> Found: ...


class _Row(NamedTuple):
    """One backend: what it needs and where it is."""

    name: str
    requires: tuple[str, ...]  # modules that must be importable
    module: str
    install: str
    start: float | None  # seconds until the first result of a process, compiled kernels on disk; None: not for the host


TABLE = (
    _Row("numba", ("numba",), "fastbn._backends.numba_cpu", 'pip install "fastbn[numba]"', 0.5),
    _Row(
        "cython",
        ("fastbn._backends._cython_driver", "fastbn._backends._kernels_base"),
        "fastbn._backends.cython_cpu",
        "install fastbn again where there is a C compiler, with FASTBN_REQUIRE_EXT=1 to see what it lacks",
        0.001,
    ),
    _Row(
        "cuda",
        ("numba",),
        "fastbn._backends.numba_cuda",
        'pip install "fastbn[cuda13]", or "fastbn[cuda12]" for a driver of CUDA 12',
        None,
    ),
)


#: Those that arrays on the host can go to: what is known without asking for a GPU, which takes a second.
HOSTS = tuple(row.name for row in TABLE if row.start is not None)


class BackendUnavailable(ImportError):
    """The backend asked for is unknown, or what it needs is not installed.

    See Also
    --------
    backends : Which there are, and why one cannot be used.

    Examples
    --------
    >>> import fastbn
    >>> try:
    ...     fastbn.set_backend("fortran")
    ... except fastbn.BackendUnavailable as error:
    ...     print(str(error).partition(";")[0])
    backend: got 'fortran'
    """


class BackendInfo(NamedTuple):
    """What `backends` says of one backend.

    Parameters
    ----------
    name : str
        What `use_backend` and `set_backend` take; arrays on devices go to ``cuda`` by themselves.
    available : bool
        Whether it can be used here.
    reason : str
        Why not, and what to install; ``"available"`` if it can be used.

    See Also
    --------
    backends : All of them.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.backends()[1].name
    'cython'
    """

    name: str
    available: bool
    reason: str


def backends() -> list[BackendInfo]:
    """List the backends, whether each can be used here, and why not.

    Returns
    -------
    list of BackendInfo
        With `name`, `available` and `reason`; host arrays go to the first of them to start, unless one is chosen.

    See Also
    --------
    use_backend : Choose one for a block of code.
    set_backend : Choose one for the process.
    show_config : Print them, with versions and threads.

    Examples
    --------
    >>> import fastbn
    >>> [info.name for info in fastbn.backends()]
    ['numba', 'cython', 'cuda']
    """
    return [BackendInfo(row.name, *_availability(row)) for row in TABLE]


@functools.cache
def _availability(row: _Row) -> tuple[bool, str]:
    for module in row.requires:
        if importlib.util.find_spec(module) is None:
            return False, f"{module} is not installed: {row.install}"
    if row.start is None and (lack := _lacking()) is not None:
        return False, f"{' '.join(lack.split())}: {row.install}"
    return True, "available"


def _for_host(name: Any) -> str:
    """A name that may be chosen."""
    if isinstance(name, str) and name == "cuda":  # arrays do not compare to one truth value
        raise BackendUnavailable("backend 'cuda' takes arrays on a device, and all of them: there is nothing to choose")
    return _checked(name)


def _lacking() -> str | None:
    """What CUDA lacks here, if it does: asks for a driver, so only when somebody wants to know."""
    try:
        from ._cuda_machine import lacking

        return lacking()
    except Exception as error:  # noqa: BLE001 - whatever Numba, a driver or a compiler says is the reason
        return f"CUDA cannot be used ({str(error).strip()})"


_process_choice: list[str] = []  # at most one name, from set_backend
_context_choice: contextvars.ContextVar[str | None] = contextvars.ContextVar("fastbn_backend", default=None)


def _checked(name: Any) -> str:
    for row in TABLE if isinstance(name, str) else ():
        if row.name == name:
            available, reason = _availability(row)
            if not available:
                raise BackendUnavailable(f"backend {name!r} cannot be used: {reason}")
            return row.name
    there = ", ".join(f"{info.name!r} ({info.reason})" for info in backends())
    raise BackendUnavailable(f"backend: got {shown(name)}; there is {there}")


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

    See Also
    --------
    use_backend : Choose one for a block of code.
    backends : Which there are.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.set_backend("cython")
    >>> fastbn.show_config(mode="dicts")["backend"]
    'cython'
    """
    _process_choice[:] = [_for_host(name)]


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

    See Also
    --------
    set_backend : Choose one for the process.
    backends : Which there are.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> with fastbn.use_backend("numba"):
    ...     fastbn.channel_stats(np.arange(6.0).reshape(3, 2)).mean
    array([2., 3.])
    """
    token = _context_choice.set(_for_host(name))
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
        return _for_host(name)
    rows = [(row.start, row) for row in TABLE if row.start is not None]
    usable = [(start, row) for start, row in rows if _availability(row)[0]]
    if usable:
        return min(usable, key=lambda pair: pair[0])[1].name
    raise BackendUnavailable("no backend can be used here: " + "; ".join(_availability(row)[1] for _, row in rows))


def current(array: np.ndarray | None = None) -> Backend:
    """The backend that a call from here uses: of an array on a device, the one for that device."""
    if isinstance(array, OnDevice):
        backend: Backend = _load(_checked("cuda")).beside(array.place)
    else:
        backend = _load(chosen()).backend
    return backend


def transfers(device: int | None) -> Any:
    """What takes arrays to a device in parts, and back (``_cuda_transfers.py``)."""
    _checked("cuda")
    return importlib.import_module("fastbn._backends._cuda_transfers").Transfers(device)


@functools.cache
def _load(name: str) -> Any:
    return importlib.import_module(next(row.module for row in TABLE if row.name == name))
