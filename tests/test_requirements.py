"""What the package needs: each requirement names the oldest release that is supported, and pip can be held to it."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "oldest"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = {
    "build-system": PROJECT["build-system"]["requires"],
    "dependencies": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
}
BESIDE_SOURCES = pytest.mark.skipif(not SCRIPT.exists(), reason="the script is in the repository only")


@pytest.mark.parametrize("group", GROUPS)
def test_every_requirement_names_the_oldest_release(group):
    own = PROJECT["project"]["name"]
    others = [requirement for requirement in GROUPS[group] if not requirement.startswith(f"{own}[")]
    assert [line for line in others if not re.search(r">=\d+(\.\d+)*(,<\d+(\.\d+)*)?(; .*)?$", line)] == []


@BESIDE_SOURCES
def test_all_of_them_become_constraints():
    lines = runpy.run_path(str(SCRIPT))["constraints"](PROJECT)
    stated = {
        (re.match(r"[\w.-]+", requirement)[0], release)
        for group in GROUPS.values()
        for requirement in group
        for release in re.findall(r">=([\d.]+)", requirement)
    }
    assert sorted(lines) == sorted(f"{name}=={release}" for name, release in stated)
    assert "numpy==2.0" in lines


@BESIDE_SOURCES
@pytest.mark.parametrize("requirement", ["numpy>=2.1", "numpy", "numpy<3", "numpy~=2.0", "numpy; python_version > '3'"])
def test_two_answers_or_none_are_refused(requirement):
    script = runpy.run_path(str(SCRIPT))
    document = {
        "build-system": {"requires": []},
        "project": {"name": "fastbn", "dependencies": ["numpy>=2.0"], "optional-dependencies": {"test": [requirement]}},
    }
    with pytest.raises(SystemExit, match=r"^pyproject.toml: "):
        script["constraints"](document)
