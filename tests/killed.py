"""Jobs that are killed, at random moments and at each of their steps; run as a script.

python killed.py FOLDER CASE STRIDE KILLS SEED

A process that has imported everything forks for every job, so that a kill takes milliseconds. One job in so many steps
is killed there, and others at so many random moments. After each, every target is as it was or complete, and the
command that is to be given then, which may be killed as well, ends with the bytes of a job that was left alone, and
with nothing beside them. Prints how many processes were killed.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # what forks is to have one thread

import numpy as np

import fastbn
import fastbn.cli._commands  # what `main` would import in every process
from fastbn.cli import _flow, _journal, main
from faults import REMOVING, WRITING, numbered, watched
from small_jobs import FORMATS

ROWS = 24
OFTEN = 0.0, 0.0  # seconds between entries of a journal: one for each tile
SELDOM = _journal.EVERY, _journal.SHARE
MOST_AGAIN = 3  # times that what goes on with a job is killed

State = dict[str, bytes | None]


class Case(NamedTuple):
    """A job, what it starts from, and what goes on with it or begins anew."""

    argv: str
    again: str
    make: Callable[[], object]
    noted: tuple[float, float] = OFTEN


def one(name: str, rows: int = ROWS) -> Callable[[], object]:
    return lambda: FORMATS[name](Path(name), rows)


def directory() -> None:
    for name in ("a.npy", "b.npy", "deep/c.npy"):
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        FORMATS["x.npy"](path, ROWS)


def two_stores() -> None:
    one("x.zarr")()
    FORMATS["x.zarr"](Path("y.zarr"), ROWS * 2)


def statistics() -> None:
    one("x.npy")()
    fastbn.channel_stats(np.load("x.npy")).save("one.json")
    Path("s.json").write_text("old")


def resumed(argv: str, make: Callable[[], object], noted: tuple[float, float] = OFTEN) -> Case:
    return Case(f"{argv} --resume", f"{argv} --resume", make, noted)


CASES = {
    "npy": resumed("normalize x.npy y.npy", one("x.npy")),
    "zarr": resumed("normalize x.zarr y.zarr", one("x.zarr")),
    "directory": resumed("normalize data out", directory),
    "in place": resumed("normalize x.npy --in-place", one("x.npy")),
    "store in place": resumed("normalize x.zarr --in-place", one("x.zarr")),
    "directory in place": resumed("normalize data --in-place", directory),
    "store over another": resumed("normalize x.zarr y.zarr --overwrite", two_stores),
    "table": resumed("normalize x.csv y.csv", one("x.csv")),
    "short": resumed("normalize x.npy y.npy", one("x.npy"), SELDOM),
    "short, anew": Case("normalize x.npy y.npy", "normalize x.npy y.npy --overwrite", one("x.npy"), SELDOM),
    "short store": resumed("normalize x.zarr y.zarr", one("x.zarr"), SELDOM),
    "stats": Case(*["stats x.npy -o s.json --overwrite"] * 2, statistics, SELDOM),
    "merge": Case(*["merge one.json one.json -o s.json --overwrite"] * 2, statistics, SELDOM),
}


def child(case: Case, argv: str, act: Callable[[Callable[[], int]], int] = lambda run: run()) -> int:
    """Run a command in a process of its own; its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _journal.EVERY, _journal.SHARE = case.noted
        code = act(lambda: main(argv.split()))
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """How a process ended: its exit code, or the negative number of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(case: Case, argv: str, number: int) -> bool:
    """Run a command that kills itself at one of its steps; whether it came so far."""

    def die(_: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act(run: Callable[[], int]) -> int:
        with watched(numbered(die, number), WRITING + REMOVING):
            return run()

    code = ended(child(case, argv, act))
    assert code in {0, -signal.SIGKILL}, f"exit code {code}"
    return code != 0


def killed_after(case: Case, argv: str, seconds: float) -> bool:
    """Run a command and kill it after a time; whether that came before its end."""
    pid = child(case, argv)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    code = ended(pid)
    assert code in {0, -signal.SIGKILL}, f"exit code {code}"
    return code != 0


def state(folder: Path) -> State:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


class Trial:
    """A case in a folder of its own."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.case, self.start, self.work = case, folder / "start", folder / "work"
        self.start.mkdir()
        os.chdir(self.start)
        assert ended(child(case, "", lambda _: case.make() or 0)) == 0  # zarr starts threads
        self.before = state(self.start)
        self.begin()
        started = time.monotonic()
        assert ended(child(case, case.argv)) == 0
        self.takes = time.monotonic() - started
        self.wanted = state(self.work)

    def begin(self) -> None:
        os.chdir(self.start)
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.start, self.work)
        os.chdir(self.work)

    def check(self, when: str) -> None:
        """Every file that is there under a name of its own is as it was, or as it is to be."""
        found = state(self.work)
        for name in self.before | self.wanted | found:
            if ".fastbn-" not in name and found.get(name) != self.before.get(name):
                assert found.get(name) == self.wanted.get(name), f"{when}: {name}: neither old nor new"
        for store in {name.partition("/")[0] for name in self.wanted if ".zarr/" in name}:
            now, before, wanted = (
                {n: s[n] for n in s if n.startswith(store)} for s in (found, self.before, self.wanted)
            )
            assert now in (before, wanted), f"{when}: {store}: of two jobs"

    def finish(self, when: str, kill: Callable[[], bool]) -> int:
        """Go on with the job, killed some more times; returns how often it was."""
        killed = 0
        for _ in range(MOST_AGAIN):
            if state(self.work) == self.wanted or not kill():
                break
            self.check(when)
            killed += 1
        if state(self.work) != self.wanted:
            code = ended(child(self.case, self.case.again))
            assert code == 0, f"{when}: exit code {code}"
        found = state(self.work)
        assert found.keys() == self.wanted.keys(), f"{when}: {sorted(found.keys() ^ self.wanted.keys())}"
        assert found == self.wanted, f"{when}: {sorted(n for n in found if found[n] != self.wanted[n])}"
        return killed

    def at_steps(self, stride: int, rng: random.Random) -> int:
        killed, step = 0, rng.randrange(stride) + 1
        self.begin()
        while killed_at(self.case, self.case.argv, step):
            when = f"killed at step {step}"
            self.check(when)
            self.finish(when, lambda: False)
            killed, step = killed + 1, step + stride
            self.begin()
        return killed

    def at_random(self, kills: int, rng: random.Random) -> int:
        killed = 0
        while killed < kills:
            self.begin()
            seconds = rng.uniform(0, self.takes)
            when = f"killed after {seconds:.6f} s"
            if killed_after(self.case, self.case.argv, seconds):
                killed += 1
            self.check(when)

            def again() -> bool:
                steps = rng.randrange(1, 60)
                return rng.random() < 0.4 and killed_at(self.case, self.case.again, steps)

            killed += self.finish(when, again)
        return killed


def run(folder: Path, name: str, stride: int, kills: int, seed: int) -> int:
    _flow.TILE, _flow.LEAST_VALUES = 24, 1
    fastbn.zscore(np.eye(3))  # loads the backend
    for module in ("_npy", "_csv", "_zarr"):
        with suppress(ImportError):
            importlib.import_module(f"fastbn.cli.formats.{module}")
    gc.disable()  # in a process that was forked, it would copy all the memory there is
    trial, rng = Trial(folder, CASES[name]), random.Random(seed)
    return trial.at_steps(stride, rng) + trial.at_random(kills, rng)


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
