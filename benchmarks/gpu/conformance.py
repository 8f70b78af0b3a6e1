"""The conformance suite on the GPU, without the simulator: every test that asks for a backend or a device."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from gpu import paths

LINES = 40  # of what pytest said, if it left no report


def command(report: Path, jobs: int) -> list[str]:
    """The call of pytest."""
    call = [sys.executable, "-m", "pytest", "--quiet", "--backend", "cuda", "-p", "gpu.only_backends"]
    call += ["--continue-on-collection-errors", "--no-showlocals", "--tb=short", f"--junit-xml={report}"]
    call += ["-n", str(jobs)] if jobs > 1 else []
    return [*call, str(paths.TESTS)]


def parse_junit(text: str) -> dict:
    """Counts, and the names of what failed with the first line of why."""
    counts = {"passed": 0, "failed": 0, "errors": 0, "skipped": 0}
    failing: dict[str, str] = {}
    kinds = {"failure": "failed", "error": "errors", "skipped": "skipped"}
    for case in ET.fromstring(text).iter("testcase"):  # noqa: S314 - pytest has just written it
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        outcomes = [child for child in case if child.tag in kinds]
        for child in outcomes:
            counts[kinds[child.tag]] += 1
            if child.tag != "skipped":
                said = child.get("message") or child.text or ""
                failing[name] = next(iter(said.splitlines()), "")
        counts["passed"] += not outcomes
    return counts | {"failing": failing}


def run(options: argparse.Namespace) -> Iterator[dict]:
    """Run the suite."""
    variables = paths.variables() | ({"HYPOTHESIS_MAX_EXAMPLES": "8"} if options.quick else {})
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder, "junit.xml"), Path(folder, "log")
        try:
            with log.open("w") as written:
                status = subprocess.run(
                    command(report, options.jobs),
                    cwd=paths.ROOT,
                    env=variables,
                    stdout=written,
                    stderr=subprocess.STDOUT,
                    timeout=options.timeout,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            status = None
        if not report.exists():
            ended = "took too long" if status is None else f"ended with status {status}"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-LINES:])
            yield {"ok": False, "error": f"pytest {ended}; its last lines:\n{said}"}
            return
        found = parse_junit(report.read_text(encoding="utf-8"))
    print({kind: number for kind, number in found.items() if kind != "failing"}, flush=True)
    yield {"ok": found["passed"] > 0 and not found["failing"], "status": status} | found
