"""Arrays of other libraries in the memory of the host: seen as NumPy's, without a copy, and given back as theirs."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ._tensors import readable_tensor

_CPU = 1  # as DLPack numbers kinds of devices


def holds(x: Any) -> bool:
    """Whether this is an array of another library in the memory of the host."""
    if isinstance(x, np.ndarray | np.generic):
        return False
    if _is_tensor(x):
        return not x.is_cuda
    return hasattr(x, "__dlpack_device__") and not hasattr(x, "__cuda_array_interface__")


def _is_tensor(x: Any) -> bool:
    return any(kind.__module__ == "torch" for kind in type(x).__mro__) and hasattr(x, "data_ptr")


@functools.cache
def on_views(function: Callable[..., Any]) -> Callable[..., Any]:
    """Do what a function of NumPy's arrays does on another library's, known by the first of its arguments."""
    names = function.__code__.co_varnames

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = [*zip(names, args, strict=False), *kwargs.items()]
        theirs = [(name, value) for name, value in given if holds(value)]
        views: dict[int, np.ndarray] = {}
        for name, value in theirs:
            if id(value) not in views:  # one view of one array: `out is x` stays true
                views[id(value)] = _view(value, name)
        result = function(
            *(views.get(id(value), value) for value in args),
            **{name: views.get(id(value), value) for name, value in kwargs.items()},
        )
        known = {id(views.get(id(value), value)): value for _, value in given}  # `out`, whosever it is
        return _given_back(result, theirs[0][1], known)

    return call


def _view(x: Any, name: str) -> np.ndarray:
    """The same memory as NumPy sees it."""
    if _is_tensor(x):
        readable_tensor(x, name)
        if str(x.device) != "cpu" or str(x.layout) != "torch.strided":
            wants = f"wants a dense one: {name}.to_dense().cpu()"
            raise TypeError(f"{name}: got a tensor of {x.layout} on {x.device}; {wants}")
        try:
            return np.asarray(x.numpy())
        except RuntimeError as error:  # of tensors without memory, as those of torch.vmap and torch.compile are
            raise TypeError(f"{name}: got a tensor that NumPy cannot see ({error}); wants a plain one") from None
    kind, _ = x.__dlpack_device__()
    if int(kind) != _CPU:
        raise TypeError(
            f"{name}: got {type(x).__name__} on a device of kind {int(kind)}; wants one on the host or CUDA"
        )
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: got {type(x).__name__} of dtype {getattr(x, 'dtype', '?')}, which NumPy cannot see ({error}); "
            "wants float16/32/64, bool or an integer"
        ) from None


def _given_back(result: Any, like: Any, known: dict[int, Any]) -> Any:
    """Arrays as the library's own; those that came from it as they came, and what is no array as it is."""
    if id(result) in known:
        return known[id(result)]
    if isinstance(result, np.ndarray):
        return _theirs(result, like)
    if isinstance(result, tuple):
        parts = [_given_back(part, like, known) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result


def _theirs(array: np.ndarray, like: Any) -> Any:
    if _is_tensor(like):
        return sys.modules["torch"].from_numpy(array)
    library = like.__array_namespace__() if hasattr(like, "__array_namespace__") else _library(like)
    return library.from_dlpack(array) if hasattr(library, "from_dlpack") else array


def _library(x: Any) -> Any:
    return sys.modules.get(type(x).__module__.partition(".")[0])
