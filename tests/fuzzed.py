"""The programs that fuzz, for tests that do a little of what they do: in a folder beside that of the tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "fuzz"


def program(name: str) -> ModuleType:
    """One of them, by the name of its file."""
    if not FOLDER.is_dir():
        pytest.skip("no folder fuzz beside the tests", allow_module_level=True)
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)
