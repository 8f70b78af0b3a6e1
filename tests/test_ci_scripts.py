"""The scripts of continuous integration fail where a part of theirs does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "sanitizers"
if not SCRIPT.exists():
    pytest.skip("the scripts are in the repository only", allow_module_level=True)
if not sys.platform.startswith("linux") or not all(map(shutil.which, ("bash", "git", "tar"))):
    pytest.skip("needs Linux, bash, git and tar", allow_module_level=True)

# What the script calls, each of which succeeds, or finds what it must find; but not the part that is to fail.
PYTHON = """#!/bin/sh
case "$*" in
    *"$FAILING"*) exit 3 ;;
    *get_config_var*) echo true ;;
    *simd_variants*) echo "$VARIANTS" ;;
    *widen* | *standardize*) echo "heap-buffer-overflow, signed integer overflow"; exit 1 ;;
    *pytest*) echo "ran $FASTBN_SIMD" ;;
esac
"""


@pytest.fixture
def sanitizers(tmp_path):
    """Run the script in a repository of its own, with stand-ins for Python and the compiler."""
    folder = tmp_path / "tree" / ".ci"
    folder.mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    subprocess.run(["git", "init", "--quiet", folder.parent], check=True)
    (tmp_path / "python").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "python").chmod(0o700)
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))

    def run(failing, variants="base v3"):
        variables = os.environ | {"PATH": path, "FAILING": failing, "VARIANTS": variants}
        return subprocess.run(
            ["bash", folder / "sanitizers"], env=variables, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def test_tests_run_on_every_variant(sanitizers):
    done = sanitizers("nothing of it")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran")] == ["ran base", "ran v3"]


@pytest.mark.parametrize(
    "failing", ["setup.py", "get_config_var", "simd_variants", "widen", "standardize", "leak_check", "pytest"]
)
def test_what_fails_makes_the_script_fail(failing, sanitizers):
    assert sanitizers(failing).returncode != 0


def test_an_extension_without_variants_makes_the_script_fail(sanitizers):
    assert sanitizers("nothing of it", variants="").returncode != 0
