"""The script for GPUs: what it makes of arguments, numbers and texts, and what it says where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpu import checks, conformance, environment, operations, part, paths, report, run, sanitizer, traffic
from gpu.samples import Layout


def script(*arguments):
    """The script as users start it."""
    command = [sys.executable, str(Path(run.__file__)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_without_a_gpu(tmp_path):
    if environment.lacking() is None and os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "0":
        pytest.skip("there is one")
    done = script("--output", str(tmp_path), "--quick")
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("backend 'cuda' cannot be used: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--only", "everything"], ["--jobs", "0"], ["--nothing"]])
def test_bad_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err.replace("PART", "--only")


def test_help_names_the_parts(capsys):
    with pytest.raises(SystemExit) as caught:
        run.main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*part.PARTS[1:], "--quick", "Exit status"))


def test_each_part_is_a_module():
    folder = Path(part.__file__).parent
    assert all((folder / f"{name}.py").exists() for name in part.PARTS)


def test_a_part_that_fails_keeps_what_it_had(tmp_path, monkeypatch):
    def broken(options):
        yield {"ok": True, "cases": []}
        raise RuntimeError("out of luck")

    monkeypatch.setattr("gpu.conformance.run", broken)
    part.main(["conformance", str(tmp_path / "result.json")])
    found = json.loads((tmp_path / "result.json").read_text())
    assert found == {"ok": False, "error": "RuntimeError: out of luck", "cases": []}


def test_a_part_in_a_process_of_its_own(tmp_path, monkeypatch):
    for name in ("PATH", "CUDA_HOME", "CUDA_PATH"):  # where the sanitizer could be
        monkeypatch.setenv(name, str(tmp_path))
    found = run.run_part("sanitizer", run.parse(["--quick"]))
    assert found["ok"]
    assert [case["outcome"] for case in found["cases"]] == ["skipped"]
    assert found["quick"]
    assert {"date", "seconds"} <= set(found)


def test_bytes():
    layout = Layout("", (2, 3, 5, 7), 1)
    moved = {name: traffic.bytes_moved(name, layout, 4) for name in traffic.PASSES}
    assert moved["channel_stats"] == 840
    assert moved["normalize"] == moved["batch_norm, evaluation"] == 1680
    assert moved["zscore"] == moved["batch_norm, training"] == 2520
    assert moved["batch_norm_backward"] == 4200
    assert traffic.bytes_held(layout, 8) > moved["batch_norm_backward"]


def test_operations_of_shapes():
    of_images, of_table = (traffic.operations(Layout("", shape, 1)) for shape in ((2, 3, 4, 5), (2, 3)))
    assert "instance_norm" in of_images
    assert "layer_norm" not in of_images
    assert "layer_norm" in of_table
    assert "group_norm" not in of_table
    assert {layout.name for layout in traffic.QUICK} < {layout.name for layout in traffic.SHAPES}


IMAGES = Layout("", (4, 6, 5, 7), 1), Layout("", (4, 5, 7, 6), -1)


@pytest.mark.parametrize("layout", [*IMAGES, Layout("", (40, 6), 1)], ids=["images", "channels last", "table"])
def test_what_is_compared_is_the_same(layout):
    """PyTorch on the host, and this package there."""
    torch = pytest.importorskip("torch")
    theirs = SimpleNamespace(name="torch", torch=torch, put=lambda array: torch.from_numpy(array.copy()))
    host = SimpleNamespace(name="host", put=np.copy, like=np.empty_like)
    ours = operations.ours(operations.data(host, layout, "float32"))
    peers = operations.of_torch(operations.data(theirs, layout, "float32"))
    turn = (0, 2, 3, 1) if layout.axis == -1 else tuple(range(len(layout.shape)))
    before = torch.backends.cudnn.enabled
    try:
        for operation in set(traffic.operations(layout)) & set(peers) - {"batch_norm, evaluation"}:
            mine = ours[operation]()()
            if operation == "channel_stats":
                mine = mine.var(), mine.mean
            for make in peers[operation].values():
                found = make()()
                for a, b in zip(*(part if isinstance(part, tuple) else (part,) for part in (mine, found)), strict=True):
                    other = b.permute(*turn) if b.ndim == len(turn) else b
                    np.testing.assert_allclose(a, other.detach().numpy(), rtol=1e-4, atol=1e-4)
    finally:
        torch.backends.cudnn.enabled = before


@pytest.mark.parametrize("layout", [*IMAGES, Layout("", (40, 6), 1)], ids=["images", "channels last", "table"])
def test_every_operation_can_be_called(layout):
    host = SimpleNamespace(name="host", put=np.copy, like=np.empty_like)
    data = operations.data(host, layout, "float32")
    calls = operations.ours(data)
    assert calls.keys() == traffic.PASSES.keys()
    for operation in traffic.operations(layout):
        result = calls[operation]()()
        assert operation == "channel_stats" or (getattr(result, "dx", result) is data.out)


def test_percentiles_are_numpy_s():
    timing = pytest.importorskip("gpu.timing", exc_type=ImportError)  # which needs Numba
    values = np.random.default_rng(0).random(23).tolist()
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert timing.percentile(values, share) == pytest.approx(np.quantile(values, share))
    assert timing.percentile([2.0], 0.9) == 2.0
    assert timing.summary([3.0, 1.0, 2.0]) == {"median": 2.0, "p10": 1.2, "p90": 2.8, "repetitions": 3}


def test_outcomes():
    def fail(kind):
        raise kind("a word")

    kinds = {"skipped": checks.SkippedCase, "refused": checks.Refused, "failed": AssertionError, "error": ValueError}
    cases = [(outcome, lambda kind=kind: fail(kind)) for outcome, kind in kinds.items()]
    found = list(checks.run_cases([("passed", lambda: "seen"), *cases]))
    assert [case["outcome"] for case in found[-1]["cases"]] == [case["name"] for case in found[-1]["cases"]]
    assert [case["detail"] for case in found[-1]["cases"]] == ["seen", *["a word"] * 3, "ValueError: a word"]
    assert not found[-1]["ok"]
    *_, harmless = checks.run_cases(cases[:2])
    assert harmless["ok"]


JUNIT = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="1" tests="4">
<testcase classname="tests.test_a" name="test_one[cuda]" time="0.1"/>
<testcase classname="tests.test_a" name="test_two[cuda]"><failure message="assert 1 == 2&#10;more"/></testcase>
<testcase classname="tests.test_a" name="test_three[cuda]"><skipped type="pytest.skip" message="no"/></testcase>
<testcase classname="" name="tests.test_b"><error message="collection failure">text</error></testcase>
</testsuite></testsuites>"""


def test_junit():
    assert conformance.parse_junit(JUNIT) == {
        "passed": 1,
        "failed": 1,
        "errors": 1,
        "skipped": 1,
        "failing": {"tests.test_a::test_two[cuda]": "assert 1 == 2", "tests.test_b": "collection failure"},
    }


def test_only_what_asks_for_a_backend_is_selected(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef backend():\n    return 'cuda'\n@pytest.fixture\ndef cuda():\n    pass\n"
    )
    (tmp_path / "test_some.py").write_text(
        "import pytest\ndef test_no():\n    assert False\ndef test_yes(backend):\n    assert backend == 'cuda'\n"
        "@pytest.mark.usefixtures('backend')\ndef test_quietly():\n    pass\ndef test_of_cuda(cuda):\n    pass\n"
    )
    report_path = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-p", "gpu.only_backends", f"--junit-xml={report_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=paths.variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    found = conformance.parse_junit(report_path.read_text())
    assert (found["passed"], found["failing"]) == (3, {})


CLEAN = "========= COMPUTE-SANITIZER\n249 calls\n========= ERROR SUMMARY: 0 errors\n"
FAULT = """========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 4 bytes
=========     at kernel+0x90
========= ERROR SUMMARY: 1 error
"""
RACES = "========= COMPUTE-SANITIZER\n========= RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)\n"


@pytest.mark.parametrize(("output", "errors"), [(CLEAN, 0), (FAULT, 1), (RACES, 2), ("no such tool", None)])
def test_what_the_sanitizer_says(output, errors):
    assert sanitizer.parse(output)[0] == errors


def test_what_the_sanitizer_found():
    assert sanitizer.parse(FAULT)[1][0] == "Invalid __global__ read of size 4 bytes"


def test_the_sanitizer_in_a_toolkit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.delenv("CUDA_PATH", raising=False)
    assert sanitizer.find() is None
    with pytest.raises(checks.SkippedCase):
        sanitizer.clean("memcheck", 1)
    program = tmp_path / "bin" / ("compute-sanitizer.exe" if os.name == "nt" else "compute-sanitizer")
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    assert sanitizer.find() == str(program)


TIMES = {"median": 2e-3, "p10": 1e-3, "p90": 4e-3, "repetitions": 50}
ABOUT = {"date": "2030-01-01T00:00:00+00:00", "seconds": 1.5, "quick": False, "fastbn": "9.9"}
ROW = {"shape": "table", "sizes": [4, 2], "axis": 1, "dtype": "float32"}
PARTS = {
    "environment": {"card": "GPU | 1", "memory": 2**31, "versions": {"fastbn": "9.9", "torch": None}} | ABOUT,
    "conformance": ABOUT | conformance.parse_junit(JUNIT) | {"ok": False},
    "streams": ABOUT
    | {
        "ok": True,
        "cases": [{"name": "a|b", "outcome": "refused", "detail": "a\nb"}, {"name": "c", "outcome": "passed"}],
    },
    "large": ABOUT | {"ok": False, "error": "ended with status -9"},
    "measurement": ABOUT
    | {
        "ok": True,
        "library": "torch",
        "copy": {"bytes": 2**31, "bytes per second": 4e12},
        "rows": [
            ROW
            | {
                "operation": "zscore",
                "bytes": 4e9,
                "times": {"fastbn": TIMES, "torch": TIMES | {"median": 3e-3}},
                "errors": {"cupy": "ValueError: no"},
            },
            ROW | {"skipped": "does not fit"},
        ],
        "small": [ROW | {"operation": "zscore", "times": {"fastbn": TIMES}, "host": {"fastbn": TIMES}, "errors": {}}],
    },
}


def test_the_tables():
    lines = report.markdown(PARTS).splitlines()
    assert lines[0] == "# fastbn on GPU | 1"
    assert [line for line in lines if line.startswith("## ")] == [f"## {name.capitalize()}" for name in PARTS]
    for line in (
        "* memory: 2.0 GiB",
        "* fastbn 9.9, torch not installed",
        "1 passed, 1 failed, 1 errors, 1 skipped.",
        "| tests.test_a::test_two[cuda] | assert 1 == 2 |",
        "| a\\|b | refused | a b |",
        "ended with status -9",
        "| table (4, 2) float32 | zscore | fastbn | 2.000 | 1.000 to 4.000 | 50% |  |",
        "| table (4, 2) float32 | zscore | torch | 3.000 | 1.000 to 4.000 | 33% | 1.50 |",
        "| table (4, 2) float32 | zscore | cupy | ValueError: no |  |  |  |",
        "| table (4, 2) float32 |  |  | does not fit |  |  |  |",
        "| table (4, 2) | zscore | fastbn | 2000.0 | 2000.0 |",
    ):
        assert line in lines


def test_names_of_files():
    assert report.file_name("NVIDIA GeForce RTX 4090") == "gpu-nvidia-geforce-rtx-4090"
    assert report.file_name("NVIDIA A100-SXM4-80GB") == "gpu-nvidia-a100-sxm4-80gb"


def test_parts_are_added_to_what_a_file_has(tmp_path, monkeypatch):
    def run_part(name, options):
        return {key: value for key, value in PARTS[name].items() if key != "fastbn"}

    monkeypatch.setattr(run, "run_part", run_part)
    assert run.main(["--output", str(tmp_path), "--only", "streams"]) == 0
    assert run.main(["--output", str(tmp_path), "--only", "large", "measurement"]) == 1
    assert list(json.loads((tmp_path / "gpu-gpu-1.json").read_text())) == [
        "environment",
        "streams",
        "large",
        "measurement",
    ]
    assert (tmp_path / "gpu-gpu-1.md").read_text().count("\n## ") == 4
