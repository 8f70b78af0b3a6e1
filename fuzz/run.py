"""Fuzz the readers for a bounded time, from the corpus: `python fuzz/run.py --seconds 20 --json fuzz.json`.

Prints and writes how many inputs each target was given. What crashes, hangs (30 s) or takes more than 2 GiB of memory
ends its target, is kept in `--findings` and printed in base 64, and makes the exit code 1, as a target that is given
nothing does. `--keep` adds to the corpus what reaches code that nothing there reaches, as few and as short inputs as
do.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from targets import CORPUS, TARGETS, Target

HANG = 30  # seconds
MEMORY = 2048  # MiB
LONGEST = 4096  # bytes of an input
ONE = Path(__file__).parent / "one.py"


def fuzz(target: Target, seconds: int, found: Path, findings: Path) -> dict[str, Any]:
    """Fuzz one target; new inputs go to a folder."""
    seeds = CORPUS / target.name
    command = [
        sys.executable, str(ONE), target.name, f"-max_total_time={seconds}", f"-timeout={HANG}",
        f"-rss_limit_mb={MEMORY}", f"-max_len={LONGEST}", "-print_final_stats=1",
        f"-artifact_prefix={findings}/{target.name}-", str(found), str(seeds),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    count = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    report = {"executions": int(count[1]) if count else 0, "seconds": seconds, "findings": []}
    if done.returncode or not report["executions"]:
        report["findings"] = [str(path) for path in sorted(findings.glob(f"{target.name}-*"))]
        report["log"] = done.stderr[-3000:]
    return report


def keep(target: Target, found: Path) -> None:
    """Add to the corpus what reaches more than it does."""
    command = [
        sys.executable,
        str(ONE),
        target.name,
        "-merge=1",
        f"-max_len={LONGEST}",
        str(CORPUS / target.name),
        str(found),
    ]
    subprocess.run(command, capture_output=True, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: those read in Python)"
    )
    parser.add_argument("--seconds", type=int, default=20, help="for each target (default: %(default)s)")
    parser.add_argument(
        "--json", type=Path, default=os.environ.get("FASTBN_EVIDENCE") or None, help="where to write the numbers"
    )
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for inputs that failed")
    parser.add_argument("--keep", action="store_true", help="add what was found to the corpus")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    chosen = [TARGETS[name] for name in args.targets] or [t for t in TARGETS.values() if not t.native and t.available]
    args.findings.mkdir(parents=True, exist_ok=True)
    reports = {}
    for target in chosen:
        with tempfile.TemporaryDirectory() as new:
            report = fuzz(target, args.seconds, Path(new), args.findings.resolve())
            if args.keep:
                keep(target, Path(new))
        reports[target.name] = report
        found = len(report["findings"])
        print(
            f"{target.name}: {report['executions']} executions in {report['seconds']} s, {found} findings", flush=True
        )
        print(report.get("log", ""), end="")
        for path in report["findings"]:  # whoever reads the log may not have the folder
            print(f"{path}: {base64.b64encode(Path(path).read_bytes()).decode()}")
    if args.json:
        total = sum(report["executions"] for report in reports.values())
        # For docs/site/evidence.py, which adds up tallies.
        record = {"outcomes": {}, "tallies": {"fuzz executions": total}, "targets": reports}
        args.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return 1 if any("log" in report for report in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
