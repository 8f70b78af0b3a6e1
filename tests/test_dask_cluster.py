"""A real cluster of several processes, of which one dies: the result is the same to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dask.array")
pytest.importorskip("distributed")
pytest.importorskip("zarr", minversion="3")

pytestmark = pytest.mark.host


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
def test_a_worker_that_dies_changes_no_bit(tmp_path, tally):
    script = Path(__file__).with_name("dask_cluster.py")
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | quiet,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["threads"] == 1
    assert len(found["alone"]) == 2
    assert found["undisturbed"] == found["alone"]
    assert found["killed"] == found["alone"]
    assert len(found["alone"][0]) == 4  # statistics, a map, quantiles, a store
    tally("faults injected: worker killed", len(found["killed"]))
