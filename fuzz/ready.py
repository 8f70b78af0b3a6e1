"""Calls made ready: what is called, on what, with which arguments, and what may come of it."""

from __future__ import annotations

import builtins
import functools
import inspect
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from arguments import GIVEN, WRONG, Case
from subjects import LEFT_OUT, METHOD_ARGUMENTS, OBJECTS

import fastbn
from fastbn._printable import shown

RARE = {"show_config": 0.01, "stream_from_host": 0.05, "ChannelStats.save": 0.05, "ChannelQuantiles.save": 0.05}
SIMPLE = 0.3  # weight of what does not look at data
EXPLAINED = {  # what errors begin with where there is no argument to name
    "ChannelStats.from_dict": ("damaged statistics", "not statistics of fastbn", "version"),
    "ChannelQuantiles.from_dict": ("damaged quantiles", "not quantiles of fastbn", "version"),
    "ChannelStats.merge": ("merge", "min, max"), "ChannelStats.update": ("merge", "min, max"),
    "ChannelQuantiles.merge": ("merge",), "ChannelStats.concatenate": ("names", "min, max"),
    "ChannelStats.from_moments": ("count, mean, var", "min, max"),
    "BatchNorm.recalibrate": ("recalibrate", "x", "min, max", "channel_axis"),
    "BatchNorm.forward": ("channel_axis",), "BatchNorm.backward": ("backward", "x", "channel_axis"),
}  # fmt: skip


class Function(NamedTuple):
    """Something to call."""

    name: str
    parameters: tuple[inspect.Parameter, ...]
    raises: tuple[type[BaseException], ...]
    heads: tuple[str, ...]  # what the lines of its errors may begin with
    on: str | None  # class whose objects it is called on
    weight: float


class Call(NamedTuple):
    """A call that is ready."""

    function: Function
    act: Callable[[], Any]
    case: Case
    on: Any
    shown: str


def documented(function: Any) -> tuple[type[BaseException], ...]:
    """Exceptions of the section "Raises" of a docstring."""
    section = re.search(r"\nRaises\n-+\n(.*?)(\n\n[A-Z][A-Za-z ]+\n---|\Z)", inspect.getdoc(function) or "", re.DOTALL)
    names = re.findall(r"^(\S.*)$", section[1], re.MULTILINE) if section else []
    every = [name for line in names for name in line.split(", ")]
    return tuple(getattr(builtins, name, None) or getattr(fastbn, name) for name in every)


def _function(name: str, target: Any, on: str | None) -> Function:
    parameters = tuple(p for p in inspect.signature(target).parameters.values() if p.name != "self")
    owner = name.partition(".")[0]
    parameters = tuple(
        p
        for p in parameters
        if f"{owner}.{p.name}" in METHOD_ARGUMENTS or p.name in METHOD_ARGUMENTS or p.default is p.empty
    )
    heads = (*(p.name for p in parameters), *EXPLAINED.get(name, ()))
    return Function(
        name, parameters, documented(target), heads, on, RARE.get(name, 1.0 if {"x", "y"} & set(heads) else SIMPLE)
    )


def functions() -> tuple[Function, ...]:
    """Every public function, and every public method of a public class."""
    found = []
    for name in fastbn.__all__:
        target = getattr(fastbn, name)
        if name in OBJECTS:
            made_by = inspect.isfunction(target.__init__) and name == "BatchNorm"
            found += [_function(name, target, None)] if made_by else []
            for method in dir(target):
                if not method.startswith("_") and callable(getattr(target, method)) and method not in LEFT_OUT:
                    of_class = inspect.ismethod(getattr(target, method))
                    found.append(_function(f"{name}.{method}", getattr(target, method), None if of_class else name))
        elif inspect.isfunction(target):
            found.append(_function(name, target, None))
    return tuple(found)


class Calls:
    """The calls of a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.functions = functions()
        self.weights = [function.weight for function in self.functions]

    def make(self, number: int) -> Call:
        """One of them."""
        rng = random.Random((self.seed << 40) + number)
        function = rng.choices(self.functions, self.weights)[0]
        case = Case(rng)
        owner = function.name.partition(".")[0]
        on = None if function.on is None else OBJECTS[function.on](case)
        target: Any = fastbn
        for part in function.name.split("."):
            target = getattr(target, part) if on is None or target is not fastbn else on
        if on is not None:
            target = getattr(on, function.name.partition(".")[2])
        args, kwargs = _arguments(function, owner, case)
        return Call(function, functools.partial(target, *args, **kwargs), case, on, _shown(function, on, args, kwargs))


def _arguments(function: Function, owner: str, case: Case) -> tuple[list[Any], dict[str, Any]]:
    rng, args, kwargs = case.rng, [], {}
    for parameter in function.parameters:
        needed = parameter.default is parameter.empty
        if parameter.name in ("channel_axis", "axis") and owner != "BatchNorm":
            needed = needed or case.axis != parameter.default
        if not needed and rng.random() > GIVEN:
            continue
        make = METHOD_ARGUMENTS.get(f"{owner}.{parameter.name}") or METHOD_ARGUMENTS[parameter.name]
        make = Case.junk if rng.random() < WRONG else make
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += [make(case) for _ in range(rng.randint(0, 2))]
        elif needed and not kwargs and parameter.kind is not parameter.KEYWORD_ONLY:
            args.append(make(case))
        else:
            kwargs[parameter.name] = make(case)
    return args, kwargs


def _shown(function: Function, on: Any, args: list[Any], kwargs: dict[str, Any]) -> Callable[[], str]:
    def show(value: Any) -> str:
        if isinstance(value, np.ndarray):
            return f"{type(value).__name__}({value.dtype}{value.shape})"
        return shown(value)

    return lambda: (
        f"{function.name}({', '.join([*map(show, args), *(f'{k}={show(v)}' for k, v in kwargs.items())])})"
        + (f" of {shown(on)}" if on is not None else "")
    )
