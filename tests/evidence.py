"""What a run of the tests has done, as JSON: where it ran, how many tests passed, and how much they have tallied.

`FASTBN_EVIDENCE` names the file. `docs/site/evidence.py` makes tables of such files.
"""

from __future__ import annotations

import importlib.util
import json
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path

TALLY = "tally: "  # how properties of tests begin that are numbers to be added up


class Evidence:
    """A plugin of pytest; where workers run the tests, it is the controller's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: Counter[str] = Counter()
        self.tallies: Counter[str] = Counter()
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report) -> None:
        """Count a test once: where it was called, or else did not get so far. Only tests that passed have a tally."""
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        if report.when == "call" or outcome != "passed":
            self.outcomes[outcome] += 1
        if report.when == "call" and outcome == "passed":
            self.passed.add(report.nodeid)
        if report.when == "teardown" and outcome == "passed" and report.nodeid in self.passed:
            for name, value in report.user_properties:
                if name.startswith(TALLY):
                    self.tallies[name.removeprefix(TALLY)] += value

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        packages = [name for name in ("numpy", "numba") if importlib.util.find_spec(name)]
        record = {
            "system": f"{platform.system()} {platform.machine()}",
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "packages": {name: version(name) for name in packages},
            "outcomes": dict(sorted(self.outcomes.items())),
            "tallies": dict(sorted(self.tallies.items())),
        }
        self.path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
