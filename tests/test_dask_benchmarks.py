"""The scripts that measure Dask arrays run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dask.array")

import partitions

pytestmark = pytest.mark.host


def test_partitions_prints_its_table(capsys):
    partitions.main(["--quick"])
    printed = capsys.readouterr().out.splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[5:7] for line in printed if line.count("|") == 7}
    assert max(map(float, rows["exact"])) <= 0.5
    assert max(map(float, rows["compensated"])) <= 2
    assert "2 levels of merges" in printed[-1]


def test_cluster_prints_its_tables(tmp_path):
    pytest.importorskip("distributed")
    script = Path(partitions.__file__).with_name("cluster.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(script.parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--folder", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| fastbn.channel_stats") == 2
    assert "| 1 | " in done.stdout
    assert list(tmp_path.iterdir()) == []
