"""Kind in, kind out: arrays of other libraries, recognised by the names of their types; nobody's library is imported.

Design. A public function computes on arrays in NumPy's memory and on devices. What wraps it looks at the type of its
data and, if that is a kind of another library, asks the module that knows this kind for what does the same there.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from ._devices import OnDevice
from ._environment import default_environment, is_default

P = ParamSpec("P")
R = TypeVar("R")

_OURS = frozenset({np.ndarray, OnDevice, list, tuple, float, int})  # what most calls get, or this package makes

#: Library and class -> the module here whose ``HANDLERS`` do what functions of this package do, by their names.
_KINDS = {
    ("dask", "Array"): "dask",
    ("xarray", "DataArray"): "xarray",
    ("xarray", "Dataset"): "xarray",
    ("pandas", "DataFrame"): "_frames",
    ("pandas", "Series"): "_series",
    ("polars", "DataFrame"): "_frames",
    ("polars", "Series"): "_series",
}
#: What NumPy would read in full, or not at all, and what to do instead.
_REMEDIES = {
    ("dask", "DataFrame"): "a Dask array: {}.to_dask_array(lengths=True)",
    ("polars", "LazyFrame"): "a frame: {}.collect()",
    ("xarray", "Variable"): "a DataArray, or the array alone: {}.data",
}


def of_any_kind(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of arrays, known by its first parameter, take those of other libraries."""
    names = function.__code__.co_varnames
    place = int(names[0] == "self")

    @functools.wraps(function)
    def dispatched(*args: P.args, **kwargs: P.kwargs) -> R:
        if not is_default():
            with default_environment():
                return dispatched(*args, **kwargs)
        data = args[place] if len(args) > place else kwargs.get(names[place])
        kind = type(data)
        if kind in _OURS or (other := _elsewhere(kind, data, function, names[place])) is None:
            return function(*args, **kwargs)
        return cast(R, other(*args, **kwargs))

    return dispatched


def _elsewhere(kind: type, data: Any, function: Callable[..., Any], name: str) -> Callable[..., Any] | None:
    """What does the same for data of another kind."""
    found = _names(kind)
    for key in found:
        if (remedy := _REMEDIES.get(key)) is not None:
            raise TypeError(f"{name}: got a {'.'.join(key)}; wants {remedy.format(name)}")
        if (module := _KINDS.get(key)) is not None:
            handlers = importlib.import_module(f".{module}", __package__).HANDLERS
            if function.__name__ not in handlers:
                raise TypeError(
                    f"{name}: got a {'.'.join(key)}, which {function.__name__} does not take; wants an array"
                )
            return cast("Callable[..., Any]", handlers[function.__name__])
    if found and hasattr(kind, "__dlpack__"):
        from ._host_arrays import holds, on_views  # which most users need not

        return on_views(function) if holds(data) else None
    return None


@functools.lru_cache(64)
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    """Libraries and names of a type and its bases, unless it is an array of NumPy."""
    if issubclass(kind, np.ndarray):
        return ()
    return tuple((base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__)
