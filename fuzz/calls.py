"""Random calls of the public API, with right and wrong arguments: what is documented happens, and nothing else.

    python fuzz/calls.py --backend cython --calls 1000000 --seed 1

A seed and a number make a call. After it: only documented exceptions, in one line that names an argument; no warning; no
input changed, nor, if it failed, anything else; memory does not grow. What differs is printed, with the line that does it
again. The calls run in a process of their own, so that the number of the call at which that dies is known.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import functools
import gc
import inspect
import io
import json
import multiprocessing
import os
import pickle
import random
import re
import sys
import time
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent))

from arguments import ARGUMENTS, GIVEN, WRONG, Case
import watched
from subjects import LEFT_OUT, METHOD_ARGUMENTS, OBJECTS

import numpy as np

import fastbn
from fastbn import _accumulators, _backends, _threads
from fastbn._printable import shown

RARE = {"show_config": 0.01, "stream_from_host": 0.05, "ChannelStats.save": 0.05, "ChannelQuantiles.save": 0.05}
SIMPLE = 0.3  # weight of what does not look at data
GROWTH = 8 << 20  # bytes that a run may grow by after its first fifth
HEAD = re.compile(r"(\w+(?:, \w+)*): ")
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
    parameters = tuple(p for p in parameters if f"{owner}.{p.name}" in METHOD_ARGUMENTS or p.name in METHOD_ARGUMENTS or p.default is p.empty)
    heads = (*(p.name for p in parameters), *EXPLAINED.get(name, ()))
    return Function(name, parameters, documented(target), heads, on, RARE.get(name, 1.0 if {"x", "y"} & set(heads) else SIMPLE))


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


class Complaint(Exception):
    """What a call did and must not do."""


def perform(call: Call) -> str:
    """Call it and look at everything; the outcome in a word."""
    before = _state(call.on)
    result = error = None
    try:
        result = _finished(call.act())
    except call.function.raises as caught:
        error = caught
    except BaseException as caught:
        raise Complaint(f"raised {type(caught).__name__}: {caught}") from caught
    for held in call.case.inputs:
        if held.changed():
            held.restore()
            raise Complaint(f"changed an input, {held.array.dtype} {held.array.shape}")
    for value, known in call.case.objects:
        if hash(value) != known:
            raise Complaint(f"changed {value}")
    _check_outputs(call, error)
    if error is not None:
        if _state(call.on) != before:
            raise Complaint(f"changed the layer, and raised {error}")
        return _check_error(call.function, error)
    return _check_result(call, result)


def _finished(result: Any) -> Any:
    """Go into a block, or take what comes first: only then errors come."""
    if hasattr(result, "__enter__"):
        with result:
            return None
    if isinstance(result, types.GeneratorType):
        return next(result, None)
    return result


def _state(on: Any) -> Any:
    if not isinstance(on, fastbn.BatchNorm):
        return None
    return {name: array.tobytes() for name, array in on.state_dict().items()}, on.training


def _check_outputs(call: Call, error: BaseException | None) -> None:
    complaint = None
    for held in call.case.outputs:
        if held.changed():
            if error is not None:
                complaint = f"changed an output, and raised {error}"
            elif held.changed_around():
                complaint = "changed what is around an output"
            held.restore()
    if complaint:
        raise Complaint(complaint)


def _check_error(function: Function, error: BaseException) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    head = HEAD.match(text)
    if not isinstance(error, OSError | IndexError | MemoryError | ImportError):
        said = head is not None and (head[1] in function.heads or set(head[1].split(", ")) <= set(function.heads))
        if not (said or text.startswith(function.heads)) or len(text.splitlines()) != 1:
            raise Complaint(f"raised {type(error).__name__}, which names no argument: {text}")
    return type(error).__name__


def _check_result(call: Call, result: Any) -> str:
    first = result[0] if isinstance(result, tuple) and result else result
    if call.case.out is not None and first is not call.case.out and not isinstance(first, str):
        raise Complaint(f"returned {type(first).__name__}, not out")
    if isinstance(first, fastbn.ChannelStats | fastbn.ChannelQuantiles) and call.case.rng.random() < 0.1:
        if not first == pickle.loads(pickle.dumps(first)) == type(first).from_dict(json.loads(json.dumps(first.to_dict(), allow_nan=False))):
            raise Complaint("returned what no pickle or record brings back")
        repr(first)
    return "done"


def _shown(function: Function, on: Any, args: list[Any], kwargs: dict[str, Any]) -> Callable[[], str]:
    def show(value: Any) -> str:
        if isinstance(value, np.ndarray):
            return f"{type(value).__name__}({value.dtype}{value.shape})"
        return shown(value)

    return lambda: f"{function.name}({', '.join([*map(show, args), *(f'{k}={show(v)}' for k, v in kwargs.items())])})" + (f" of {shown(on)}" if on is not None else "")


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Warnings as errors, and nothing printed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("error")
        yield


@contextlib.contextmanager
def same_settings() -> Iterator[None]:
    """The settings of the process as they were: a call must not depend on those before it."""
    every = (_accumulators._settings, _threads._settings)
    held, backend = [dict(settings) for settings in every], list(_backends._process_choice)
    try:
        yield
    finally:
        for settings, earlier in zip(every, held, strict=True):
            settings.clear()
            settings.update(earlier)
        _backends._process_choice[:] = backend


def resident() -> int:
    """Bytes of memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Report(NamedTuple):
    """What a run has seen."""

    calls: int
    outcomes: Counter[tuple[str, str]]  # function and outcome
    complaints: dict[str, str]  # what and where, first of its kind
    held: list[int]  # bytes of memory, at the start, after every fifth and at the end

    @property
    def grown(self) -> int:
        """Bytes that were taken after two fifths, when everything has been made once."""
        return self.held[-1] - self.held[2] if len(self.held) > 2 else 0


def run(seed: int, numbers: range, at: Any = None) -> Report:
    """Make calls and look at them; `at.value` is the number of the present one."""
    calls, outcomes, complaints, held = Calls(seed), Counter[tuple[str, str]](), dict[str, str](), list[int]()
    watched.prepare()
    with strict():
        for count, number in enumerate(numbers):
            if at is not None:
                at.value = number
            if count % (len(numbers) // 5 + 1) == 0:
                gc.collect()
                held.append(resident())
            call = calls.make(number)
            name = call.function.name
            try:
                with same_settings() if name.startswith("set_") else contextlib.nullcontext():
                    outcomes[name, perform(call)] += 1
            except Complaint as complaint:
                kind = f"{call.function.name}: {re.sub('[0-9]+', '#', str(complaint))[:60]}"
                complaints.setdefault(kind, f"{complaint}\n  {call.shown()}\n  again: --seed {seed} --only {number}")
    gc.collect()
    return Report(len(numbers), outcomes, complaints, [*held, resident()])


def _child(backend: str, seed: int, numbers: range, at: Any, answers: Any) -> None:
    with fastbn.use_backend(backend):
        answers.put(run(seed, numbers, at))


def supervised(backend: str, seed: int, numbers: range) -> Report:
    """The same in another process, which may die."""
    context = multiprocessing.get_context("spawn")
    at, answers = context.Value("q", -1, lock=False), context.SimpleQueue()
    child = context.Process(target=_child, args=(backend, seed, numbers, at, answers))
    child.start()
    while child.is_alive() and answers.empty():
        child.join(0.2)
    if not answers.empty():
        report: Report = answers.get()
        child.join()
        return report
    died = {"died": f"died with exit code {child.exitcode}\n  again: --seed {seed} --only {at.value}"}
    return Report(at.value - numbers.start, Counter(), died, [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="cython")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="number of the one call to make")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    args = parser.parse_args()
    numbers = range(args.calls) if args.only is None else range(args.only, args.only + 1)
    start = time.perf_counter()
    report = supervised(args.backend, args.seed, numbers)
    took = time.perf_counter() - start
    for text in report.complaints.values():
        print(text)
    print(f"{args.backend}: {report.calls} calls in {took:.0f} s, memory held: {', '.join(f'{n >> 10} KiB' for n in report.held)}")
    outcomes = Counter[str]()
    for (_, outcome), count in report.outcomes.items():
        outcomes[outcome] += count
    print(", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()))
    record = {"random calls": report.calls, "outcomes": dict(outcomes), "memory": report.held}
    if args.json:
        args.json.write_text(json.dumps(record), encoding="utf-8")
    return 1 if report.complaints or report.grown > GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
