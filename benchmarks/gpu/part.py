"""One part, in this process: ``python -m gpu.part PART RESULT [--quick] [--jobs N] [--timeout SECONDS]``.

A fault of the device poisons the process that it happens in, and memory is free again when a process ends: so each part
has one.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

#: In this order; each is a module of this folder with a function ``run`` that yields what it has found so far, of which
#: ``ok`` says whether something failed.
PARTS = (
    "environment",
    "conformance",
    "repeats",
    "alignment",
    "streams",
    "graphs",
    "large",
    "memory",
    "sanitizer",
    "measurement",
)
TIMEOUT = 3600.0  # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """What parts are told."""
    parser.add_argument("--quick", action="store_true", help="few repetitions, shapes and examples: a first look")
    parser.add_argument("--jobs", type=int, default=1, help="processes of the conformance suite (default: 1)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help=f"seconds for a part (default: {TIMEOUT:g})")


def keep(found: dict, path: Path) -> None:
    """Write it down, at once: a process may end at any time."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(found) + "\n", encoding="utf-8")
    beside.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Run a part and write down what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("result", type=Path)
    add_options(parser)
    options = parser.parse_args(arguments)
    found: dict = {}
    try:
        for found in importlib.import_module(f"gpu.{options.part}").run(options):
            keep(found, options.result)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        keep(found | {"ok": False, "error": f"{type(error).__name__}: {error}"}, options.result)


if __name__ == "__main__":
    main()
