"""Every benchmark runs once, with the first (the smallest) value of each parameter."""

import inspect
import json
import math
import pkgutil
import re
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import backends
import bandwidth
import benchmarks
import compare
import fastbn
import messy
import methods
import peers
import scaling
import side_by_side
from benchmarks import accuracy
from fastbn._backends import HOSTS

KINDS = ("time_", "timeraw_", "peakmem_", "track_")
MODULES = [import_module(f"benchmarks.{module.name}") for module in pkgutil.iter_modules(benchmarks.__path__)]


def found():
    """Yield each class and method that asv takes for a benchmark."""
    for module in MODULES:
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ != module.__name__ or name.startswith("_") or inspect.isabstract(cls):
                continue
            for method in dir(cls):
                if method.startswith(KINDS):
                    yield cls, method


FOUND = list(found())
IDS = [f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}.{method}" for cls, method in FOUND]


@pytest.mark.parametrize(("cls", "method"), FOUND, ids=IDS)
def test_benchmark_runs(cls, method):
    benchmark, smallest = cls(), [values[0] for values in getattr(cls, "params", [])]
    try:
        if hasattr(benchmark, "setup"):
            benchmark.setup(*smallest)
        result = getattr(benchmark, method)(*smallest)
    except NotImplementedError as reason:  # what asv takes for "does not apply here"
        pytest.skip(str(reason))
    finally:
        if hasattr(benchmark, "selection"):
            benchmark.teardown()
    if method.startswith("timeraw_"):
        code = "\n".join(inspect.cleandoc(part) for part in reversed([result] if isinstance(result, str) else result))
        subprocess.run([sys.executable, "-c", code], check=True)
    elif method.startswith("track_"):
        assert math.isfinite(result)
        assert result >= 0


def test_every_module_but_the_shared_one_has_benchmarks():
    assert {cls.__module__ for cls, _ in FOUND} == {module.__name__ for module in MODULES} - {"benchmarks.common"}


def test_every_class_says_its_version():
    assert {cls.version for cls, _ in FOUND} == {"1"}


def test_exact_reference_knows_simple_answers():
    assert accuracy.exact_moments(np.array([1.0, 2.0, 4.5])) == (Fraction(5, 2), Fraction(13, 6))
    assert accuracy.root(Fraction(9, 4)) == Fraction(3, 2)
    assert accuracy.ulps(np.nextafter(np.float32(1), np.float32(2)), Fraction(1)) == 1
    assert accuracy.ulps(np.float64(np.nan), Fraction(1)) == math.inf


def test_backends_prints_a_row_for_each_operation(capsys):
    threads = fastbn.get_num_threads()
    try:
        backends.main(["--rounds", "1", "--threads", "1", "--layout", "small", "--dtype", "float32"])
    finally:
        fastbn.set_num_threads(threads)
    printed = capsys.readouterr().out.splitlines()
    assert len([line for line in printed if line.endswith(" |") and " small float32 " in line]) == sum(
        len(suite.operations) for suite in backends.SUITES
    )


def test_side_by_side_prints_its_tables(capsys):
    threads = fastbn.get_num_threads()
    try:
        side_by_side.main(["--quick", "--threads", "1"])
    finally:
        fastbn.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert printed.count("\n### ") == 5
    assert "| layer_norm, out=" in printed or not side_by_side.torch
    assert "| StandardScaler().fit_transform |" in printed


def test_methods_prints_its_tables(capsys):
    threads = fastbn.get_num_threads()
    try:
        methods.main(["--quick", "--threads", "1"])
    finally:
        fastbn.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert printed.count("\n### ") == 4
    assert "| 10^12 | 0 |" in printed


def test_messy_prints_its_tables(capsys):
    threads = fastbn.get_num_threads()
    try:
        messy.main(["--quick", "--threads", "1"])
    finally:
        fastbn.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert printed.count("\n### ") == 3
    assert "| omit, 1 % NaN |" in printed
    assert len([line for line in printed.splitlines() if line.startswith("| (")]) == 24


def test_compare_writes_a_row_for_each_side(tmp_path, capsys):
    threads = fastbn.get_num_threads()
    try:
        compare.main(["--quick", "--threads", "1", "--output", str(tmp_path), "float32"])
    finally:
        fastbn.set_num_threads(threads)
    rows = json.loads((tmp_path / "compare.json").read_text())["rows"]
    assert len(rows) == 5 * len(compare.SMALL) + 8
    backends_there = {f"fastbn, {info.name}" for info in fastbn.backends() if info.available and info.name in HOSTS}
    for row in rows:
        assert backends_there <= set(row["error"])
        assert all(row["error"][name] < 1e-5 for name in backends_there), row["row"]
        assert row["minimum"].keys() == row["median"].keys() >= {"read", "copy", "new pages"} | set(row["error"])
        assert row["limit"] > 0
    assert len((tmp_path / "compare.md").read_text().splitlines()) == 4 + sum(len(row["error"]) for row in rows)
    assert len((tmp_path / "summary.md").read_text().splitlines()) == 4 + len(rows)
    assert "| StandardScaler().fit_transform |" in capsys.readouterr().out


def test_picture_of_peers_is_drawn_from_what_was_measured(tmp_path):
    threads = fastbn.get_num_threads()
    results, picture = tmp_path / "peers.json", tmp_path / "peers.svg"
    try:
        peers.main(["measure", "--quick", "--threads", "1", "--results", str(results)])
    finally:
        fastbn.set_num_threads(threads)
    peers.main(["draw", "--results", str(results), "--picture", str(picture)])
    found = json.loads(results.read_text())
    assert found["time over that of memory"].keys() == peers.OPERATIONS.keys()
    assert found["error of the variance"].keys() == peers.DATA.keys()
    for kind in ("time over that of memory", "error of the variance"):
        assert all("fastbn" in row for row in found[kind].values())
        assert any({"NumPy", "scikit-learn"} <= row.keys() for row in found[kind].values())
    assert all(row["fastbn"] < 3e-16 for row in found["error of the variance"].values())
    text = picture.read_text()
    assert all(label in text for label in [*peers.OPERATIONS.values(), *peers.DATA.values(), "scikit-learn"])


def labels(svg):
    """What a picture says in words; which powers of ten are at the axes is up to matplotlib."""
    return sorted(text for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg) if re.search(r"[a-z]", text))


def test_picture_in_the_documentation_is_that_of_the_results_that_are_kept(tmp_path):
    peers.main(["draw", "--picture", str(tmp_path / "peers.svg")])
    drawn, kept = (labels(path.read_text(encoding="utf-8")) for path in (tmp_path / "peers.svg", peers.PICTURE))
    assert drawn == kept
    assert len(drawn) > 20


def test_scaling_writes_a_row_for_each_size(tmp_path, capsys):
    threads = fastbn.get_num_threads()
    scaling.main(["--quick", "--threads", "1", "2", "--output", str(tmp_path)])
    assert fastbn.get_num_threads() == threads
    lines = (tmp_path / "scaling.md").read_text().splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[4:]] == ["9.6e+01", "3.2e+02", "9.9e+02"]
    times = np.array([line.split("|")[2:-1] for line in lines[4:]], float)
    assert times.shape == (3, 6)
    assert (times > 0).all()


def test_versions_are_commits_with_a_word_about_each():
    lines = Path(side_by_side.__file__).with_name("versions.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(re.fullmatch(r"[0-9a-f]{7,40} \S.*", line) for line in lines)


def test_the_limit_counts_what_is_read_and_written():
    probe = bandwidth.Probe(1, 1 << 16)
    seconds = {"read": 1.0, "copy": 3.0, "copy past caches": 2.5}
    assert probe.limit(seconds, 1 << 16, 0) == 1
    assert probe.limit(seconds, 1 << 17, 1 << 16) == 3.5
    assert probe.limit(seconds | {"new pages": 2.0}, 1 << 17, 1 << 16, 1 << 15) == 4.5


def test_a_copy_past_the_caches_is_a_copy():
    probe = bandwidth.Probe(2, 1 << 16)
    calls = probe.calls()
    if "copy past caches" not in calls:
        pytest.skip("Numba is not installed")
    for k, (part, target) in enumerate(probe.parts):
        part[:] = np.arange(part.size) + k
        assert (target != part).any()
    calls["copy past caches"]()
    assert all((target == part).all() for part, target in probe.parts)
