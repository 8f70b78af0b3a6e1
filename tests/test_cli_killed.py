"""Jobs on files that cannot be continued, killed halfway: what they left is cleared away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastbn.cli import main

pytest.importorskip("pyarrow")

KILLED = """
import os, signal, sys
from fastbn.cli import main
from fastbn.cli.formats._csv import CsvSink
write, left = CsvSink.write, [int(sys.argv[1])]
def stop(self, tile, values):
    write(self, tile, values)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
CsvSink.write = stop
sys.exit(main(sys.argv[2:]))
"""


def names():
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


@pytest.mark.skipif(os.name != "posix", reason="no such signal")
@pytest.mark.parametrize("options", [["--resume"], ["--overwrite"]])
@pytest.mark.parametrize("written", [1, 2])
def test_nothing_of_a_killed_process_stays(tmp_path, monkeypatch, options, written):
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    for number in range(2):
        Path(f"d/{number}.csv").write_text(f"a,b\n1,x\n{number},y\n")
    assert main(["normalize", "d", "whole"]) == 0
    before = names()
    argv = ["normalize", "d", "out"]
    command = [sys.executable, "-c", KILLED, str(written), *argv, "--resume"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert any(name.endswith(".tmp") for name in names())
    assert main([*argv, *options]) == 0
    assert names() == sorted([*before, "out/0.csv", "out/1.csv"])
    for number in range(2):
        assert Path(f"out/{number}.csv").read_bytes() == Path(f"whole/{number}.csv").read_bytes()
