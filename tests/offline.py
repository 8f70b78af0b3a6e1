"""What is run where there is no network: every module, every example, every command. Prints what it has run.

Python's own attempts to reach a network raise, and are remembered in case somebody catches that; on Linux, the kernel
ends the process when a library opens an Internet socket by itself.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import pkgutil
import struct
import sys
from pathlib import Path

FORBIDDEN = (
    "socket.bind",
    "socket.connect",
    "socket.get",
    "socket.sendto",
    "ftplib.",
    "http.client.",
    "smtplib.",
    "urllib.",
)
INTERNET = (2, 10)  # AF_INET and AF_INET6 on Linux
#: Machine -> its number in the kernel's audit, and that of the system call `socket`.
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of a filter: load a word, jump if it is equal, end
ALLOW, KILL = 0x7FFF0000, 0x80000000
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2

attempts = []


def refuse(event, arguments):
    """Raise where Python is about to reach a network."""
    if event.startswith(FORBIDDEN):
        attempts.append(f"{event}{arguments}")
        raise PermissionError(attempts[-1])


def forbid_sockets():
    """Let the kernel end this process, and its children, when one opens an Internet socket; whether it will."""
    machine = MACHINES.get(os.uname().machine) if sys.platform == "linux" else None
    if machine is None:
        return False
    audit, call = machine
    steps = [
        (LOAD, 0, 0, 4),  # the machine
        (EQUAL, 0, 5, audit),
        (LOAD, 0, 0, 0),  # the call
        (EQUAL, 0, 3, call),
        (LOAD, 0, 0, 16),  # its first argument, the family
        (EQUAL, 2, 0, INTERNET[0]),
        (EQUAL, 1, 0, INTERNET[1]),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.prctl(SECCOMP, FILTER, program, 0, 0) == 0


def import_everything():
    """Every module, but the command itself and those of libraries that are not here; how many."""
    import fastbn

    found = [info.name for info in pkgutil.walk_packages(fastbn.__path__, "fastbn.")]
    imported = 0
    for name in sorted(found):
        if name == "fastbn.__main__" or "._kernels" in name:  # bound by whoever compiles them
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name.startswith("fastbn"):
                raise
            continue
        imported += 1
    return imported


def run_examples():
    """Those of every public function, class and method; how many."""
    import doctest

    from test_examples import MODULES, NEEDED, examples

    runner = doctest.DocTestRunner(verbose=False)
    for name in MODULES:
        if importlib.util.find_spec(NEEDED.get(name, "numpy")):
            for example in examples(name):
                runner.run(example)
    return runner.summarize(verbose=False).attempted


def once(*functions, **settings):
    """Call what would be timed."""
    for function in functions:
        function()
    return [1.0] * len(functions)


def run_commands(folder):
    """Each command of the command line; their names."""
    import numpy as np

    from fastbn.cli import _bench, _demo_table, main

    _bench.medians = _demo_table.medians = once
    x = np.random.default_rng(1).normal(9, 3, (400, 3))
    np.save(folder / "x.npy", x)
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    lines = [
        "stats x.npy -o x.json",
        "stats x.csv",
        "quantiles x.npy -o q.json",
        "normalize x.npy z.npy --stats x.json",
        "denormalize z.npy back.npy --stats x.json",
        "merge x.json x.json -o both.json",
        "info",
        "info x.npy",
        "bench --quick",
        "completion bash",
        "demo --output demo",
    ]
    os.chdir(folder)
    for line in lines:
        assert main(line.split()) == 0, line
    return sorted({line.split()[0] for line in lines})


if __name__ == "__main__":
    sys.addaudithook(refuse)
    ran = {"sockets forbidden": forbid_sockets()}
    if sys.argv[2:] == ["probe"]:
        ctypes.CDLL(None).socket(INTERNET[0], 1, 0)
    ran["modules"] = import_everything()
    ran["examples"] = run_examples()
    ran["commands"] = run_commands(Path(sys.argv[1]))
    ran["attempts"] = attempts
    Path(sys.argv[1], "ran.json").write_text(json.dumps(ran), encoding="utf-8")
