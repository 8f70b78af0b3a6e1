"""PTX taken apart: the loops of a kernel that read data, what they do for each value, and what `ptxas` says of it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Capability = tuple[int, int] | tuple[int, int, str]

_LOAD = re.compile(r"ld\.global\.(?:[\w:]+\.)*?(?:v(\d)\.)?[bsuf](\d+)")
_LEAVES = re.compile(r"(@\S+ )?(?:bra(?:\.uni)? ([$\w]+)|ret|exit|trap)")


@functools.cache
def assembler() -> str | None:
    """Where `ptxas` is: on the path, or in a package."""
    folder = Path(sysconfig.get_paths()["purelib"], "nvidia")
    found = sorted(folder.glob("*/bin/ptxas"))
    return str(found[-1]) if found else shutil.which("ptxas")


class Usage(NamedTuple):
    """What a kernel takes."""

    registers: int
    memory: str  # stack and spills


def assembled(ptx: str, capability: Capability, folder: Path) -> Usage:
    """What a kernel takes in machine code."""
    path = folder / "kernel.ptx"
    path.write_text(ptx)
    arch = "sm_" + "".join(map(str, capability))
    command = [str(assembler()), "-arch", arch, "-v", "-o", os.devnull, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    (memory,) = re.findall(r"\d+ bytes stack frame.*", done.stderr)
    (registers,) = re.findall(r"Used (\d+) registers", done.stderr)
    return Usage(int(registers), memory)


def residuals_missing(ptx: str) -> list[str]:
    """Products that are never to be fused, whose rounding error is not computed from the same two numbers."""
    found = []
    for kind in ("f32", "f64"):
        products = re.findall(rf"mul\.rn\.{kind}\s+(%\w+), (%\w+, %\w+);", ptx)
        negated = dict(re.findall(rf"neg\.{kind}\s+(%\w+), (%\w+);", ptx))
        fused = re.findall(rf"fma\.rn\.{kind}\s+%\w+, (%\w+, %\w+), (%\w+);", ptx)
        errors = {(factors, negated.get(added)) for factors, added in fused}
        found += [product for product, factors in products if (factors, product) not in errors]
    return found


class Block(NamedTuple):
    """Instructions without a branch, and the blocks that may follow."""

    names: list[str]
    after: set[int]


def blocks(ptx: str) -> list[Block]:
    """The kernel of a text, in blocks."""
    code: list[list[str]] = [[]]
    labels: dict[str, int] = {}
    for line in ptx.partition(".entry")[2].partition("{")[2].splitlines():
        text = " ".join(line.partition("//")[0].strip(" \t{};").split())
        if text.endswith(":"):
            if code[-1]:
                code.append([])
            labels[text[:-1]] = len(code) - 1
        elif text and not text.startswith("."):
            code[-1].append(text)
            if _LEAVES.match(text):
                code.append([])
    found = []
    for at, instructions in enumerate(code):
        leaves = _LEAVES.match(instructions[-1]) if instructions else None
        guard, label = leaves.groups() if leaves else (None, None)
        after = {labels[label]} if label else set()
        if at + 1 < len(code) and (guard or not leaves):
            after.add(at + 1)
        found.append(Block([re.sub(r"^@\S+ ", "", text).split()[0] for text in instructions], after))
    return found


def loops(graph: list[Block], within: set[int]) -> Iterator[set[int]]:
    """Sets of blocks that can be reached from each other, and those that remain within one without its first block."""
    reached = {at: _reached(graph, within, at) for at in within}
    seen: set[int] = set()
    for at in sorted(within):
        loop = {other for other in reached[at] if at in reached[other]}
        if loop and not loop & seen:
            seen |= loop
            yield loop
            yield from loops(graph, loop - {_first(graph, loop)})


def _reached(graph: list[Block], within: set[int], start: int) -> set[int]:
    """Where a way of at least one step leads."""
    found: set[int] = set()
    ahead = [start]
    while ahead:
        new = (graph[ahead.pop()].after & within) - found
        found |= new
        ahead.extend(new)
    return found


def _first(graph: list[Block], loop: set[int]) -> int:
    """Where a loop is entered."""
    entered = [to for at, block in enumerate(graph) if at not in loop for to in block.after & loop]
    return min(entered, default=min(loop))


class Work(NamedTuple):
    """What is done for a value. What is fused counts as a product and an addition, but for split products."""

    additions: int = 0  # in float64
    products: int = 0  # in float64
    split: int = 0  # products of float64 that are split exactly
    conversions: int = 0  # from float64 or to it
    singles: int = 0  # additions and products in float32
    split_singles: int = 0  # products of float32 that are split exactly

    def times(self, n: int, once: Work) -> Work:
        """So often, and something besides."""
        return Work(*(n * each + more for each, more in zip(self, once, strict=True)))


def reading_loops(ptx: str, idle: Work | None = None) -> list[Work]:
    """What the innermost loops that read data do, with those in them; loops whose work is ``idle`` do not count."""
    graph = blocks(ptx)
    reading = []
    for loop in loops(graph, set(range(len(graph)))):
        names = Counter(name for at in loop for name in graph[at].names)
        if any(map(_LOAD.fullmatch, names)) and (work := _work(names)) != idle:
            reading.append((loop, work))
    return [work for loop, work in reading if not any(other < loop for other, _ in reading)]


def widest_load(ptx: str) -> int:
    """Bytes that are read at once in loops, at most."""
    graph = blocks(ptx)
    names = {name for loop in loops(graph, set(range(len(graph)))) for at in loop for name in graph[at].names}
    loads = (found for name in names if (found := _LOAD.fullmatch(name)) is not None)
    return max((int(found[1] or 1) * int(found[2]) // 8 for found in loads), default=0)


def _work(names: Counter[str]) -> Work:
    def of(pattern: str) -> int:
        return sum(n for name, n in names.items() if re.fullmatch(pattern, name))

    fused, split, split_singles = of(r"fma\.rn\.f64"), of(r"mul\.rn\.f64"), of(r"mul\.rn\.f32")
    return Work(
        additions=of(r"(add|sub)(\.rn)?\.f64") + fused - split,
        products=of(r"mul\.f64") + fused,
        split=split,
        conversions=of(r"cvt\..*f64.*"),
        singles=of(r"(add|sub|mul|fma)(\.rn)?\.f32") - 2 * split_singles,
        split_singles=split_singles,
    )
