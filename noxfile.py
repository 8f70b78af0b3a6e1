#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox"]
# ///
"""Each check in an environment of its own: `nox`, or `nox -s tests` for one."""

import os
from pathlib import Path

import nox

MACHINE = "reference"  # whose results are in the repository
GUARDED = ("pytest", "-n", "auto", "-p", "guard_allocator", "tests")
CALLS = ("python", "fuzz/calls.py", "--calls", "1000000", "--backend")
#: What `hardening` runs, with which variables.
HARDENING: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "sanitizers": (("bash", ".ci/sanitizers"), {"FASTBN_SANITIZE": "full"}),
    "bounds checks": (("bash", ".ci/boundscheck"), {"FASTBN_SANITIZE": "full"}),
    "guard pages, every layout": (("pytest", "-n", "auto", "tests/test_guard_pages.py"), {"FASTBN_GUARD": "full"}),
    "guard pages at the end": (GUARDED, {"PYTHONPATH": "tests", "FASTBN_GUARD_SIDE": "end"}),
    "guard pages at the start": (GUARDED, {"PYTHONPATH": "tests", "FASTBN_GUARD_SIDE": "start"}),
    "kills": (("pytest", "tests/test_killed_writers.py", "tests/test_failing_writes.py"), {"FASTBN_KILLS": "200"}),
    "calls cython": ((*CALLS, "cython"), {}),
    "calls numba": ((*CALLS, "numba"), {}),
    "fuzz": (("python", "fuzz/run.py", "--seconds", "600"), {}),
}

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests", "docs"]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy", "--strict", "fastbn")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    session.install(".[numba,test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False, python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest supported release of everything, and built with the oldest tools."""
    constraints = Path(session.create_tmp(), "oldest.txt").resolve()
    constraints.write_text(str(session.run("python", ".ci/oldest", silent=True)), encoding="utf-8")
    held = ("--constraint", str(constraints))
    session.install(*held, "setuptools", "Cython", "numpy")
    session.install(*held, "--no-build-isolation", ".[numba,test]", env={"FASTBN_REQUIRE_EXT": "1"})
    # Old libraries call what new ones of theirs do not recommend.
    session.run("pytest", "-W", "ignore::DeprecationWarning", *session.posargs)


@nox.session(default=False)
def prereleases(session: nox.Session) -> None:
    """Run the tests with the newest pre-releases of everything."""
    session.install("--pre", ".[numba,test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False, python="3.11")
def hardening(session: nox.Session) -> None:
    """Do at length what `.ci/run` does for minutes: every test with sanitizers, index checks and guard pages; fuzzing.

    Counts go to FASTBN_EVIDENCE_FOLDER; arguments are names of parts, which otherwise all run.
    """
    session.install(".[numba,dev,fuzz]", env={"FASTBN_REQUIRE_EXT": "1"})
    folder = Path(os.environ.get("FASTBN_EVIDENCE_FOLDER") or session.create_tmp()).resolve()
    for name in session.posargs or HARDENING:
        command, variables = HARDENING[name]
        held = {"FASTBN_EVIDENCE": str(folder / f"{name}.json"), "PYTHONSAFEPATH": "1", **variables}
        session.run(*command, env=held, external=command[0] == "bash")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site with its whole gallery, in some 12 minutes, and open every page in a browser."""
    session.install(".[docs]")
    site = Path("docs", "_build", "html").resolve()
    session.run("python", "docs/site/build.py", str(site))
    session.run("pytest", "tests/test_site.py", env={"FASTBN_SITE": str(site)})


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Compare with NumPy and scikit-learn, and with PyTorch where it is installed; arguments go to the script."""
    session.install(".[bench]")
    session.run("python", "benchmarks/side_by_side.py", *session.posargs)


@nox.session(default=False)
def versions(session: nox.Session) -> None:
    """Time the milestones of `benchmarks/versions.txt` with asv, compare the last two, and build the pages.

    What is in the results already is not timed again; arguments go to `asv run`, for example `--bench statistics`.
    """
    session.install("asv>=0.6.4", "virtualenv")
    commits = [line.split()[0] for line in Path("benchmarks/versions.txt").read_text(encoding="utf-8").splitlines()]
    chosen = Path(session.create_tmp(), "commits").resolve()
    chosen.write_text("\n".join(commits), encoding="utf-8")
    session.chdir("benchmarks")
    session.run("asv", "machine", "--machine", MACHINE, "--yes")
    session.run("asv", "run", f"HASHFILE:{chosen}", "--machine", MACHINE, "--skip-existing", *session.posargs)
    session.run("asv", "compare", *commits[-2:], "--machine", MACHINE, "--factor", "1.1", "--only-changed")
    session.run("asv", "publish")


if __name__ == "__main__":
    nox.main()
