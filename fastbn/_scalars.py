"""Checks of arguments that are single values: each names the argument, what it got and what it wants."""

import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ._printable import shown

NAN_POLICIES = ("propagate", "omit", "raise")
_METHODS = ("compensated", "exact")
_MOST_CHANNELS = 2**48  # more than any machine has memory for, and few enough for NumPy to try


def check_nan_policy(nan_policy: Any) -> None:
    """Refuse an unknown ``nan_policy``."""
    check_choice("nan_policy", nan_policy, NAN_POLICIES)


def check_method(method: Any) -> None:
    """Refuse an unknown ``method``."""
    check_choice("method", method, _METHODS)


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: got {shown(value)}; wants one of {', '.join(map(repr, choices))}")


def check_flag(name: str, value: Any) -> bool:
    """What has a truth value as a bool: an array of several has none."""
    try:
        return bool(value)
    except (TypeError, ValueError, RuntimeError):  # the last of PyTorch
        raise TypeError(f"{name}: got {shown(value)} of type {type(value).__name__}; wants True or False") from None


def check_int(name: str, value: Any, wants: str) -> int:
    """What Python takes for an index as an int."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: got {shown(value)} of type {type(value).__name__}; wants {wants}") from None


def each_of(name: str, value: Any, wants: str) -> Iterator[Any]:
    """What an iterable gives, one after the other."""
    try:
        return iter(value)
    except TypeError:
        raise TypeError(f"{name}: got {shown(value)} of type {type(value).__name__}; wants {wants}") from None


def check_ddof(ddof: Any) -> int:
    """Delta degrees of freedom as an int."""
    value = check_int("ddof", ddof, "an int >= 0")
    if not 0 <= value < 2**53:
        raise ValueError(f"ddof: got {shown(ddof)}; wants an int >= 0 (and below 2^53)")
    return value


def check_shape(name: str, value: Any) -> tuple[int, ...]:
    """The shape of per-channel vectors."""
    wants = "an int >= 0, or a tuple of such"
    sizes = tuple(check_int(name, n, wants) for n in (value if isinstance(value, tuple | list) else (value,)))
    if not all(0 <= n < _MOST_CHANNELS for n in sizes) or math.prod(max(n, 1) for n in sizes) >= _MOST_CHANNELS:
        raise ValueError(f"{name}: got {shown(value)}; wants {wants} (and less than 2^48 channels)")
    return sizes


def check_count(name: str, value: Any) -> int:
    """A positive number of things as an int."""
    count = check_int(name, value, "an int >= 1")
    if count < 1:
        raise ValueError(f"{name}: got {shown(value)}; wants an int >= 1")
    return count


def check_eps(eps: Any) -> float:
    """What is added to the variance as a float."""
    value = check_number("eps", eps)
    if not 0.0 <= value < math.inf:
        raise ValueError(f"eps: got {shown(eps)}; wants a finite number >= 0")
    return value


def check_number(name: str, value: Any) -> float:
    """A real number as a float."""
    try:
        if not isinstance(value, float | int) and _is_no_number(value):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}: got an integer beyond the range of float64; wants a number in it") from None
    except (TypeError, ValueError, RuntimeError):  # the last of PyTorch
        raise TypeError(f"{name}: got {shown(value)} of type {type(value).__name__}; wants a number") from None


def _is_no_number(value: Any) -> bool:
    """Whether it is text, complex, an array, or masked: `float` would take some of these, in part with a warning."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind not in "biuf" or value.ndim > 0 or isinstance(value, np.ma.MaskedArray)
    return isinstance(value, str | bytes | bytearray)


def check_feature_range(feature_range: Any) -> tuple[float, float]:
    """The ends of a range as floats."""
    try:
        ends = [check_number("feature_range", end) for end in feature_range]
    except TypeError:
        raise TypeError(f"feature_range: got {shown(feature_range)}; wants two numbers (lo, hi)") from None
    if len(ends) != 2 or not ends[0] < ends[1] or not all(map(math.isfinite, ends)):
        raise ValueError(f"feature_range: got {shown(feature_range)}; wants two finite numbers lo < hi")
    return ends[0], ends[1]


def check_quantiles(q: Any) -> float | tuple[float, ...]:
    """Quantiles as floats: one, or several."""
    if isinstance(q, str | bytes):
        raise TypeError(f"q: got {shown(q)}; wants numbers in [0, 1]")
    several = isinstance(q, Iterable) and getattr(q, "ndim", None) != 0
    values = tuple(check_number("q", v) for v in (q if several else (q,)))
    if not values:
        raise ValueError("q: got no number; wants one or more in [0, 1]")
    for value in values:
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"q: got {value}; wants numbers in [0, 1]")
    return values if several else values[0]


def check_quantile_range(quantile_range: Any) -> tuple[float, float]:
    """Two percentages as quantiles."""
    try:
        ends = [check_number("quantile_range", end) for end in quantile_range]
    except TypeError:
        raise TypeError(f"quantile_range: got {shown(quantile_range)}; wants two numbers (lo, hi)") from None
    if len(ends) != 2 or not 0.0 <= ends[0] < ends[1] <= 100.0:
        raise ValueError(f"quantile_range: got {shown(quantile_range)}; wants two percentages 0 <= lo < hi <= 100")
    return ends[0] / 100.0, ends[1] / 100.0
