"""Scripts that tests run in an interpreter of their own, with children that can import what they share."""

from __future__ import annotations

import os
import subprocess
import sys

WORK = """
import threading
import numpy as np, fastbn

x = np.random.default_rng(0).normal(size=(64, 8, 4096)).astype(np.float32)

def bits(_=0):
    stats = fastbn.channel_stats(x)
    return stats.mean.tobytes() + stats.var().tobytes() + fastbn.zscore(x).tobytes()

def threads(_=0):
    "What a call may use, and how many threads of this package there are after a call that is large enough."
    bits()
    mine = [thread.name for thread in threading.enumerate() if thread.name.startswith("fastbn")]
    return fastbn.get_num_threads(), len(mine)
"""


def run(tmp_path, backend, code, **variables):
    """Run a script, with `WORK` as a module beside it that children can import; return the words it printed."""
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    script = "import sys\nfrom work import bits, threads\n\nif __name__ == '__main__':\n"
    script += "".join(f"    {line}\n" for line in code.splitlines())
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    dropped = ("FASTBN_", "OMP_", "NUMBA_THREADING")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join([str(tmp_path), *filter(None, [environment.get("PYTHONPATH")])])  # an empty entry is the cwd
    environment |= {"FASTBN_BACKEND": backend, "PYTHONPATH": path}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True, text=True, timeout=300, env=environment | variables, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
