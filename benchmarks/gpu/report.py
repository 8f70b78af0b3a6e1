"""From what was found to Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gpu.checks import OUTCOMES
from gpu.part import PARTS

NOTICED = ("failed", "error", "refused", "skipped")
COUNTED = ("passed", *dict.fromkeys(OUTCOMES.values()))


def file_name(card: str) -> str:
    """The name of a card as that of a file."""
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")


def cell(text: object) -> str:
    """Text that stays within a cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header: list[str], rows: Iterable[list[object]]) -> list[str]:
    """Lines of a table; all columns but the first are numbers, or short."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [f"| {' | '.join(map(cell, line))} |" for line in lines] + [""]


def _environment(found: dict) -> Iterator[str]:
    for name, value in found.items():
        if name == "versions":
            yield "* " + ", ".join(f"{package} {there or 'not installed'}" for package, there in value.items())
        elif name not in {"seconds", "quick", "card"}:
            shown = f"{value / 2**30:.1f} GiB" if "memory" in name else value
            yield f"* {name}: {shown}"
    yield ""


def _conformance(found: dict) -> Iterator[str]:
    counts = ", ".join(f"{found[kind]} {kind}" for kind in ("passed", "failed", "errors", "skipped"))
    yield f"{counts}."
    yield ""
    if found["failing"]:
        yield from table(["test", "why"], ([name, why] for name, why in found["failing"].items()))


def _cases(found: dict) -> Iterator[str]:
    outcomes = [case["outcome"] for case in found["cases"]]
    yield ", ".join(f"{outcomes.count(kind)} {kind}" for kind in COUNTED if kind in outcomes) + "."
    yield ""
    noticed = [case for case in found["cases"] if case["outcome"] in NOTICED]
    if noticed:
        yield from table(
            ["case", "outcome", "why"], ([case[k] for k in ("name", "outcome", "detail")] for case in noticed)
        )


def _measured(row: dict, bandwidth: float) -> Iterator[list[object]]:
    about = f"{row['shape']} {tuple(row['sizes'])} {row['dtype']}"
    if "skipped" in row:
        yield [about, "", "", row["skipped"], "", "", ""]
    ours = row.get("times", {}).get("fastbn")
    for name, times in row.get("times", {}).items():
        spread = f"{1e3 * times['p10']:.3f} to {1e3 * times['p90']:.3f}"
        share = f"{row['bytes'] / bandwidth / times['median']:.0%}"
        ratio = "" if ours is None or times is ours else f"{times['median'] / ours['median']:.2f}"
        yield [about, row["operation"], name, f"{1e3 * times['median']:.3f}", spread, share, ratio]
    for name, error in row.get("errors", {}).items():
        yield [about, row["operation"], name, error, "", "", ""]


def _measurement(found: dict) -> Iterator[str]:
    bandwidth = found["copy"]["bytes per second"]
    yield (
        f"A copy of {found['copy']['bytes'] / 2**31:.2f} GiB from the device to itself: {bandwidth / 1e12:.2f} TB/s, "
        "read and written. The bytes of an operation are those of all its passes over memory; over this bandwidth they "
        "give the share, which passes that stay in a cache bring above 100 %. "
        f"Data are arrays of {found['library']}; medians, in turn, with the cache written over before each call."
    )
    yield ""
    header = ["data", "operation", "who", "ms", "p10 to p90", "share of a copy", "time / fastbn's"]
    yield from table(header, (line for row in found["rows"] for line in _measured(row, bandwidth)))
    yield "A call on a tiny array: cost on the host, of many in a row, and time between events around one."
    yield ""
    yield from table(
        ["data", "operation", "who", "host, us", "events, us"],
        (
            [
                f"{row['shape']} {tuple(row['sizes'])}",
                row["operation"],
                name,
                f"{1e6 * host['median']:.1f}",
                f"{1e6 * row['times'][name]['median']:.1f}",
            ]
            for row in found["small"]
            for name, host in row["host"].items()
        ),
    )


#: How the parts that are not cases are written, and what has to have been found for it.
WRITERS = {
    "environment": (_environment, "card"),
    "conformance": (_conformance, "failing"),
    "measurement": (_measurement, "copy"),
}


def _section(name: str, found: dict) -> Iterator[str]:
    yield f"## {name.capitalize()}"
    yield ""
    if name != "environment":
        quick = ", quick" if found["quick"] else ""
        yield f"{found['date']}, fastbn {found['fastbn']}, {found['seconds']:g} s{quick}."
        yield ""
    if "error" in found:
        yield from ("```text", found["error"], "```", "")
    writer, needed = WRITERS.get(name, (_cases, "cases"))
    if needed in found:  # more may be missing where there was an error, but not that
        yield from writer(found)


def markdown(parts: dict[str, dict]) -> str:
    """Everything that was found, part by part."""
    lines = [f"# fastbn on {parts['environment']['card']}", ""]
    for name in PARTS:
        if name in parts:
            lines += _section(name, parts[name])
    return "\n".join(lines).rstrip() + "\n"
