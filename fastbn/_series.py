"""Series of pandas and polars: arrays of one axis, and what is missing in them is masked."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ._frames import FUNCTIONS, bound_to, filled, values_of
from .statistics import channel_stats


def _through_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function does to an array of one axis, done to a series."""
    signature = inspect.signature(function)
    name = next(iter(signature.parameters))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = bound_to(signature, args, kwargs, "a series")
        given = bound.arguments
        series = given[name]
        given[name] = values_of(series, series.name, name)
        result = function(*bound.args, **bound.kwargs)
        if isinstance(result, tuple):
            y, stats = result
            return _like(series, y), stats
        return _like(series, result) if isinstance(result, np.ndarray) else result

    return call


def _like(series: Any, y: np.ndarray) -> Any:
    """Numbers as a series with the same name and index; NaN where something was missing."""
    values = filled(y, "a series")
    if hasattr(series, "index"):
        return sys.modules["pandas"].Series(values, index=series.index, name=series.name, copy=False)
    return sys.modules["polars"].Series(series.name, values)


#: What is done for series, by the names of functions of this package.
HANDLERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {function.__name__: _through_values(function) for function in (channel_stats, *FUNCTIONS)}
)
