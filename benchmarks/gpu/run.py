#!/usr/bin/env python
"""fastbn on the NVIDIA GPU of this machine: the conformance suite, checks of the device, and measurements.

Each part runs in a process of its own, in this order; what it finds, or the error that ends it, goes into a JSON file
with the name of the card, and from there into a Markdown table. That file keeps what it has of parts that are left out.
Exit status: 0 if nothing failed, 1 if a part did, 2 for bad arguments, 3 if there is no GPU.
PyTorch, CuPy and compute-sanitizer are compared with, or used, where they are installed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gpu import paths, report
from gpu.part import PARTS, add_options

GRACE = 15.0  # seconds, beyond a part's own, until it is ended from outside


def run_part(name: str, options: argparse.Namespace) -> dict:
    """Give what a part found, or how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "gpu.part", name, str(result)]
        command += ["--jobs", str(options.jobs), "--timeout", str(options.timeout)]
        command += ["--quick"] if options.quick else []
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=paths.variables(), timeout=options.timeout + GRACE, check=False)
            ended = f"ended with status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            ended = f"took more than {options.timeout:g} s"
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
    ended_early = {"ok": False, "error": ended} if ended else {}
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"date": now, "seconds": round(time.monotonic() - start, 1), "quick": options.quick} | found | ended_early


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=paths.RESULTS, help="folder (default: benchmarks/results)")
    parser.add_argument("--only", nargs="+", metavar="PART", default=PARTS, help=f"some of: {', '.join(PARTS[1:])}")
    add_options(parser)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.only) - set(PARTS)):
        parser.error(f"PART: got {', '.join(unknown)}; wants {', '.join(PARTS)}")
    if options.jobs < 1:
        parser.error(f"--jobs: got {options.jobs}; wants at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the parts, print and write; give the exit status."""
    options = parse(arguments)
    machine = run_part("environment", options)
    if "card" not in machine:
        print(machine.get("lacking") or machine["error"], file=sys.stderr)
        return 3
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{report.file_name(machine['card'])}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts = {"environment": machine}
    for name in PARTS:
        if name != "environment" and name in options.only:
            print(f"== {name}", flush=True)
            parts[name] = run_part(name, options) | {"fastbn": machine["versions"]["fastbn"]}
        # After each part: what a part that hangs, or the end of the lease of a machine, leaves is complete.
        merged = {part: (found | parts)[part] for part in PARTS if part in found | parts}
        path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(report.markdown(merged), encoding="utf-8")
    print(report.markdown(parts))
    return 0 if all(part.get("ok", True) for part in parts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
