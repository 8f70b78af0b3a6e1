"""Where the parts find the package, the tests and each other."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
RESULTS = ROOT / "benchmarks" / "results"


def package_folder() -> Path:
    """Where fastbn is installed, else this tree."""
    found = importlib.util.find_spec("fastbn")
    return Path(found.origin).parents[1] if found is not None and found.origin else ROOT


def variables() -> dict[str, str]:
    """The environment of interpreters that work on the GPU."""
    folders = [str(ROOT / "benchmarks"), str(TESTS), str(package_folder()), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders)), "NUMBA_ENABLE_CUDASIM": "0"}
