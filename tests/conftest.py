"""The backend fixture, fed from the backend table; commands; and the profile of the property tests."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import fastbn
import stand_ins
from devices import on_device
from evidence import TALLY, Evidence
from fastbn._backends import HOSTS
from fastbn.cli import _flow, main

# Interpreters that tests start find the installed package, not the tree they are started in, which has no extension.
os.environ["PYTHONSAFEPATH"] = "1"

settings.register_profile(
    "fastbn",
    deadline=None,  # the first example of a kernel compiles it
    max_examples=int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "60")),
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a backend stays chosen from example to example
)
settings.load_profile("fastbn")


def pytest_addoption(parser):
    parser.addoption("--backend", action="append", default=[], help="run only on this backend (may be repeated)")


def pytest_configure(config):
    """What tests may be marked as, and where to write what they have done."""
    config.addinivalue_line(
        "markers", "host: about what the host does, its memory, processes, merges: not for arrays on devices"
    )
    if (path := os.environ.get("FASTBN_EVIDENCE")) and not hasattr(config, "workerinput"):  # workers report to one
        config.pluginmanager.register(Evidence(Path(path).absolute()))


def pytest_generate_tests(metafunc):
    """Every test that asks for `backend` runs once on each row of the backend table."""
    if "backend" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--backend")
        # What is on devices runs on request: the simulator is slow.
        wanted = set(chosen or HOSTS)
        if metafunc.definition.get_closest_marker("host"):
            wanted &= set(HOSTS)
        table = [info for info in fastbn.backends() if info.name in wanted]
        metafunc.parametrize("backend", table, ids=[info.name for info in table], indirect=True)


@pytest.fixture
def backend(request, tally):
    """Activate one backend for the test; its name is the value."""
    info = request.param
    if not info.available:
        pytest.skip(f"backend {info.name}: {info.reason}")
    tally(f"tests on backend {info.name}", 1)
    with on_device() if info.name == "cuda" else fastbn.use_backend(info.name):
        yield info.name


@pytest.fixture
def libraries(monkeypatch):
    """Stand-ins for libraries with arrays on devices."""
    stand_ins.install(monkeypatch)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Run a command of the command line, which must succeed; returns what it printed."""

    def call(*argv):
        capfd.readouterr()
        code = main([str(part) for part in argv])
        printed = capfd.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out

    return call


@pytest.fixture
def refused(capfd):
    """Run a command that must fail in one line, whatever libraries print by themselves; returns it."""

    def call(*argv, code=1):
        capfd.readouterr()
        assert main([str(part) for part in argv]) == code
        printed = capfd.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("fastbn: error: ")
        assert printed.err.endswith("\n")
        assert printed.err.count("\n") == 1
        return printed.err

    return call


@pytest.fixture
def refused_cleanly(refused, folder):
    """Run a command that must fail in one line, and leave the current directory as it is; returns the line."""

    def call(*argv):
        before = tree(folder)
        line = refused(*argv)
        assert tree(folder) == before
        return line

    return call


@contextmanager
def threads_per_call(n):
    """Have calls use so many threads."""
    before = fastbn.get_num_threads()
    fastbn.set_num_threads(n)
    try:
        yield
    finally:
        fastbn.set_num_threads(before)


def tree(directory):
    """All that is below a directory."""
    return {path: path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}


@pytest.fixture
def tally(record_property):
    """Tell the report of the run how many of something a test has done (`evidence.py`)."""
    return lambda what, count: record_property(TALLY + what, count)


@pytest.fixture(scope="module")
def from_gallery():
    """Import what the pages of the gallery share, from the folder of their scripts."""
    folder = str(Path(__file__).parents[1] / "docs" / "gallery")
    before = set(sys.modules)
    sys.path.append(folder)
    yield importlib.import_module
    sys.path.remove(folder)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("networks", "pages"):
            del sys.modules[name]


@pytest.fixture
def small_tiles(monkeypatch):
    """Let the command line cut into many tiles what has some thousand values."""
    monkeypatch.setattr(_flow, "TILE", 24)
    monkeypatch.setattr(_flow, "LEAST_VALUES", 1)
