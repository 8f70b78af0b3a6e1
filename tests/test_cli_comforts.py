"""What makes the command line pleasant: help, completion, progress, JSON."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest

import fastbn
from fastbn.cli import _progress, main
from fastbn.cli._commands import COMMANDS
from fastbn.cli._help import EXAMPLES
from fastbn.cli._parser import SHELLS, build, parse


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with two arrays and the statistics of each."""
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        x = np.random.default_rng(number).normal(5, 2, (60, 2))
        np.save(f"x{number}.npy", x)
        fastbn.channel_stats(x).save(f"x{number}.json")
    return tmp_path


def test_every_command_has_examples_and_they_parse(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert set(EXAMPLES) == set(COMMANDS)
    for command, examples in EXAMPLES.items():
        assert examples
        for example in examples:
            program, *argv = shlex.split(example.partition(">")[0], comments=True)
            assert program == "fastbn"
            assert parse(argv).command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_says_what_it_takes(capsys, command):
    assert main([command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "examples:\n  fastbn " in printed
    assert all(example in printed for example in EXAMPLES[command])
    parser = next(action for action in build()._actions if action.choices and command in action.choices)
    for action in parser.choices[command]._actions:
        assert action.help, action
        assert all(option in printed for option in action.option_strings)


def test_help_names_every_command_and_the_formats(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)
    for form in ("npy", "Zarr", "NetCDF", "HDF5", "GeoTIFF", "Parquet", "CSV"):
        assert form in printed


def test_help_imports_nothing_that_reads_files_or_computes():
    code = "import sys; from fastbn.cli import main; main(['stats', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("]")[2].split())
    assert "fastbn.cli._parser" in loaded
    assert not loaded & {f"fastbn.cli.{name}" for name in ("_commands", "_measure", "_transform", "formats", "_bench")}
    assert not {name.partition(".")[0] for name in loaded} & {"matplotlib", "shtab", "tqdm", "h5py", "zarr", "pyarrow"}


# Completion

BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_shtab_fastbn fastbn "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
COMPLETED = [
    ("fastbn s", {"stats"}),
    ("fastbn ''", set(COMMANDS)),
    ("fastbn stats --pl", {"--plot"}),
    ("fastbn normalize --me", {"--method", "--memory"}),
    ("fastbn normalize --method ''", {"zscore", "minmax", "batchnorm", "robust"}),
    ("fastbn denormalize --method ''", {"zscore", "minmax", "batchnorm"}),
    ("fastbn normalize --nan-policy o", {"omit"}),
    ("fastbn stats x", {"x1.npy", "x2.npy", "x1.json", "x2.json"}),
    ("fastbn stats x1.npy -o x1.j", {"x1.json"}),
    ("fastbn normalize x1", {"x1.npy", "x1.json"}),
    ("fastbn stats x1.npy --plot x2.j", {"x2.json"}),
    ("fastbn --backend n", {"numba"}),
    ("fastbn completion ''", set(SHELLS)),
    ("fastbn bench --q", {"--quick"}),
]


@pytest.fixture
def scripts(folder, capsys):
    """A completion script for each shell."""
    pytest.importorskip("shtab")
    found = {}
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        found[shell] = folder / f"completion.{shell}"
        found[shell].write_text(capsys.readouterr().out)
    return found


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(scripts, folder):
    for words, expected in COMPLETED:
        code = BASH.format(script=scripts["bash"].as_posix(), words=words)
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=folder)
        assert set(done.stdout.split()) == expected, words


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("tcsh", "-n")])
def test_shells_can_read_their_scripts(scripts, shell, check):
    text = scripts[shell].read_text()
    assert all(command in text for command in COMMANDS)
    assert "--nan-policy" in text
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run([shell, check, str(scripts[shell])], check=True, capture_output=True)


def test_completion_without_its_library_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert 'pip install "fastbn[cli]"' in printed.err


def test_an_unknown_shell_is_a_bad_argument(capsys):
    assert main(["completion", "cmd"]) == 2
    assert "invalid choice" in capsys.readouterr().err


# Progress


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self):
        return True


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_progress.time, "monotonic", clock.monotonic)
    return clock


def told(clock, sizes, steps):
    """What is said while (seconds, bytes) go by."""
    with _progress.progress("statistics", sizes) as done:
        for seconds, count in steps:
            clock.now += seconds
            done(count)


def test_a_log_gets_a_line_every_ten_seconds(clock, capsys):
    told(clock, [60_000_000], [(1, 10**6)] * 35)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "fastbn: statistics: 17 %, 1 MB/s, 00:50 left",
        "fastbn: statistics: 33 %, 1 MB/s, 00:40 left",
        "fastbn: statistics: 50 %, 1 MB/s, 00:30 left",
    ]


def test_a_short_job_says_nothing_to_a_log(clock, capsys):
    told(clock, [100], [(1, 10)] * 9)
    assert capsys.readouterr().err == ""


def test_a_log_says_which_file_it_is(clock, capsys):
    told(clock, [10, 30, 60], [(10, 10), (10, 29), (10, 1), (10, 60)])
    labels = [line.split(":")[1] for line in capsys.readouterr().err.splitlines()]
    assert labels == [
        " statistics 2/3 files",
        " statistics 2/3 files",
        " statistics 3/3 files",
        " statistics 3/3 files",
    ]


@pytest.mark.parametrize("sizes", [[], [0], [0, 0], [5]])
def test_nothing_to_do_and_more_than_that(clock, capsys, sizes):
    told(clock, sizes, [(0, 0), (11, 10)])
    assert "100 %" in capsys.readouterr().err


def test_hours_are_left(clock, capsys):
    told(clock, [10**12], [(10, 10**9)])
    assert "0 %, 100 MB/s, 2:46:30 left" in capsys.readouterr().err


def test_without_standard_error_there_is_no_progress(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    told(clock, [100], [(20, 10)])


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 40 columns; `redirect_stderr` makes it standard error, which a fixture cannot."""
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


def screen(text, width=40):
    """What a terminal of a width shows in the end; nothing may reach its last column."""
    line = []
    place = 0
    for letter in text:
        assert letter != "\n"
        if letter == "\r":
            place = 0
            continue
        line[place : place + 1] = letter
        place += 1
        assert place < width
    return "".join(line)


def test_without_tqdm_a_line_is_written_over(clock, terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with redirect_stderr(terminal), _progress.progress("writing", [10**8, 10**8]) as done:
        clock.now += 1
        done(5 * 10**7)
        shown = screen(terminal.getvalue())
        assert shown == "writing 1/2 files: 25 %, 50 MB/s, 00:03 left"[:39]
        clock.now += 0.05
        done(1)
        assert screen(terminal.getvalue()) == shown
        clock.now += 1
        done(10**8)
        assert screen(terminal.getvalue()).startswith("writing 2/2 files: 75 %")
    assert screen(terminal.getvalue()).strip() == ""
    assert terminal.getvalue().endswith("\r")


def half_a_job(clock):
    """A job that fails."""
    with _progress.progress("writing", [100, 300]) as done:
        clock.now += 1
        done(100)
        done(100)
        raise OSError("full")


def test_a_line_is_wiped_off_when_the_job_fails(clock, terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with redirect_stderr(terminal), pytest.raises(OSError, match="full"):
        half_a_job(clock)
    assert "25 %" in terminal.getvalue()
    assert screen(terminal.getvalue()).strip() == ""


def test_a_quick_job_leaves_no_trace(clock, terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with redirect_stderr(terminal):
        told(clock, [100], [(0.01, 50)])
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("fails", [False, True])
def test_a_bar_of_tqdm_leaves_neither_text_nor_threads(clock, terminal, fails):
    tqdm = pytest.importorskip("tqdm")
    before = set(threading.enumerate())
    with redirect_stderr(terminal):
        if fails:
            with pytest.raises(OSError, match="full"):
                half_a_job(clock)
        else:
            told(clock, [100, 300], [(1, 100), (1, 300)])
    assert set(threading.enumerate()) == before
    assert not getattr(tqdm.tqdm, "_instances", None)
    assert "1/2 files" in terminal.getvalue()
    assert screen(terminal.getvalue(), 200).strip() == ""


def test_jobs_of_several_files_say_which(folder, terminal):
    pytest.importorskip("tqdm")
    with redirect_stderr(terminal):
        assert main(["normalize", "x1.npy", "x2.npy", "out"]) == 0
    assert "writing 1/2 files" in terminal.getvalue()


# JSON


def one_document(capsys, *argv):
    assert main([str(part) for part in argv]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.endswith("\n")
    return json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


JOBS = [
    ("stats", "x1.npy"),
    ("stats", "x1.npy", "x2.npy", "-o", "new.json"),
    ("stats", "nan.npy", "--exact"),
    ("stats", "x1.npy", "--dry-run"),
    ("quantiles", "x1.npy"),
    ("quantiles", "nan.npy", "-o", "new.json"),
    ("normalize", "x1.npy", "y.npy"),
    ("normalize", "x1.npy", "x2.npy", "out", "--method", "minmax", "--clip"),
    ("normalize", "x1.npy", "y.npy", "--dry-run"),
    ("denormalize", "x1.npy", "y.npy", "--stats", "x1.json"),
    ("merge", "x1.json", "x2.json", "-o", "new.json"),
    ("info",),
]


@pytest.mark.parametrize("job", JOBS, ids=" ".join)
def test_json_is_one_document_and_nothing_else(folder, capsys, job):
    np.save("nan.npy", np.array([[np.nan, 1], [np.inf, 2]]))
    found = one_document(capsys, *job, "--json")
    assert isinstance(found, dict)
    if "--dry-run" not in job:
        assert "would" not in json.dumps(found)


def test_a_picture_says_nothing_to_json(folder, capsys):
    pytest.importorskip("matplotlib")
    found = one_document(capsys, "stats", "x1.npy", "--json", "--plot", "p.png")
    assert fastbn.ChannelStats.from_dict(found) == fastbn.ChannelStats.load("x1.json")


def test_failure_leaves_standard_output_empty(folder, capsys):
    assert main(["stats", "no.npy", "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("fastbn: error: ")


def test_the_demo_as_json(folder, capsys, monkeypatch):
    for package in ("matplotlib", "PIL", "sklearn"):
        pytest.importorskip(package)
    from fastbn.cli import _demo_table

    monkeypatch.setattr(_demo_table, "medians", lambda *functions: [1.0 for _ in functions])
    found = one_document(capsys, "demo", "--output", "results", "--json")
    assert {path.name for path in Path("results").iterdir()} == set(found["files"])
    assert found["directory"] == "results"
    assert len(found["rows"]) == 12
    assert {"case", "job", "numpy_error", "fastbn_error"} <= found["rows"][0].keys()
