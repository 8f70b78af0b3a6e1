"""Kernel modules executed once more as scopes in which free names are bound to what a compiler made.

The kernel modules are plain Python with free names. A scope has all names of a module, and those of a variant, the
algebra and the machine operations bound to compiled functions; the module's own functions are compiled in it. The name
of a compiled function carries a digest of all sources that it is made from, under which caches on disk keep it: Numba
itself looks only at the file of the function that it compiles.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from .. import _algebra, _kernels
from .._kernels import variants

Known = dict[Any, Any]  # source function -> compiled function


def digest_of(*more: str) -> str:
    """A digest of the kernel sources, the algebra, and more files."""
    folder = Path(_kernels.__file__).parent
    sources = [*sorted(folder.rglob("*.py")), Path(_algebra.__file__), Path(__file__), *map(Path, more)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def made_in(module: ModuleType, value: Any) -> bool:
    """Whether a value is a function that the module defines."""
    return isinstance(value, FunctionType) and value.__module__ == module.__name__


class Compiler:
    """Scopes of one compiler."""

    def __init__(self, compile_function: Callable[[FunctionType, ModuleType], Any], digest: Callable[[], str]) -> None:
        self._compile = compile_function
        self._digest = digest
        self._made: dict[tuple[ModuleType, str], SimpleNamespace] = {}

    def bind(self, module: ModuleType, label: str, known: Known, bindings: Mapping[str, Any]) -> SimpleNamespace:
        """Compile a module's functions in a scope where known functions and ``bindings`` are compiled ones."""
        scope = {name: known.get(value, value) if callable(value) else value for name, value in vars(module).items()}
        scope |= {name: self._bound(value, known) for name, value in bindings.items() if _is_known(value, known)}
        for name, value in vars(module).items():
            if made_in(module, value) and value not in known:
                clone = FunctionType(value.__code__, scope, name, value.__defaults__)
                clone.__qualname__ = f"{name}-{label}-{self._digest()}"
                scope[name] = self._compile(clone, module)
        return SimpleNamespace(**scope)

    def share(self, known: Known, modules: Iterable[ModuleType], bindings: Mapping[str, Any]) -> Known:
        """Known functions and those of modules that no variant changes, in the order in which they need each other."""
        known = dict(known)
        for module in modules:
            compiled = self.bind(module, "shared", known, bindings)
            for name, value in vars(module).items():
                if made_in(module, value):
                    known.setdefault(value, getattr(compiled, name))
        return known

    def _bound(self, value: Any, known: Known) -> Any:
        """What a binding stands for: a compiled function, or a constant."""
        if isinstance(value, variants.Made):
            place = value.module, value.label
            if place not in self._made:
                self._made[place] = self.bind(value.module, value.label, known, value.bindings)
            return getattr(self._made[place], value.name)
        return known[value] if callable(value) else value


def _is_known(value: Any, known: Known) -> bool:
    """Whether a binding can be made yet: a module's own functions are bound for those that come after it."""
    return isinstance(value, variants.Made) or not callable(value) or value in known
