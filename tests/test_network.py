"""The package works where there is no network, and nothing in it would use one."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fastbn
from fastbn.cli._parser import build

SCRIPT = Path(__file__).with_name("offline.py")
PACKAGE = Path(fastbn.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
NETWORKING = {
    "aiohttp", "fsspec", "ftplib", "http", "httpx", "imaplib", "poplib", "requests", "smtplib", "socket", "ssl",
    "subprocess", "socketserver", "urllib", "urllib3", "webbrowser", "xmlrpc",
}  # fmt: skip


#: Where interpreters that are started look for modules, too.
BESIDE = os.pathsep.join(filter(None, (str(SCRIPT.parent), os.environ.get("PYTHONPATH"))))


def offline(*argv):
    """Run the script in a fresh interpreter, on the backend that compiles nothing, if it is there."""
    available = {info.name for info in fastbn.backends() if info.available}
    ready = next((name for name in ("cython", "numba") if name in available), None)
    if ready is None:
        pytest.skip("no backend here")
    environment = {**os.environ, "FASTBN_BACKEND": ready, "MPLBACKEND": "agg", "PYTHONPATH": BESIDE}
    return subprocess.run(
        [sys.executable, SCRIPT, *argv], env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def commands():
    """Those of the command line."""
    return next(action.choices for action in build()._actions if action.dest == "command")


def test_every_module_example_and_command_runs_without_a_network(tmp_path, tally):
    for package in ("dask", "matplotlib", "sklearn", "xarray"):
        pytest.importorskip(package)
    done = offline(tmp_path)
    assert done.returncode == 0, done.stderr
    ran = json.loads((tmp_path / "ran.json").read_text(encoding="utf-8"))
    assert ran["attempts"] == []
    assert ran["modules"] > 100
    assert ran["examples"] > 300
    assert set(ran["commands"]) == set(commands())
    assert "Failed example" not in done.stdout
    tally("examples and commands run where sockets are forbidden", ran["examples"] + len(ran["commands"]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a filter of Linux")
def test_a_library_that_opens_a_socket_ends_the_process(tmp_path):
    assert offline(tmp_path, "probe").returncode == -signal.SIGSYS


def test_an_attempt_in_python_is_refused():
    code = "import sys, socket, offline; sys.addaudithook(offline.refuse); socket.create_connection(('127.0.0.1', 9))"
    environment = {**os.environ, "PYTHONPATH": BESIDE}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "PermissionError: socket.getaddrinfo" in done.stderr


def imported(node):
    """What a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module} if isinstance(node, ast.ImportFrom) and node.module and not node.level else set()


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(PACKAGE)) for path in SOURCES])
def test_no_source_imports_what_reaches_a_network_or_names_an_address(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in imported(node):
            assert not {name, name.partition(".")[0]} & NETWORKING
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "://" not in node.value
