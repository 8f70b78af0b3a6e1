"""What runs of the tests count, and the tables that are made of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from evidence import TALLY, Evidence

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def tables():
    """The script that makes the tables."""
    spec = importlib.util.spec_from_file_location("tables_of_evidence", DOCS / "site" / "evidence.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reported(test, outcome, when="call", more=(), **tallies):
    properties = [("other", 5), *((TALLY + name, value) for name, value in tallies.items())]
    return SimpleNamespace(nodeid=test, outcome=outcome, when=when, user_properties=properties, **dict(more))


def test_every_test_is_counted_once_and_what_was_tallied_by_those_that_passed_is_added_up(tmp_path):
    evidence = Evidence(tmp_path / "run.json")
    for report in (
        reported("a", "passed", "setup"), reported("a", "passed", calls=3), reported("b", "passed", "setup"),
        reported("a", "passed", "teardown", calls=3), reported("b", "passed"),
        reported("b", "passed", "teardown", calls=4, kills=1),
        reported("c", "skipped", "setup"), reported("c", "passed", "teardown", calls=9),
        reported("d", "skipped", more={"wasxfail": "so"}), reported("d", "passed", "teardown", calls=9),
        reported("e", "failed", calls=9), reported("e", "passed", "teardown", calls=9),
        reported("f", "passed", calls=9), reported("f", "failed", "teardown", calls=9),
    ):  # fmt: skip
        evidence.pytest_runtest_logreport(report)
    evidence.pytest_sessionfinish()
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["outcomes"] == {"expected to fail": 1, "failed": 2, "passed": 3, "skipped": 1}
    assert record["tallies"] == {"calls": 7, "kills": 1}
    assert "numpy" in record["packages"]


def test_tables_add_up_what_runs_have_counted(tables, tmp_path):
    run = {"system": "S", "python": "P", "packages": {"numpy": "2"}}
    (tmp_path / "a.json").write_text(json.dumps({**run, "outcomes": {"passed": 2000}, "tallies": {"kills": 999}}))
    (tmp_path / "b.json").write_text(json.dumps({**run, "outcomes": {}, "tallies": {"kills": 1, "calls": 2}}))
    runs = tables.gathered(tmp_path)
    assert tables.table_of_runs(runs).splitlines()[2:] == ["| a | S | P | 2 |  | 2,000 | 0 |"]
    assert tables.table_of_counts(runs).splitlines()[2:] == ["| calls | 2 |", "| kills | 1,000 |"]


def test_a_run_in_which_tests_failed_is_no_evidence(tables, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"outcomes": {"failed": 1, "passed": 2000}, "tallies": {}}))
    with pytest.raises(ValueError, match="a: 1 tests failed"):
        tables.gathered(tmp_path)


def test_a_page_without_a_place_for_a_table_is_refused(tables):
    with pytest.raises(ValueError, match="no place for 'runs'"):
        tables.page("# Page\n", {})


def test_the_tables_of_the_page_are_those_of_the_runs_that_are_kept(tables):
    text = tables.PAGE.read_text(encoding="utf-8")
    runs = json.loads(tables.KEPT.read_text(encoding="utf-8"))
    assert text == tables.page(text, runs)
    assert sum(run["outcomes"].get("passed", 0) for run in runs.values()) > 0
    assert not any(run["outcomes"].get("failed") for run in runs.values())
