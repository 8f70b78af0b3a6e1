"""The ``numba`` backend: the kernels of ``_kernels`` compiled by Numba for this CPU.

Design. The kernel modules are plain Python. Each is executed once more here as a scope of its own in which the free
names of a variant, the algebra and the machine operations are bound to compiled functions; Numba then compiles the
module's functions in that scope, on first use. Threads come from ``_threads``: every entry releases the GIL, so the
schedule (``host.py``) is written once for all CPU backends and no threading layer of Numba is ever started.

Flags. ``error_model="numpy"``: no branch at a division. Never ``fastmath``: it deletes the error terms. Compiled
entries are kept on disk; the name under which Numba keeps them carries a digest of all kernel sources, because Numba
itself looks only at the file of the function it compiles. ``FASTBN_NUMBA_CACHE=0`` turns that off.
"""

import dis
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numba import njit

from .. import _algebra, _kernels
from .._kernels import (
    coefficients,
    exact_steps,
    gaps,
    halves,
    machine,
    maps,
    marks,
    operands,
    passes,
    pivots,
    reductions,
    rows,
    states,
    steps,
    sums,
    variants,
    walks,
    whole,
)
from . import _numba_machine
from .host import Host

# No references are counted ("_nrt"): kernels allocate nothing, and every call with an array counted two of them, which
# took half of the time for 30,000 channels of 64 rows and a fifth for channels last.
_FLAGS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": False}
# Called from one or two places: as functions of their own, LLVM would optimize all they call once more for each. And
# what returns part of an array, which without counts only code in place can do.
_INLINED = {
    rows: ("row_stored", "rows_stored", "place_apart", "place_over", "place_other"),
    passes: ("survey", "accumulate"),
    gaps: ("survey", "accumulate"),
    walks: ("sum_pieces", "sum_columns", "close_batch", "deliver"),
}


@functools.cache
def _digest() -> str:
    """What the cached machine code depends on besides Numba, the CPU and the signature: all sources it is made from."""
    folder = Path(_kernels.__file__).parent
    sources = [*sorted(folder.glob("*.py")), Path(_algebra.__file__), Path(_numba_machine.__file__), Path(__file__)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def _made_in(module: ModuleType, value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == module.__name__


def _compile(function: FunctionType, module: ModuleType) -> Any:
    """Make a lazily compiled function, kept on disk if it is an entry and the disk allows."""
    if function.__name__ in _INLINED.get(module, ()):
        return njit(function, inline="always", **_FLAGS)
    entry = function.__name__ in variants.ENTRIES.get(module, ())
    if entry and os.environ.get("FASTBN_NUMBA_CACHE", "1") != "0":
        try:
            return njit(function, cache=True, **_FLAGS)
        except RuntimeError:  # no folder for the cache can be written
            pass
    return njit(function, forceinline=_is_formula(function), **(_FLAGS | {"no_cpython_wrapper": not entry}))


def _is_formula(function: FunctionType) -> bool:
    """Whether it only computes with numbers: unless part of the loops around it, these are not vectorized.

    1.1 of the time of statistics of tables (``forceinline`` is the only way to say so).
    """
    loops = any("BACKWARD" in step.opname for step in dis.get_instructions(function))
    return not loops and not {"load", "store", "window"} & set(function.__code__.co_names)


def _bind(module: ModuleType, label: str, known: dict[Any, Any], bindings: Mapping[str, Any]) -> SimpleNamespace:
    """Compile a module's functions in a scope where known functions and ``bindings`` are compiled ones."""
    scope = {name: known.get(value, value) if callable(value) else value for name, value in vars(module).items()}
    scope |= {name: _bound(value, known) for name, value in bindings.items() if _is_known(value, known)}
    for name, value in vars(module).items():
        if _made_in(module, value) and value not in known:
            clone = FunctionType(value.__code__, scope, name, value.__defaults__)
            clone.__qualname__ = f"{name}-{label}-{_digest()}"
            scope[name] = _compile(clone, module)
    return SimpleNamespace(**scope)


def _is_known(value: Any, known: dict[Any, Any]) -> bool:
    """Whether a binding can be made yet: a module's own functions are bound for those that come after it."""
    return isinstance(value, variants.Made) or not callable(value) or value in known


_made: dict[tuple[ModuleType, str], SimpleNamespace] = {}


def _bound(value: Any, known: dict[Any, Any]) -> Any:
    """What a binding stands for: a compiled function, or a constant."""
    if isinstance(value, variants.Made):
        place = value.module, value.label
        if place not in _made:
            _made[place] = _bind(value.module, value.label, known, value.bindings)
        return getattr(_made[place], value.name)
    return known[value] if callable(value) else value


@functools.cache
def _shared() -> dict[Any, Any]:
    """The functions that no variant changes: source function -> compiled function."""
    own = (
        "load",
        "store",
        "window",
        "prefetch",
        "single",
        "medium",
        "short",
        "lesser",
        "greater",
        "nearer",
        "multiply_add",
        "pattern",
        "single_pattern",
        "sum_pattern",
        "of_pattern",
        "of_sum_pattern",
    )
    known: dict[Callable[..., Any], Any] = {getattr(machine, name): getattr(_numba_machine, name) for name in own}
    if _numba_machine.converts_halves():
        known |= {halves.of_half: _numba_machine.of_half, halves.of_single: _numba_machine.of_single}
    for module in (machine, _algebra, halves, operands, rows, marks, pivots, steps, exact_steps, sums, states, whole):
        compiled = _bind(module, "shared", known, {})
        for name, value in vars(module).items():
            if _made_in(module, value):
                known.setdefault(value, getattr(compiled, name))
        if module is machine:
            known |= {formula: known.get(form, form) for formula, form in variants.COMPILED.items()}
    return known


class NumbaKernels:
    """Compiled kernels by variant, each made on first use; Numba specializes them by dtype on its own."""

    def reduction(self, method: str, arithmetic: str, dtype: np.dtype) -> SimpleNamespace:  # noqa: ARG002
        """walk_rows, walk_columns, combine, absorb and conclude for a method and an arithmetic."""
        return self._reduction(method, arithmetic)

    def map(
        self,
        transform: str,
        arithmetic: str,
        dtype: np.dtype,  # noqa: ARG002
        output: np.dtype,
        place: str,
    ) -> SimpleNamespace:
        """map_rows and map_columns for a transform, the arithmetic of the input, and dtype and place of the output."""
        return self._map(transform, arithmetic, output, place)

    @functools.cache  # noqa: B019 - one instance for the life of the process
    def _reduction(self, method: str, arithmetic: str) -> SimpleNamespace:
        bindings, label = reductions.REDUCTIONS[method][arithmetic], f"{method}-{arithmetic}"
        known = _shared()
        for module in reductions.METHOD_MODULES[method]:
            made = vars(_bind(module, label, known, bindings))
            known = known | {value: made[name] for name, value in vars(module).items() if _made_in(module, value)}
        return _bind(walks, label, known, bindings)

    @functools.cache  # noqa: B019
    def _map(self, transform: str, arithmetic: str, output: np.dtype, place: str) -> SimpleNamespace:
        label, bindings = variants.map_bindings(transform, arithmetic, output, place)
        return _bind(maps, label, _shared(), bindings)

    @functools.cached_property
    def coefficients(self) -> SimpleNamespace:
        """What makes coefficients from states, for all variants."""
        return _bind(coefficients, "shared", _shared(), {})

    @functools.cached_property
    def halves(self) -> SimpleNamespace:
        """Conversions of float16."""
        return _bind(halves, "shared", _shared(), {})


backend = Host(NumbaKernels())
