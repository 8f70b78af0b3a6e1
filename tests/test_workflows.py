"""What workflows may do, and that a release is what was built and hashed."""

from __future__ import annotations

import itertools
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
if not FOLDER.is_dir():
    pytest.skip("the workflows are in the repository only", allow_module_level=True)

yaml = pytest.importorskip("yaml")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = {f"{name}: {job}": made for name, workflow in WORKFLOWS.items() for job, made in workflow["jobs"].items()}
RELEASE = WORKFLOWS["release"]["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINNED = re.compile(r"uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
REFERENCE = re.compile(r"\b(needs|steps)\.([\w-]+)\.(\w+)(?:\.([\w-]+))?")


def uses(job):
    """The actions of a job, without what they are pinned to."""
    return [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]


def scripts(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def allowed(job):
    return set(job.get("permissions", {}).items())


def test_there_are_workflows_for_changes_for_weeks_and_for_releases():
    assert set(WORKFLOWS) == {"ci", "scheduled", "release"}


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_to_a_commit_and_says_its_version(name):
    lines = [line.strip().removeprefix("- ") for line in TEXTS[name].splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_an_action_has_one_commit_in_all_workflows():
    pins = {line.split("uses: ")[1] for text in TEXTS.values() for line in text.splitlines() if "uses: " in line}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_nothing_that_a_job_does_not_ask_for(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"] == "${{ github.workflow }}-${{ github.ref }}"
    triggers = workflow[True]  # what YAML 1.1 takes `on` for
    assert set(triggers) <= {"pull_request", "push", "schedule", "workflow_dispatch"}
    assert "workflow_dispatch" in triggers


@pytest.mark.parametrize("name", JOBS)
def test_a_job_reads_the_sources_or_nothing(name):
    more = {
        "release: publish": {("attestations", "write"), ("id-token", "write")},
        "release: announce": {("contents", "write")},
    }
    sources = {("contents", "read")} if "actions/checkout" in uses(JOBS[name]) else set()
    assert allowed(JOBS[name]) == more.get(name, sources)
    assert JOBS[name]["timeout-minutes"] <= 350


@pytest.mark.parametrize("name", TEXTS)
def test_no_workflow_knows_a_secret(name):
    assert not re.search(r"secrets\s*[.\[]|password|pull_request_target", TEXTS[name])


@pytest.mark.parametrize("name", JOBS)
def test_a_checkout_leaves_no_credentials(name):
    for step in JOBS[name]["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", JOBS)
def test_scripts_are_shell_and_take_nothing_from_expressions(name, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    for script in scripts(JOBS[name]):
        assert "${{" not in script  # what others write, such as the name of a branch, would be run
        (tmp_path / "script").write_text(script, encoding="utf-8")
        done = subprocess.run([bash, "-n", tmp_path / "script"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_expressions_name_jobs_steps_and_outputs_that_there_are(name):
    jobs = WORKFLOWS[name]["jobs"]
    for job in jobs.values():
        before = {job["needs"]} if isinstance(job.get("needs"), str) else set(job.get("needs", ()))
        assert before <= set(jobs)
        steps = {step["id"]: step for step in job["steps"] if "id" in step}
        for kind, key, part, output in REFERENCE.findall(str(job)):
            if kind == "needs":
                assert key in before
                assert part == "outputs"
                assert output in jobs[key]["outputs"]
            else:
                assert part == "outputs"
                assert re.search(rf"\b{output}(=|<<)", steps[key]["run"])


def builds(job):
    """Its steps that build this package, or start what does."""
    return [step for step in job["steps"] if re.search(r"pip install \"?(\.|dist)|nox -s", step.get("run", ""))]


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if builds(job)])
def test_no_job_goes_on_without_the_extension_that_it_cannot_build(name):
    job, workflow = JOBS[name], WORKFLOWS[name.partition(":")[0]]
    for step in builds(job):
        variables = workflow.get("env", {}) | job.get("env", {}) | step.get("env", {})
        assert variables["FASTBN_REQUIRE_EXT"] == "1"


def test_every_job_of_a_change_must_pass():
    jobs = WORKFLOWS["ci"]["jobs"]
    gate = jobs["pass"]
    assert set(gate["needs"]) == set(jobs) - {"pass"}
    assert gate["if"] == "always()"
    (script,) = scripts(gate)
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    for results, code in {
        "success success": 0,
        "success": 0,
        "success failure": 1,
        "skipped success": 1,
        "": 1,
    }.items():
        done = subprocess.run([bash, "-ec", script], env={"RESULTS": results}, capture_output=True, check=False)
        assert done.returncode == code, results


def test_only_a_tag_that_is_pushed_publishes():
    assert RELEASE["publish"]["if"] == "github.event_name == 'push' && startsWith(github.ref, 'refs/tags/v')"
    assert WORKFLOWS["release"][True]["push"] == {"tags": ["v*"]}
    assert set(RELEASE["publish"]["needs"]) == {"version", "hashes"}
    assert set(RELEASE["hashes"]["needs"]) == {"version", "wheels", "sdist"}
    assert "publish" in RELEASE["announce"]["needs"]
    assert RELEASE["publish"]["environment"] == {"name": "release"}
    publishing = {name for name, job in JOBS.items() if "pypa/gh-action-pypi-publish" in uses(job)}
    assert publishing == {"release: publish"}


def test_publishing_runs_no_code_of_the_repository():
    for job in (RELEASE["publish"], RELEASE["announce"]):
        assert "actions/checkout" not in uses(job)
        assert not re.search(r"python|pip|\./", "\n".join(scripts(job)))


def test_what_is_published_is_hashed_checked_and_signed_first():
    names = [step.get("uses", "run").partition("@")[0] for step in RELEASE["publish"]["steps"]]
    assert names == [
        "actions/download-artifact",
        "run",
        "actions/attest-build-provenance",
        "pypa/gh-action-pypi-publish",
    ]
    assert RELEASE["publish"]["steps"][1]["env"] == {"SUMS": "${{ needs.hashes.outputs.sums }}"}
    assert not any("continue-on-error" in step or "if" in step for step in RELEASE["publish"]["steps"])


NEEDS_SHELL = pytest.mark.skipif(not all(map(shutil.which, ("bash", "sha256sum"))), reason="needs bash and sha256sum")


def in_bash(script, folder, **environment):
    """Run a script as GitHub does; its exit code."""
    command = [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    variables = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False).returncode


@pytest.fixture
def dist(tmp_path):
    """A folder with what a release consists of, by name."""
    folder = tmp_path / "dist"
    folder.mkdir()
    built = PROJECT["tool"]["cibuildwheel"]
    for platform, system in {"manylinux": "linux", "musllinux": "linux", "macosx": "macos", "win": "windows"}.items():
        for python, arch in itertools.product(built["build"], built[system]["archs"]):
            (folder / f"fastbn-1.2-{python.rstrip('-*')}-{platform}_{arch}.whl").write_text(arch, encoding="utf-8")
    (folder / "fastbn-1.2.tar.gz").write_text("source", encoding="utf-8")
    return folder


@pytest.fixture
def sums(dist, tmp_path):
    """What the job that hashes says of it."""
    (said,) = (step for step in RELEASE["hashes"]["steps"] if step.get("id") == "computed")
    output = tmp_path / "output"
    assert in_bash(said["run"], dist, GITHUB_OUTPUT=str(output)) == 0
    found = re.fullmatch(r"sums<<END\n(.*)\nEND\n", output.read_text(encoding="utf-8"), re.DOTALL)
    return found[1]


@NEEDS_SHELL
@pytest.mark.parametrize("job", ["publish", "announce"])
def test_a_file_that_is_not_what_was_hashed_stops_the_release(job, dist, sums, tmp_path):
    (check,) = scripts(RELEASE[job])
    (tmp_path / "gh").write_text('#!/bin/sh\necho "$@" >../released\n', encoding="utf-8")
    (tmp_path / "gh").chmod(0o700)
    variables = {"SUMS": sums, "VERSION": "1.2", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert in_bash(check, dist, **variables) == 0
    assert (tmp_path / "released").exists() == (job == "announce")
    (tmp_path / "released").unlink(missing_ok=True)
    (dist / "fastbn-1.2.tar.gz").write_text("tampered", encoding="utf-8")
    assert in_bash(check, dist, **variables) != 0
    (dist / "fastbn-1.2.tar.gz").unlink()
    assert in_bash(check, dist, **variables) != 0
    assert not (tmp_path / "released").exists()


@NEEDS_SHELL
def test_a_file_that_was_not_hashed_is_not_published(dist, sums):
    (check,) = scripts(RELEASE["publish"])
    (dist / "fastbn-1.2-py3-none-any.whl").touch()
    assert in_bash(check, dist, SUMS=sums) != 0


@NEEDS_SHELL
@pytest.mark.parametrize("more", ["notes.txt", "fastbn-1.3.tar.gz", "fastbn-1.3-cp311-manylinux_x86_64.whl"])
def test_a_release_has_nothing_else(dist, more):
    (check,) = (script for script in scripts(RELEASE["hashes"]) if "none-any" in script)
    (dist / more).touch()
    assert in_bash(check, dist, VERSION="1.2") != 0


@NEEDS_SHELL
@pytest.mark.parametrize("missing", ["fastbn-1.2.tar.gz", "fastbn-1.2-cp311-manylinux_x86_64.whl"])
@pytest.mark.parametrize("instead", ["", "fastbn-1.2-py3-none-any.whl", "fastbn-1.3-cp311-manylinux_x86_64.whl"])
def test_a_release_is_complete_and_without_a_wheel_that_lacks_the_extension(dist, missing, instead):
    (check,) = (script for script in scripts(RELEASE["hashes"]) if "none-any" in script)
    assert in_bash(check, dist, VERSION="1.2") == 0
    (dist / missing).unlink()
    if instead:
        (dist / instead).touch()
    assert in_bash(check, dist, VERSION="1.2") != 0


@NEEDS_SHELL
@pytest.mark.parametrize(
    ("kind", "tag", "code"), [("tag", "v{}", 0), ("tag", "v{}.post1", 1), ("tag", "{}", 1), ("branch", "main", 0)]
)
def test_the_tag_is_the_version(kind, tag, code, tmp_path):
    (check,) = scripts(RELEASE["version"])
    version = runpy.run_path(str(ROOT / "fastbn" / "_version.py"))["__version__"]
    variables = {
        "GITHUB_REF_TYPE": kind,
        "GITHUB_REF_NAME": tag.format(version),
        "GITHUB_OUTPUT": str(tmp_path / "out"),
    }
    assert in_bash(check, ROOT, **variables) == code
    if not code:
        assert (tmp_path / "out").read_text(encoding="utf-8") == f"version={version}\n"


def test_wheels_are_built_for_the_machines_of_pyproject():
    built = PROJECT["tool"]["cibuildwheel"]
    wanted = {(system, arch) for system in ("linux", "macos", "windows") for arch in built[system]["archs"]}
    assert {(row["system"], row["arch"]) for row in RELEASE["wheels"]["strategy"]["matrix"]["include"]} == wanted


def test_what_builds_wheels_is_installed_where_the_system_does_not_have_it():
    (builder,) = (step for step in RELEASE["wheels"]["steps"] if step.get("uses", "").startswith("pypa/cibuildwheel@"))
    assert PROJECT["tool"]["cibuildwheel"]["build-frontend"] == f"build[{builder['with']['extras']}]"


def test_tools_of_a_release_are_pinned_to_hashes():
    for path in (ROOT / ".github" / "requirements").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        assert lines
        assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
        assert f"pip install --require-hashes -r .github/requirements/{path.name}" in "".join(TEXTS.values())


def test_updates_of_actions_and_tools_are_proposed_together():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {update["package-ecosystem"]: update["directory"] for update in updates} == {
        "github-actions": "/",
        "pip": "/.github/requirements",
    }
    assert all(len(update["groups"]) == 1 for update in updates)


def test_what_is_tested_with_numpy_alone_is_there():
    names = (ROOT / "tests" / "numpy_only.txt").read_text(encoding="utf-8").split()
    assert len(names) > 5
    assert all((ROOT / name).is_file() for name in names)


@pytest.fixture(scope="module")
def sessions():
    """What the file of nox's sessions defines; nox takes it once only."""
    pytest.importorskip("nox")
    return runpy.run_path(str(ROOT / "noxfile.py"))


def test_every_session_that_workflows_run_is_there(sessions):
    named = set(re.findall(r"nox -s ([\w-]+)", "".join(TEXTS.values())))
    assert named
    assert named <= set(sessions)


def test_every_part_of_the_hardening_has_a_job_of_its_own(sessions):
    assert list(sessions["HARDENING"]) == WORKFLOWS["scheduled"]["jobs"]["hardening"]["strategy"]["matrix"]["part"]
