"""What fuzzing starts from and what it has found, read once more without a fuzzer: documented errors and no others."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fastbn
from fuzzed import program

targets, fuzzers = program("targets"), program("run")
TARGETS = list(targets.TARGETS.values())


@pytest.fixture(autouse=True)
def compiled():
    """Reading is the same with every backend; this one compiles nothing meanwhile."""
    if not next(info for info in fastbn.backends() if info.name == "cython").available:
        pytest.skip("no compiled backend")
    with fastbn.use_backend("cython"):
        yield


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_input_of_the_corpus_is_read_or_refused_in_one_line(target, tally):
    if not target.available:
        pytest.skip(f"needs {', '.join(target.libraries)}")
    assert target.corpus, "no corpus"
    for path in target.corpus:
        try:
            target.read(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: {type(error).__name__}: {error}") from error
    tally("inputs of the fuzzers' corpus read again", len(target.corpus))


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for target in TARGETS for path in target.corpus) < 200_000


@pytest.mark.parametrize("data", [b"", b"\x93no such file\xff"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_bytes_without_meaning_are_refused(target, data):
    if not target.available:
        pytest.skip(f"needs {', '.join(target.libraries)}")
    target.read(data)


def test_an_error_that_nobody_foresaw_ends_a_target(monkeypatch):
    def broken(args):
        raise IndexError("list index out of range")

    monkeypatch.setitem(targets.COMMANDS, "info", broken)
    with pytest.raises(IndexError):
        targets.TARGETS["npy"].read(b"")


@pytest.mark.parametrize(("code", "count", "found", "ended"), [(0, 9, b"", 0), (77, 9, b"\xffx", 1), (0, 0, b"", 1)])
def test_what_a_fuzzer_finds_is_printed_and_makes_the_run_fail(code, count, found, ended, monkeypatch, capsys, folder):
    def fuzzer(command, **_):
        (prefix,) = (option.partition("=")[2] for option in command if option.startswith("-artifact_prefix="))
        if found:
            Path(f"{prefix}crash-1").write_bytes(found)
        return subprocess.CompletedProcess(command, code, "", f"stat::number_of_executed_units: {count}\n")

    monkeypatch.setattr(fuzzers.subprocess, "run", fuzzer)
    monkeypatch.setattr(sys, "argv", ["run.py", "npy", "--findings", "found", "--json", "counts.json"])
    assert fuzzers.main() == ended
    printed = capsys.readouterr().out
    assert f"npy: {count} executions" in printed
    assert json.loads(Path("counts.json").read_text())["tallies"] == {"fuzz executions": count}
    assert not found or base64.b64encode(found).decode() in printed
