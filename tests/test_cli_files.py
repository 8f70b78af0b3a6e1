"""The command line and files that are damaged, hostile, in the way, or half written when the job ends."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn import _files
from fastbn.cli import main
from fastbn.cli._choice import Choice
from fastbn.cli._errors import JobError
from fastbn.cli.formats import open_source
from fastbn.cli.formats._npy import NpySink

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and links of POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with an array of two channels and its statistics."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(3).normal(5, 2, (60, 2))
    np.save("x.npy", x)
    fastbn.channel_stats(x).save("x.json")
    return tmp_path


@pytest.fixture
def refused(capsys, folder):
    """Run a command that must fail in one line and leave the folder as it is. Returns the line."""

    def call(*argv, code=1):
        before = contents(folder)
        assert main([str(part) for part in argv]) == code
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("fastbn: error: ")
        assert printed.err.endswith("\n")
        assert printed.err.count("\n") == 1
        assert contents(folder) == before
        return printed.err

    return call


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def npy(shape, descr="<f8", data=b"", *, fortran_order=False, version=(1, 0)):
    """A file made by hand."""
    header = repr({"descr": descr, "fortran_order": fortran_order, "shape": shape}).encode() + b"\n"
    length = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + header + data


def objects():
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object))
    return file.getvalue()


class Bomb:
    """Unpickling this creates a file."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


BAD_FILES = {
    "empty": (b"", "not a .npy file"),
    "short": (b"\x93NUM", "not a .npy file"),
    "text": (b"a,b\n1,2\n", "not a .npy file"),
    "zip": (b"PK\x03\x04" + bytes(60), "not a .npy file"),
    "pickle": (pickle.dumps(Bomb()), "not a .npy file"),
    "objects": (objects(), "never loaded"),
    "version": (npy((2, 2), version=(7, 1), data=bytes(32)), "version"),
    "header cut": (npy((2, 2))[:30], "not a .npy file"),
    "header huge": (b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + bytes(100), "not a .npy file"),
    "header nested": (b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000, "not a .npy file"),
    "no dict": (b"\x93NUMPY\x01\x00\x04\x001+1\n", "not a .npy file"),
    "descr": (npy((2, 2), descr="rubbish"), "not a .npy file"),
    "truncated": (npy((60, 2), data=bytes(60 * 2 * 8 - 1)), "truncated"),
    "no data": (npy((10**9, 2)), "truncated"),
    "absurd": (npy((10**15, 10**15)), "truncated"),
    "negative": (npy((-60, 2), data=bytes(960)), "shape"),
    "truth value": (npy((True, 3), data=bytes(24)), "shape"),
    "truth value and no data": (npy((False, 3)), "shape"),
    "overflow": (npy((2**70, 0)), "shape"),
    "empty and too large": (npy((0, 2**62, 2**62)), "shape"),
    "digits": (npy((10**4000, 10**4000)), "shape"),
    "axes": (npy((1,) * 65, data=bytes(8)), "shape"),
    "records": (npy((4,), descr=[("a", "<f8"), ("b", "<f8")], data=bytes(64)), "records"),
    "rows": (npy((4,), descr=("<f8", (2,)), data=bytes(64)), "records"),
    "complex": (npy((4, 2), descr="<c16", data=bytes(128)), "complex128"),
    "strings": (npy((4, 2), descr="<U2", data=bytes(64)), "<U2"),
    "dates": (npy((4, 2), descr="<M8[s]", data=bytes(64)), "datetime64"),
    "nothing per value": (npy((4, 10**18), descr="|S0"), "S"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
@pytest.mark.parametrize("command", ["stats", "normalize", "denormalize"])
def test_bad_input_files(refused, folder, bad, command):
    data, reason = BAD_FILES[bad]
    Path("bad.npy").write_bytes(data)
    argv = {
        "stats": ("bad.npy", "-o", "out.json"),
        "normalize": ("bad.npy", "out.npy"),
        "denormalize": ("bad.npy", "out.npy", "--stats", "x.json"),
    }
    line = refused(command, *argv[command])
    assert reason in line
    assert "bad.npy" in line


def opened_or_refused(path):
    try:
        with open_source(path, Choice()) as source:
            return source.fields[0].nbytes <= 48
    except (JobError, TypeError) as error:
        return str(path) in str(error)


@given(data=st.data())
def test_a_damaged_header_is_read_or_refused(tmp_path_factory, data):
    good = bytearray(npy((3, 2), data=bytes(48)))
    for place in data.draw(st.lists(st.integers(0, len(good) - 49), max_size=4)):
        good[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(good)
    assert opened_or_refused(path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("padding", [b"", b" " * 3])
def test_every_format_version_and_any_alignment(folder, version, padding):
    x = np.arange(12, dtype=">f4").reshape(4, 3)
    data = npy(x.shape, ">f4", x.tobytes(), version=version)
    if padding:  # the data no longer starts at a multiple of its item size
        length = int.from_bytes(data[8:10], "little") + len(padding)
        data = data[:8] + length.to_bytes(2, "little") + data[10:].replace(b"}\n", b"}" + padding + b"\n", 1)
    Path("odd.npy").write_bytes(data)
    assert main(["normalize", "odd.npy", "y.npy"]) == 0
    np.testing.assert_array_equal(np.load("y.npy"), fastbn.zscore(x))


REFUSED = {
    "missing": (("stats", "no.npy"), "no.npy: No such file"),
    "a directory of nothing": (("stats", "empty"), "no files of a known format"),
    "a pattern of nothing": (("stats", "*.nothing"), "no file matches"),
    "unknown format": (("stats", "x.unknown"), "tells a format"),
    "axis": (("stats", "x.npy", "--channel-axis", "2"), "(60, 2)"),
    "output exists": (("stats", "x.npy", "-o", "x.json"), "--overwrite"),
    "plot exists": (("stats", "x.npy", "--plot", "old.png"), "--overwrite"),
    "axis twice by another name": (("stats", "x.npy", "--channel-axis", "1,-1"), "channel_axis"),
    "out exists": (("normalize", "x.npy", "x.json"), "--overwrite"),
    "out is a directory": (("normalize", "x.npy", ".", "--overwrite"), "not a regular file"),
    "no such directory": (("normalize", "x.npy", "no/y.npy"), "does not exist"),
    "other channels": (("normalize", "x.npy", "y.npy", "--stats", "three.json"), "(3,)"),
    "other channels back": (("denormalize", "x.npy", "y.npy", "--stats", "three.json"), "(3,)"),
    "other axes": (("normalize", "x.npy", "y.npy", "--stats", "x.json", "--channel-axis", "none"), "(2,)"),
    "no statistics": (("normalize", "x.npy", "y.npy", "--stats", "no.json"), "no.json: No such file"),
    "not statistics": (("normalize", "x.npy", "y.npy", "--stats", "other.json"), "other.json"),
    "an array for statistics": (("normalize", "x.npy", "y.npy", "--stats", "one.npy"), "one.npy"),
    "one value": (("normalize", "one.npy", "y.npy", "--method", "batchnorm"), "one value"),
    "merge other channels": (("merge", "x.json", "three.json", "-o", "all.json"), "(3,)"),
    "merge no statistics": (("merge", "x.json", "other.json", "-o", "all.json"), "other.json"),
    "merge exists": (("merge", "x.json", "-o", "three.json"), "--overwrite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(refused, folder, case):
    fastbn.channel_stats(np.arange(6.0).reshape(2, 3)).save("three.json")
    Path("other.json").write_text('{"a": 1}')
    Path("old.png").write_bytes(b"old")
    Path("x.unknown").write_bytes(b"old")
    Path("empty").mkdir()
    np.save("one.npy", np.ones((1, 2)))
    argv, reason = REFUSED[case]
    assert reason in refused(*argv)


ARGUMENTS = {
    "nothing": ((), "COMMAND"),
    "unknown command": (("frobnicate",), "frobnicate"),
    "unknown option": (("stats", "x.npy", "--frobnicate"), "--frobnicate"),
    "abbreviated option": (("normalize", "x.npy", "y.npy", "--over"), "--over"),
    "no input": (("stats",), "IN"),
    "no output": (("normalize", "x.npy"), "OUT"),
    "method": (("normalize", "x.npy", "y.npy", "--method", "median"), "--method: invalid choice: 'median'"),
    "dtype": (("normalize", "x.npy", "y.npy", "--dtype", "int8"), "--dtype: invalid choice: 'int8'"),
    "axis": (("stats", "x.npy", "--channel-axis", "last"), "--channel-axis: got 'last'; wants an integer"),
    "axis twice": (("stats", "x.npy", "--channel-axis", "1,1"), "--channel-axis: got '1,1'; wants different axes"),
    "memory unit": (("stats", "x.npy", "--memory", "12 parsecs"), "--memory: got '12 parsecs'; wants a size"),
    "memory too small": (("stats", "x.npy", "--memory", "10KB"), "--memory: got '10KB'; wants at least 1MB"),
    "eps": (("normalize", "x.npy", "y.npy", "--eps", "-1"), "--eps: got -1.0; wants"),
    "eps nan": (("normalize", "x.npy", "y.npy", "--eps", "nan"), "--eps: got nan; wants"),
    "eps infinite": (("normalize", "x.npy", "y.npy", "--eps", "inf"), "--eps: got inf; wants"),
    "eps of letters": (("normalize", "x.npy", "y.npy", "--eps", "tiny"), "--eps: invalid float value: 'tiny'"),
    "ddof": (("normalize", "x.npy", "y.npy", "--ddof", "-1"), "--ddof: got -1; wants an int >= 0"),
    "ddof huge": (("normalize", "x.npy", "y.npy", "--ddof", "9" * 20), f"--ddof: got {'9' * 20}; wants an int"),
    "ddof of thousands of digits": (("normalize", "x.npy", "y.npy", "--ddof", "9" * 9999), "--ddof"),
    "ddof back": (("denormalize", "x.npy", "y.npy", "--stats", "x.json", "--ddof", "-1"), "--ddof: got -1; wants"),
    "range reversed": (
        ("normalize", "x.npy", "y.npy", "--method", "minmax", "--feature-range", "1", "0"),
        "--feature-range: got [1.0, 0.0]; wants two finite numbers lo < hi",
    ),
    "range nan": (
        ("normalize", "x.npy", "y.npy", "--method", "minmax", "--feature-range", "0", "nan"),
        "--feature-range: got [0.0, nan]; wants",
    ),
    "range back": (
        ("denormalize", "x.npy", "y.npy", "--stats", "x.json", "--method", "minmax", "--feature-range", "2", "2"),
        "--feature-range: got [2.0, 2.0]; wants",
    ),
    "threads": (("--threads", "0", "info"), "--threads: got '0'; wants an integer >= 1"),
    "backend": (("--backend", "abacus", "stats", "x.npy"), "--backend: invalid choice: 'abacus' (choose from "),
    "backend after the command": (("stats", "x.npy", "--backend", ""), "--backend: invalid choice: ''"),
    "plot": (("stats", "x.npy", "--plot", "p.jpg"), "--plot: got 'p.jpg'; wants a name that ends in .pdf, .png, .svg"),
    "plot without a type": (("stats", "x.npy", "--plot", "png"), "--plot: got 'png'; wants"),
    "clip": (("normalize", "x.npy", "y.npy", "--clip"), "--clip"),
    "ddof of another method": (("normalize", "x.npy", "y.npy", "--method", "batchnorm", "--ddof", "1"), "--ddof"),
    "range for z-score": (("normalize", "x.npy", "y.npy", "--feature-range", "0", "1"), "--feature-range"),
    "clip back": (("denormalize", "x.npy", "y.npy", "--stats", "x.json", "--method", "minmax", "--clip"), "--clip"),
    "back without statistics": (("denormalize", "x.npy", "y.npy"), "--stats"),
    "merge without output": (("merge", "x.json"), "--output"),
    "two lines": (("stats", "x.npy", "--frob\nnicate"), "--frob nicate"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_arguments_are_refused_with_code_2(refused, case):
    argv, reason = ARGUMENTS[case]
    line = refused(*argv, code=2)
    assert reason in line
    assert "--help" in line
    assert len(line) < 500


SHARED = {
    "two outputs": ("stats", "x.npy", "-o", "p.png", "--plot", "p.png"),
    "before the input is read": ("stats", "no.npy", "-o", "p.png", "--plot", "p.png"),
    "by another spelling": ("stats", "x.npy", "-o", "sub/../p.png", "--plot", "./p.png"),
    "by a link to nothing yet": ("stats", "x.npy", "-o", "to-p", "--plot", "p.png", "--overwrite"),
    "by a hard link": ("stats", "x.npy", "-o", "old", "--plot", "old.png", "--overwrite"),
    "output is the input": ("stats", "x.npy", "-o", "./x.npy", "--overwrite"),
    "plot is the input": ("stats", "x.png", "--plot", "x.png", "--overwrite"),
    "out is in": ("normalize", "x.npy", "x.npy", "--overwrite"),
    "out is in by a link": ("normalize", "x.npy", "to-x", "--overwrite"),
    "out is in by a hard link": ("normalize", "x.npy", "x.png", "--overwrite"),
    "out is the statistics": ("normalize", "x.npy", "x.json", "--stats", "x.json", "--overwrite"),
    "back onto the statistics": ("denormalize", "x.npy", "x.json", "--stats", "x.json", "--overwrite"),
    "merge into itself": ("merge", "x.json", "-o", "x.json", "--overwrite"),
}


@POSIX
@pytest.mark.parametrize("case", SHARED)
def test_an_output_has_a_file_of_its_own(refused, folder, case):
    Path("sub").mkdir()
    Path("to-p").symlink_to("p.png")
    Path("to-x").symlink_to("sub/../x.npy")
    Path("old").write_bytes(b"old")
    Path("old.png").hardlink_to("old")
    Path("x.png").hardlink_to("x.npy")
    line = refused(*SHARED[case], code=2)
    assert f"argument {'--plot' if '--plot' in SHARED[case] else 'output'}: got " in line
    assert "wants a file of its own" in line


@POSIX
def test_a_link_as_output_stays_one(refused, folder):
    Path("sub").mkdir()
    Path("sub/y.npy").write_bytes(b"old")
    Path("y.npy").symlink_to("sub/y.npy")
    assert "exists already" in refused("normalize", "x.npy", "y.npy")
    assert main(["normalize", "x.npy", "y.npy", "--overwrite"]) == 0
    assert Path("y.npy").readlink() == Path("sub/y.npy")
    np.testing.assert_array_equal(np.load("sub/y.npy"), fastbn.zscore(np.load("x.npy")))
    assert [path.name for path in Path("sub").iterdir()] == ["y.npy"]


def test_a_failure_while_drawing_leaves_no_statistics(refused, monkeypatch):
    pytest.importorskip("matplotlib")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert "p.png: No space left" in refused("stats", "x.npy", "-o", "s.json", "--plot", "p.png")


def test_overwrite_replaces_the_file_and_keeps_its_mode(folder):
    Path("y.npy").write_bytes(b"old")
    Path("y.npy").chmod(0o640)
    mode = Path("y.npy").stat().st_mode
    assert main(["normalize", "x.npy", "y.npy", "--overwrite"]) == 0
    np.testing.assert_array_equal(np.load("y.npy"), fastbn.zscore(np.load("x.npy")))
    assert Path("y.npy").stat().st_mode == mode
    assert sorted(path.name for path in folder.iterdir()) == ["x.json", "x.npy", "y.npy"]


@POSIX
def test_a_new_file_has_the_usual_mode(folder):
    Path("usual").touch()
    assert main(["normalize", "x.npy", "y.npy"]) == 0
    assert Path("y.npy").stat().st_mode == Path("usual").stat().st_mode


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError(), KeyboardInterrupt(), ZeroDivisionError("x")]
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_in_the_middle_leaves_nothing(refused, monkeypatch, error, old):
    if old:
        Path("y.npy").write_bytes(old)

    def fail(self, *_):
        self._file.write(b"half of it")
        raise error

    monkeypatch.setattr(NpySink, "write", fail)
    refused("normalize", "x.npy", "y.npy", "--overwrite")


def test_a_failure_while_saving_statistics_leaves_nothing(refused, monkeypatch):
    def fail(path, _):
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fastbn.cli._records.write_record", fail)
    assert "s.json: No space left" in refused("stats", "x.npy", "-o", "s.json")


def test_a_file_that_appears_meanwhile_is_not_replaced(capsys, folder, monkeypatch):
    def write(*_):
        Path("y.npy").write_bytes(b"of somebody else")

    monkeypatch.setattr(NpySink, "write", write)
    assert main(["normalize", "x.npy", "y.npy"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert Path("y.npy").read_bytes() == b"of somebody else"
    assert sorted(path.name for path in folder.iterdir()) == ["x.json", "x.npy", "y.npy"]


def test_a_disk_too_small_is_refused_before_work(refused, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 1000 - 959, 959))
    assert "960 bytes" in refused("normalize", "x.npy", "y.npy")


SLOW = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a parent like nohup may have it ignored ...
signal.signal(signal.SIGINT, signal.default_int_handler)  # ... a shell this one, in the background
from fastbn.cli import main
from fastbn.cli.formats._npy import NpySink
def write(self, *_):
    self._file.write(b"half of it")
    print("writing", flush=True)
    for _ in range(600):  # a signal just before one long sleep would not end it
        time.sleep(0.1)
NpySink.write = write
sys.exit(main(["normalize", "x.npy", "y.npy"]))
"""


@POSIX
def test_a_temporary_file_that_others_remove_is_not_used(tmp_path):
    """They took it for one that was left, before this process had its lock; and make their own of that name next."""
    usual = _files.scratch_beside(tmp_path / "out.npy", _files.new_file)
    usual.path.unlink()
    usual.release()
    left = [Path.unlink, lambda _: None]

    def make(path):
        _files.new_file(path)
        left.pop(0)(path)

    found = _files.scratch_beside(tmp_path / "out.npy", make)
    assert found.path != usual.path
    assert found.path.exists()


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_leave_nothing(folder, name):
    before = contents(folder)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SLOW], **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        assert len(contents(folder)) == len(before) + 1  # the temporary file
        process.send_signal(signal.Signals[name])
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors in {f"fastbn: error: stopped by {name}\n", "fastbn: error: interrupted\n"}
    assert contents(folder) == before


@POSIX
def test_handlers_of_signals_are_put_back(folder):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    assert main(["stats", "x.npy"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before


@POSIX
def test_a_closed_pipe_is_one_line(folder):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fastbn", "stats", "x.npy"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == "fastbn: error: nobody reads the output any more\n"
