"""compute-sanitizer over every function on tiny arrays (`tiny.py`), with each of its tools."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gpu import paths
from gpu.checks import Case, SkippedCase, run_cases

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
LINES = 12  # of what it said, if something is wrong


def find() -> str | None:
    """Where it is: on the path, or in a toolkit."""
    if (found := shutil.which("compute-sanitizer")) is not None:
        return found
    for name in ("CUDA_HOME", "CUDA_PATH"):
        for folder in ("bin", "compute-sanitizer"):
            if name in os.environ and (there := shutil.which(str(Path(os.environ[name], folder, "compute-sanitizer")))):
                return there
    return None


def parse(output: str) -> tuple[int | None, list[str]]:
    """Errors that the summary counts (None if there is no summary), and the first lines of what was found."""
    summaries = re.findall(r"={9} (?:ERROR SUMMARY: (\d+) errors?|RACECHECK SUMMARY: (\d+) hazards? displayed)", output)
    found = [line for line in re.findall(r"={9}[ \t]+(\S.*)", output) if not line.startswith("COMPUTE-SANITIZER")]
    return (sum(int(n or m) for n, m in summaries) if summaries else None), found[:LINES]


def clean(tool: str, timeout: float) -> str:
    """Nothing is found."""
    program = find()
    if program is None:
        raise SkippedCase("compute-sanitizer is neither on the path nor in CUDA_HOME")
    command = [program, "--tool", tool, "--target-processes", "all", sys.executable, "-m", "gpu.tiny"]
    done = subprocess.run(
        command, env=paths.variables(), capture_output=True, text=True, errors="replace", timeout=timeout, check=False
    )
    errors, lines = parse(done.stdout)
    said = "\n".join(lines)
    assert errors is not None, f"no summary, status {done.returncode}: {done.stderr[-500:]}"
    assert errors == 0, f"{errors} errors:\n{said}"
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[-500:]}"
    return done.stdout.strip().splitlines()[-1]


def cases(timeout: float) -> Iterator[Case]:
    """Each tool."""
    for tool in TOOLS:
        yield tool, lambda tool=tool: clean(tool, timeout)


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Quickly, the first tool alone."""
    some = list(cases(options.timeout / len(TOOLS)))
    return run_cases(some[:1] if options.quick else some)
