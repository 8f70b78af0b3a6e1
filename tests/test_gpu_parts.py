"""The parts of the script for GPUs in Numba's simulator, on tiny arrays."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from devices import FUNCTIONS
from gpu import checks, paths, traffic

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")

# A clock that knows no time stands in for events, which the simulator has not.
SIMULATED = """
import json, sys
from devices import mend_simulator
mend_simulator()
from gpu import alignment, checks, kernels, large, measurement, repeats, streams, timing, tiny, traffic
from gpu.samples import TINY, Layout
from numba import cuda

class Clock:
    def seconds(self, call):
        call()
        return 1.0
    def wait(self):
        pass

table, images = Layout("table", (9, 3), 1), Layout("images", (2, 4, 3, 3), 1)
traffic.SMALL, timing.CALLS = (table,), 1
cases = {
    "repeats": repeats.cases(TINY, 2),
    "alignment": alignment.cases(TINY[:2], TINY[0]),
    "streams": streams.cases(TINY[0], 0),
    "large": large.cases(100),
    "tiny": tiny.calls(cuda.to_device, ("float32", "int64")),
}
found = {}
for name, some in cases.items():
    if name == "tiny":
        some = ((said, lambda call=call: "" if call() is None else "done") for said, call in some)
    *_, found[name] = checks.run_cases(some)
found["rows"] = list(measurement.rows(Clock(), (table, images), ("float16", "float32"), 2))
found["small"] = list(measurement.small_rows(Clock(), 2))
found["filled"] = kernels.fill(cuda.device_array(300), 7.0).copy_to_host().tolist()
json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """What the parts find in the simulator."""
    path = tmp_path_factory.mktemp("simulated") / "found.json"
    variables = paths.variables() | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-c", SIMULATED, str(path)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", ["repeats", "alignment", "streams", "large", "tiny"])
def test_cases_pass_in_the_simulator(simulated, name):
    cases = simulated[name]["cases"]
    outcomes = {case["outcome"] for case in cases}
    assert simulated[name]["ok"], [case for case in cases if case["outcome"] in checks.FAILURES]
    assert "passed" in outcomes
    if name != "streams":  # of which one needs a driver
        assert outcomes == {"passed"}
    assert len({case["name"] for case in cases}) == len(cases)


def test_every_function_is_called_once(simulated):
    called = {case["name"].partition(" (")[0].partition(",")[0] for case in simulated["tiny"]["cases"]}
    assert called == set(FUNCTIONS)


def test_every_operation_is_measured(simulated):
    assert {row["operation"] for row in simulated["rows"]} == set(traffic.PASSES)
    for row in (*simulated["rows"], *simulated["small"]):
        assert row["errors"] == {}
        assert row["times"]["fastbn"] == {"median": 1.0, "p10": 1.0, "p90": 1.0, "repetitions": 2}
    assert all(row["host"]["fastbn"]["median"] > 0 for row in simulated["small"])


def test_a_kernel_that_fills(simulated):
    assert simulated["filled"] == [7.0] * 300
