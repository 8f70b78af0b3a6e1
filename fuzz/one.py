"""Fuzz one target with atheris: `python fuzz/one.py NAME [options and folders of libFuzzer]`."""

from __future__ import annotations

import sys
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


def main() -> None:
    target = TARGETS[sys.argv[1]]
    fastbn.set_num_threads(1)
    fastbn.set_backend("cython")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
