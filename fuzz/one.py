"""Fuzz one target with atheris: `python fuzz/one.py NAME [options and folders of libFuzzer]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.append(str(Path(__file__).parent))

# What parses bytes in Python. `tokenize` and `ast` are of NumPy's reader of headers.
PARSERS = [
    "fastbn",
    "json",
    "numpy.lib._format_impl",
    "numpy.lib.format",
    "scipy.io._netcdf",
    "zarr",
    "h5netcdf",
    "tokenize",
    "ast",
]

with atheris.instrument_imports(include=PARSERS):
    from targets import TARGETS

    import fastbn


def launcher(folder: str) -> str:
    """What libFuzzer starts to go on after a crash while it merges: it knows no interpreters."""
    script = Path(folder, "one")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{sys.argv[1]}" "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    return str(script)


def main() -> None:
    target = TARGETS[sys.argv[1]]
    fastbn.set_num_threads(1)
    fastbn.set_backend("cython")
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup([launcher(folder), *sys.argv[2:]], target.read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
