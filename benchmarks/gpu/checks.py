"""What all checks have in common: cases that pass by returning, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

#: A name, and a call that may return a word about what it saw.
Case = tuple[str, Callable[[], str | None]]


class SkippedCase(Exception):
    """What is needed is not there."""


class Refused(Exception):
    """Something that is not promised does not work."""


OUTCOMES = {SkippedCase: "skipped", Refused: "refused", AssertionError: "failed", Exception: "error"}
FAILURES = ("failed", "error")


def outcome_of(call: Callable[[], str | None]) -> tuple[str, str]:
    """How a case ended, and a word about it."""
    try:
        return "passed", call() or ""
    except Exception as error:  # noqa: BLE001 - an error of one case is what was found there
        outcome = next(word for kind, word in OUTCOMES.items() if isinstance(error, kind))
        said = f"{type(error).__name__}: {error}" if outcome == "error" else str(error)
        return outcome, said


def run_cases(cases: Iterable[Case]) -> Iterator[dict]:
    """What was found after each case; ``ok`` says whether none failed."""
    found: list[dict[str, str]] = []
    for name, call in cases:
        outcome, detail = outcome_of(call)
        print(f"{outcome}: {name}" + (f": {detail}" if detail else ""), flush=True)
        found.append({"name": name, "outcome": outcome, "detail": detail})
        yield {"ok": not any(case["outcome"] in FAILURES for case in found), "cases": found}
