"""The ``cython`` backend: the kernels of ``_kernels`` compiled ahead of time, once per instruction set.

Design. ``_cython_source.py`` writes the kernels out as Cython, ``setup.py`` compiles that for each instruction set into
an extension module of its own (``_kernels_base``, ``_kernels_v3``: AVX2, FMA and F16C, ``_kernels_v4``: AVX-512), and
this module imports the best one that the processor runs, or the one that ``FASTBN_SIMD`` names. Only that one is
imported, because even the initialization of a module may use the instructions it was compiled for. Kernels are called
by address through ``_cython_driver``; threads come from ``_threads``, the schedule from ``host.py``.
"""

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .._kernels import coefficients, halves, variants
from . import BackendUnavailable
from .host import Host

_driver: Any = importlib.import_module(f"{__package__}._cython_driver")  # compiled: type checkers do not see it

_PREFIX = f"{__package__}._kernels_"


def simd_variants() -> list[str]:
    """Instruction-set variants that are installed and that this processor runs, the least first."""
    return [name for name in _driver.variants() if importlib.util.find_spec(_PREFIX + name) is not None]


def _chosen() -> str:
    """The variant that the environment names, else the best."""
    there = simd_variants()
    wanted = os.environ.get("FASTBN_SIMD") or there[-1]
    if wanted not in there:
        raise BackendUnavailable(f"FASTBN_SIMD: got {wanted!r}; here there is {', '.join(map(repr, there))}")
    return wanted


class CythonKernels:
    """Compiled kernels by variant: each a driver's function with an address."""

    def __init__(self, module: ModuleType) -> None:
        self._addresses = module.addresses()

    @functools.cache  # noqa: B019 - one instance for the life of the process
    def reduction(self, method: str, arithmetic: str, dtype: np.dtype) -> SimpleNamespace:
        """walk_rows, walk_columns, combine, absorb and conclude for a method, and arithmetic and dtype of the input."""
        return self._entries(
            method,
            arithmetic,
            dtype.name,
            walk_rows=_driver.walk,
            walk_columns=_driver.walk,
            combine=_driver.combine,
            absorb=_driver.absorb,
            conclude=_driver.conclude,
        )

    @functools.cache  # noqa: B019
    def map(self, transform: str, arithmetic: str, dtype: np.dtype, output: np.dtype, place: str) -> SimpleNamespace:
        """map_rows and map_columns for a transform, arithmetic and dtype of the input, dtype and place of output."""
        labels = transform, arithmetic, dtype.name, output.name, place
        return self._entries(*labels, map_rows=_driver.map_units, map_columns=_driver.map_units)

    @functools.cached_property
    def coefficients(self) -> SimpleNamespace:
        """What makes coefficients from states, for all variants."""
        return self._shared(coefficients)

    @functools.cached_property
    def halves(self) -> SimpleNamespace:
        """Conversions of float16."""
        return self._shared(halves)

    def _shared(self, module: ModuleType) -> SimpleNamespace:
        return self._entries(**{name: getattr(_driver, name) for name in variants.ENTRIES[module]})

    def _entries(self, *labels: str, **drivers: Callable[..., None]) -> SimpleNamespace:
        return SimpleNamespace(
            **{name: functools.partial(driver, self._addresses[name, *labels]) for name, driver in drivers.items()}
        )


simd = _chosen()  #: the variant in use
backend = Host(CythonKernels(importlib.import_module(_PREFIX + simd)))
