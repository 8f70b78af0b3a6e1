"""Jobs that are killed, many times: nothing half-written appears, and what goes on with them ends as if nothing was."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

KILLS = int(os.environ.get("FASTBN_KILLS", "10"))  # of each kind of job, at random moments ...
WHOLE = KILLS >= 200  # ... and at each of its steps, or else at one of so many:
STRIDES = {
    "npy": 3,
    "zarr": 24,
    "directory": 10,
    "in place": 6,
    "store in place": 24,
    "directory in place": 20,
    "store over another": 32,
    "table": 4,
    "short": 2,
    "short, anew": 5,
    "short store": 13,
    "stats": 4,
    "merge": 3,
}
MANY = ("npy", "zarr", "directory")  # of the others, a third of the random moments


@pytest.fixture
def fast_folder(tmp_path):
    """A folder in memory if there is one, where to sync takes no time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such processes, and no such signal")
@pytest.mark.parametrize("case", STRIDES)
def test_a_killed_job_leaves_nothing_half_written_and_is_gone_on_with(fast_folder, tally, case):
    if case == "table":
        pytest.importorskip("pyarrow")
    if "zarr" in case or "store" in case:
        pytest.importorskip("zarr", minversion="3.0.8")
    stride, kills = 1 if WHOLE else STRIDES[case], KILLS if case in MANY else KILLS // 3
    seed = 0 if os.environ.get("CI") else random.randrange(10**6)
    script = Path(__file__).with_name("killed.py")
    argv = [sys.executable, str(script), str(fast_folder), case, str(stride), str(kills), str(seed)]
    # Nothing is found beside a script where paths are safe, as they are here.
    paths = os.pathsep.join(filter(None, (str(script.parent), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv[1:]}: {done.stderr}"
    killed = int(done.stdout.splitlines()[-1])
    assert killed >= kills
    tally("faults injected: kill", killed)
