"""Random calls of the public API, with right and wrong arguments: what is documented happens, and nothing else.

    python fuzz/calls.py --backend cython --calls 1000000 --seed 1

A seed and a number make a call. After it: only documented exceptions, in one line that names an argument; no warning;
no input changed, nor, if it failed, anything else; memory does not grow. What differs is printed, with the line that
does it again. The calls run in a process of their own, so that the number of the call at which that dies is known.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import multiprocessing
import os
import pickle
import re
import sys
import time
import types
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent))

import watched
from ready import Call, Calls, Function
from subjects import FOLDER

import fastbn
from fastbn import _accumulators, _backends, _threads

AGAIN = 50_000  # calls that are made again
GROWTH = 4 << 20  # bytes that this may take
HEAD = re.compile(r"(\w+(?:, \w+)*): ")


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
        if (
            not first
            == pickle.loads(pickle.dumps(first))
            == type(first).from_dict(json.loads(json.dumps(first.to_dict(), allow_nan=False)))
        ):
            raise Complaint("returned what no pickle or record brings back")
        repr(first)
    return "done"


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Warnings as errors, nothing printed, and files with random names where they are removed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(FOLDER.name):
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
    """Bytes of memory that the process holds now; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0


class Report(NamedTuple):
    """What a run has seen."""

    calls: int
    outcomes: Counter[tuple[str, str]]  # function and outcome
    complaints: dict[str, str]  # what and where, first of its kind
    held: list[int]  # bytes of memory, at the start, after every fifth and at the end


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


def growth(seed: int, numbers: range) -> int:
    """Bytes that the process takes when it makes the same calls again, for which everything has been made."""
    settled = run(seed, numbers[-AGAIN:]).held[-1]
    return run(seed, numbers[-AGAIN:]).held[-1] - settled


def _child(backend: str, seed: int, numbers: range, at: Any, answers: Any) -> None:
    with fastbn.use_backend(backend):
        report = run(seed, numbers, at)
        answers.put((report, growth(seed, numbers)))


def supervised(backend: str, seed: int, numbers: range) -> tuple[Report, int]:
    """Make calls in another process, which may die, and make some of them again; what was seen, and the growth."""
    context = multiprocessing.get_context("spawn")
    at, answers = context.Value("q", -1, lock=False), context.SimpleQueue()
    child = context.Process(target=_child, args=(backend, seed, numbers, at, answers))
    child.start()
    while child.is_alive() and answers.empty():
        child.join(0.2)
    if not answers.empty():
        found: tuple[Report, int] = answers.get()
        child.join()
        return found
    died = {"died": f"died with exit code {child.exitcode}\n  again: --seed {seed} --only {at.value}"}
    return Report(at.value - numbers.start, Counter(), died, []), 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="cython")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="number of the one call to make")
    parser.add_argument(
        "--json", type=Path, default=os.environ.get("FASTBN_EVIDENCE") or None, help="where to write the numbers"
    )
    args = parser.parse_args()
    numbers = range(args.calls) if args.only is None else range(args.only, args.only + 1)
    start = time.perf_counter()
    report, grown = supervised(args.backend, args.seed, numbers)
    took = time.perf_counter() - start
    for text in report.complaints.values():
        print(text)
    held = ", ".join(f"{size >> 10} KiB" for size in report.held)
    print(
        f"{args.backend}: {report.calls} calls in {took:.0f} s, memory held: {held}; made again: {grown >> 10} KiB more"
    )
    outcomes = Counter[str]()
    for (_, outcome), count in report.outcomes.items():
        outcomes[outcome] += count
    print(", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()))
    # For docs/site/evidence.py, which adds up tallies.
    record = {
        "outcomes": {},
        "tallies": {"random calls": report.calls},
        "ended": dict(outcomes),
        "memory": report.held,
        "growth": grown,
    }
    if args.json:
        args.json.write_text(json.dumps(record), encoding="utf-8")
    return 1 if report.complaints or grown > GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
