#!/usr/bin/env python
"""Make the tables of "How fastbn is tested" from what runs of the tests have counted.

`FASTBN_EVIDENCE=FOLDER/NAME.json pytest` counts one run; `.ci/run` counts all of its own, and keeps them in the folder
that FASTBN_EVIDENCE_FOLDER names. With a folder, its runs replace those that are kept beside the page; without one, the
tables are made again from those.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
KEPT = DOCS / "evidence.json"
PAGE = DOCS / "tested.md"

Runs = dict[str, dict[str, Any]]


def gathered(folder: Path) -> Runs:
    """What each run has counted, by the name of its file."""
    runs = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    for name, run in runs.items():
        if failed := run["outcomes"].get("failed"):
            raise ValueError(f"{name}: {failed} tests failed; wants runs that passed")
    return runs


def table_of_runs(runs: Runs) -> str:
    """Where tests ran, and how many."""
    rows = [("run", "on", "Python", "NumPy", "Numba", "passed", "skipped")]
    for name, run in runs.items():
        if run["outcomes"]:
            versions = (run["packages"].get(package, "") for package in ("numpy", "numba"))
            counts = (f"{run['outcomes'].get(outcome, 0):,}" for outcome in ("passed", "skipped"))
            rows.append((name, run["system"], run["python"], *versions, *counts))
    return _table(rows, numbers=2)


def table_of_counts(runs: Runs) -> str:
    """What tests did many times, in all runs together."""
    total: Counter[str] = Counter()
    for run in runs.values():
        total.update(run["tallies"])
    return _table([("what", "how often"), *((what, f"{count:,}") for what, count in sorted(total.items()))], numbers=1)


def _table(rows: list[tuple[str, ...]], numbers: int) -> str:
    head, *body = rows
    line = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *body))


def with_tables(text: str, tables: dict[str, str]) -> str:
    """The text of a page with other tables between its markers."""
    for name, table in tables.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        if not end:
            raise ValueError(f"the page has no place for {name!r}")
        text = f"{before}{begin}\n{table}\n\n{end}{after}"
    return text


def page(text: str, runs: Runs) -> str:
    """The text of the page with the tables of these runs."""
    return with_tables(text, {"runs": table_of_runs(runs), "counts": table_of_counts(runs)})


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args().folder
    if folder is not None:
        KEPT.write_text(json.dumps(gathered(folder), indent=1) + "\n", encoding="utf-8")
    runs = json.loads(KEPT.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")


if __name__ == "__main__":
    main()
