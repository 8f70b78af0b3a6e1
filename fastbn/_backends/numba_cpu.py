"""The ``numba`` backend: the kernels of ``_kernels`` compiled by Numba for this CPU.

Design. Numba compiles the functions of the kernel modules in scopes of variants (``binding.py``), on first use. Threads
come from ``_threads``: every entry releases the GIL, so the schedule (``host.py``) is written once for all CPU backends
and no threading layer of Numba is ever started.

Flags. ``error_model="numpy"``: no branch at a division. Never ``fastmath``: it deletes the error terms. Compiled
entries are kept on disk; ``FASTBN_NUMBA_CACHE=0`` turns that off.
"""

import dis
import functools
import os
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numba import config, njit

from .. import _algebra
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
from .binding import Compiler, Known, digest_of, made_in
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
    """What the cached machine code depends on besides Numba, the CPU and the signature."""
    checks = "-checked" if vars(config)["BOUNDSCHECK"] else ""  # Numba's index of what is on disk does not know
    return digest_of(_numba_machine.__file__, __file__) + checks


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


_compiler = Compiler(_compile, _digest)


@functools.cache
def _shared() -> Known:
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
    known: Known = {getattr(machine, name): getattr(_numba_machine, name) for name in own}
    if _numba_machine.converts_halves():
        known |= {halves.of_half: _numba_machine.of_half, halves.of_single: _numba_machine.of_single}
    known = _compiler.share(known, [machine], {})
    known |= {formula: known.get(form, form) for formula, form in variants.COMPILED.items()}
    modules = (_algebra, halves, operands, rows, marks, pivots, steps, exact_steps, sums, states, whole)
    return _compiler.share(known, modules, {})


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
            made = vars(_compiler.bind(module, label, known, bindings))
            known = known | {value: made[name] for name, value in vars(module).items() if made_in(module, value)}
        return _compiler.bind(walks, label, known, bindings)

    @functools.cache  # noqa: B019
    def _map(self, transform: str, arithmetic: str, output: np.dtype, place: str) -> SimpleNamespace:
        label, bindings = variants.map_bindings(transform, arithmetic, output, place)
        return _compiler.bind(maps, label, _shared(), bindings)

    @functools.cached_property
    def coefficients(self) -> SimpleNamespace:
        """What makes coefficients from states, for all variants."""
        return _compiler.bind(coefficients, "shared", _shared(), {})

    @functools.cached_property
    def halves(self) -> SimpleNamespace:
        """Conversions of float16."""
        return _compiler.bind(halves, "shared", _shared(), {})


backend = Host(NumbaKernels())
