"""A plug-in for pytest: the memory of every NumPy array ends at a page that nobody may touch.

``pytest -p guard_allocator`` runs any tests so: what they give to functions, what comes back, and what is between. With
``FASTBN_GUARD_SIDE=start`` arrays begin after such a page instead. One element too far ends the process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guarded import SIDES

TALLY = "tally: arrays between guard pages"
SET_HANDLER = 304  # place of PyDataMem_SetHandler among the functions of NumPy's C API


def compiled(folder: Path) -> ctypes.CDLL:
    """The allocator, compiled as extensions are."""
    library = folder / "guard_allocator.so"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    source = Path(__file__).with_suffix(".c")
    subprocess.run([*compiler, "-std=c11", "-O2", "-fPIC", "-shared", str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class Guards:
    """The allocator of this process."""

    def __init__(self, library: ctypes.CDLL, side: str) -> None:
        if side not in SIDES:
            raise ValueError(f"FASTBN_GUARD_SIDE: got {side!r}; wants one of {SIDES}")
        library.guards.restype = ctypes.c_void_p
        library.guarded_arrays.restype = ctypes.c_size_t
        self._library = library
        capsule = _function("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        self._handler = capsule(library.guards(SIDES.index(side)), b"mem_handler", None)
        pointer = _function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
        table = ctypes.cast(pointer(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
        self._set = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])

    def install(self) -> None:
        """Let arrays that this thread makes have guarded memory."""
        self._set(self._handler)

    @property
    def arrays(self) -> int:
        """Arrays that had guarded memory so far."""
        return int(self._library.guarded_arrays())


def _function(name: str, result: Any, *arguments: Any) -> Any:
    """A function of Python's C API."""
    function = ctypes.PYFUNCTYPE(result, *arguments)
    return function((name, ctypes.pythonapi))


def guard_all(side: str) -> Guards:
    """Guard what this thread, and every one that starts from now on, makes."""
    with tempfile.TemporaryDirectory() as folder:
        guards = Guards(compiled(Path(folder)), side)
    guards.install()
    run = threading.Thread.run

    def run_guarded(self: threading.Thread) -> None:
        guards.install()
        run(self)

    threading.Thread.run = run_guarded  # type: ignore[method-assign]
    return guards


class Plugin:
    """Guards for the life of a run; every test tells the report how many arrays had them."""

    def __init__(self) -> None:
        self._guards = guard_all(os.environ.get("FASTBN_GUARD_SIDE", SIDES[0]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Count."""
        before = self._guards.arrays
        result = yield
        item.user_properties.append((TALLY, self._guards.arrays - before))
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how much was guarded."""
        reports = [report for group in terminalreporter.stats.values() for report in group]
        calls = [report for report in reports if getattr(report, "when", None) == "call"]
        count = sum(number for report in calls for name, number in report.user_properties if name == TALLY)
        terminalreporter.write_line(f"arrays between guard pages: {count}")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Plugin(), "guards")
