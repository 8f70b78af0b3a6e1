"""Every benchmark runs once, with the first (the smallest) value of each parameter."""

import inspect
import math
import pkgutil
import subprocess
import sys
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest

import backends
import benchmarks
import fastbn
import messy
import methods
import side_by_side
from benchmarks import accuracy

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
