#!/usr/bin/env python
"""fastbn beside NumPy, PyTorch and scikit-learn: time and accuracy, as Markdown tables.

All sides of a row run in turn in one process, on the same arrays, with the same number of threads and a pause before
each call, in which the idle workers of other libraries stop spinning. Shown are medians. A missing peer is left out.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import fastbn
from benchmarks.accuracy import DATA, exact_moments
from compare_common import REDUCERS

try:
    import torch
except ModuleNotFoundError:
    torch = None
try:
    from sklearn.preprocessing import StandardScaler
except ModuleNotFoundError:
    StandardScaler = None

PAUSE = 0.010
FULL = {
    "nchw": (32, 64, 112, 112),
    "short": (256, 256, 14, 14),
    "table": (2**20, 32),
    "images": (32, 64, 56, 56),
    "tokens": (8192, 768),
    "rounds": 15,
    "small_calls": 200,
    "processes": 9,
}
QUICK = {
    "nchw": (2, 4, 8, 8),
    "short": (2, 4, 2, 2),
    "table": (64, 4),
    "images": (2, 4, 8, 8),
    "tokens": (8, 16),
    "rounds": 1,
    "small_calls": 2,
    "processes": 1,
}


@dataclass(frozen=True)
class Case:
    """One row or several: what fastbn does, and for each peer what it does and how many times slower it should be."""

    name: str
    ours: Callable[[], object]
    peers: dict[str, tuple[Callable[[], object], float]] = field(default_factory=dict)


def statistics_cases(size: dict) -> Iterator[Case]:
    """Mean and variance per channel; fastbn's minimum and maximum come along in the same pass."""
    for shape, axes in ((size["nchw"], (0, 2, 3)), (size["table"], 0)):
        for dtype in (np.float32, np.float64):
            x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32).astype(dtype)
            peers = {"NumPy mean + var": (lambda x=x, axes=axes: (x.mean(axis=axes), x.var(axis=axes)), 6.0)}
            if torch:
                t = torch.from_numpy(x)
                peers["torch.var_mean"] = (lambda t=t, axes=axes: torch.var_mean(t, dim=axes, correction=0), 8.0)
            yield Case(f"channel_stats {np.dtype(dtype)} {shape}", lambda x=x: fastbn.channel_stats(x), peers)


def normalization_cases(size: dict) -> Iterator[Case]:
    """Training forward with its output given, and the z-score of a table in new memory."""
    x = np.random.default_rng(0).standard_normal(size["nchw"], dtype=np.float32)
    channels = x.shape[1]
    gamma, beta, running_mean, out = np.ones(channels), np.zeros(channels), np.zeros(channels), np.ones_like(x)
    running_var = np.ones(channels)
    peers = {}
    if torch:
        t, t_out = torch.from_numpy(x), torch.ones(x.shape)
        mean, var, ones, zeros, save_mean, save_invstd = (torch.ones(channels) for _ in range(6))
        peers["torch.native_batch_norm(out=)"] = (
            lambda: torch.native_batch_norm(
                t, ones, zeros, mean, var, True, 0.1, 1e-5, out=(t_out, save_mean, save_invstd)
            ),
            3.0,
        )
    yield Case(
        f"batch_norm training, out= float32 {x.shape}",
        lambda: fastbn.batch_norm(x, gamma, beta, running_mean=running_mean, running_var=running_var, out=out),
        peers,
    )
    table = np.random.default_rng(0).standard_normal(size["table"], dtype=np.float32)
    peers = {}
    if StandardScaler:
        peers["StandardScaler().fit_transform"] = (lambda: StandardScaler().fit_transform(table), 10.0)
    yield Case(f"zscore float32 {table.shape}", lambda: fastbn.zscore(table), peers)


def backward_cases(size: dict) -> Iterator[Case]:
    """Backward with its output given, and both passes of the layer as a user calls them."""
    for shape in (size["nchw"], size["short"], size["table"]):
        x, dy = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
        channels, out = shape[1], np.ones_like(x)
        gamma = np.ones(channels)
        _, stats = fastbn.batch_norm(x, return_stats=True)
        peers = {}
        if torch:
            tensors = torch.from_numpy(dy), torch.from_numpy(x), torch.ones(channels)
            _, mean, invstd = torch.native_batch_norm(tensors[1], None, None, None, None, True, 0.1, 1e-5)
            results = {"out0": torch.ones(shape), "out1": torch.ones(channels), "out2": torch.ones(channels)}
            backward = torch.ops.aten.native_batch_norm_backward.out
            peers["native_batch_norm_backward.out"] = (
                lambda t=tensors, m=mean, i=invstd, r=results, f=backward: f(
                    *t, None, None, m, i, True, 1e-5, [True, True, True], **r
                ),
                2.5,
            )
        yield Case(
            f"batch_norm_backward, out= float32 {shape}",
            lambda dy=dy, x=x, s=stats, g=gamma, out=out: fastbn.batch_norm_backward(dy, x, s, g, out=out),
            peers,
        )
    x, dy = np.random.default_rng(0).standard_normal((2, *size["nchw"]), dtype=np.float32)
    layer = fastbn.BatchNorm(x.shape[1])
    peers = {}
    if torch:
        module, t, gradient = torch.nn.BatchNorm2d(x.shape[1]), torch.from_numpy(x), torch.from_numpy(dy)
        t.requires_grad_()

        def both_passes() -> None:
            t.grad = None
            module(t).backward(gradient)

        peers["torch.nn.BatchNorm2d"] = (both_passes, 3.0)
    yield Case(f"BatchNorm, both passes float32 {x.shape}", lambda: (layer(x), layer.backward(dy)), peers)


def relatives_cases(size: dict) -> Iterator[Case]:
    """Group and layer normalization, in new memory and with the output given."""
    for name, shape, groups in (
        ("group_norm", size["images"], size["images"][1] // 2),
        ("layer_norm", size["tokens"], 0),
    ):
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        gamma, beta, out = np.ones(shape[1]), np.zeros(shape[1]), np.ones_like(x)
        more = (groups,) if groups else ()
        ours = functools.partial(getattr(fastbn, name), x, *more, gamma, beta)
        new, given = {}, {}
        if torch:
            t, one, zero = torch.from_numpy(x), torch.ones(shape[1]), torch.zeros(shape[1])
            theirs = getattr(torch.nn.functional, name)
            new[f"torch {name}"] = (lambda t=t, f=theirs, a=more or (shape[1:],), w=one, b=zero: f(t, *a, w, b), 1.5)
            rows = (shape[0], groups) if groups else (shape[0], 1)
            results = {"out0": torch.ones(shape), "out1": torch.ones(rows), "out2": torch.ones(rows)}
            native = getattr(torch.ops.aten, f"native_{name}").out
            sizes = (shape[0], shape[1], x[0, 0].size, groups) if groups else None
            arguments = (t, one, zero, *sizes, 1e-5) if sizes else (t, shape[1:], one, zero, 1e-5)
            given[f"native_{name}.out"] = (lambda f=native, a=arguments, r=results: f(*a, **r), 1.5)
        yield Case(f"{name} float32 {shape}", ours, new)
        yield Case(f"{name}, out= float32 {shape}", functools.partial(ours, out=out), given)


def small_cases() -> Iterator[Case]:
    """Every function on a (32, 16) float32 array, where the overhead of a call is all there is."""
    x = np.random.default_rng(0).standard_normal((32, 16), dtype=np.float32)
    stats = fastbn.channel_stats(x)
    running_mean, running_var = np.zeros(16), np.ones(16)
    yield Case("channel_stats", lambda: fastbn.channel_stats(x))
    yield Case("zscore", lambda: fastbn.zscore(x))
    yield Case("minmax_scale", lambda: fastbn.minmax_scale(x))
    yield Case("normalize", lambda: fastbn.normalize(x, stats))
    yield Case("denormalize", lambda: fastbn.denormalize(x, stats))
    yield Case("minmax_unscale", lambda: fastbn.minmax_unscale(x, stats))
    yield Case("batch_norm training", lambda: fastbn.batch_norm(x, running_mean=running_mean, running_var=running_var))
    yield Case(
        "batch_norm evaluation",
        lambda: fastbn.batch_norm(x, running_mean=running_mean, running_var=running_var, training=False),
    )


def medians(calls: list[Callable[[], object]], rounds: int, repeat: int = 1) -> list[float]:
    """Return the median time of each call in seconds; the calls take turns, after one round that is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for counted in range(rounds + 1):
        for call, seen in zip(calls, times, strict=True):
            time.sleep(PAUSE)
            start = time.perf_counter()
            for _ in range(repeat):
                call()
            if counted:
                seen.append((time.perf_counter() - start) / repeat)
    return [statistics.median(seen) for seen in times]


def fresh_process(setup: str, code: str, processes: int) -> float:
    """Return the median time of `code` in new interpreters, in seconds, after one that warms the caches on disk."""
    script = f"import time\n{setup}\nstart = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    command = [sys.executable, "-c", script]
    environment = os.environ | {"FASTBN_NUM_THREADS": str(fastbn.get_num_threads())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode: 8 ms instead of 28
    seen = [
        float(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)
        for _ in range(processes + 1)
    ]
    return statistics.median(seen[1:])


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table under a heading."""
    print(f"\n### {title}\n")
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |")


def print_ratios(groups: Iterable[Callable[[dict], Iterator[Case]]], size: dict) -> None:
    """Print how many times slower each peer is."""
    rows = []
    for case in (case for cases in groups for case in cases(size)):
        ours, *theirs = medians([case.ours, *(call for call, _ in case.peers.values())], size["rounds"])
        for (peer, (_, goal)), theirs_s in zip(case.peers.items(), theirs, strict=True):
            ratio = f"{theirs_s / ours:.1f} x"
            rows.append([case.name, f"{1e3 * ours:.2f}", peer, f"{1e3 * theirs_s:.2f}", ratio, f"{goal:g} x"])
    print_table("Time", ["operation", "fastbn, ms", "peer", "peer, ms", "ratio", "goal"], rows)


def print_small(size: dict) -> None:
    """Print the time of calls on a small array."""
    rows = [
        [case.name, f"{1e6 * medians([case.ours], size['rounds'], size['small_calls'])[0]:.1f}", "25"]
        for case in small_cases()
    ]
    print_table("One call, (32, 16) float32", ["operation", "microseconds", "goal"], rows)


def print_startup(size: dict) -> None:
    """Print what a user waits for before the first result."""
    numpy_import = "import numpy as np"
    seconds = fresh_process(numpy_import, "import fastbn", size["processes"])
    rows = [["import fastbn, after import numpy", f"{1e3 * seconds:.1f}", "20"]]
    for call in ("channel_stats", "zscore", "batch_norm"):
        for shape in ((32, 16), size["table"]):
            setup = f"{numpy_import}; x = np.random.default_rng(0).standard_normal({shape}, dtype=np.float32)"
            seconds = fresh_process(setup, f"import fastbn; fastbn.{call}(x)", size["processes"])
            rows.append([f"import fastbn, first {call} {shape} float32, cache warm", f"{1e3 * seconds:.0f}", "1000"])
    print_table("Fresh process", ["what", "ms", "goal"], rows)


def torch_batch_norm_var(x: np.ndarray) -> np.ndarray:
    """Return the biased variance that PyTorch's training forward arrives at, taken from its running variance."""
    t = torch.from_numpy(x)
    running_mean, running_var = torch.zeros(x.shape[1], dtype=t.dtype), torch.ones(x.shape[1], dtype=t.dtype)
    torch.nn.functional.batch_norm(t, running_mean, running_var, training=True, momentum=1.0)
    return running_var.numpy() * (len(x) - 1) / len(x)


def variance_errors() -> dict[str, dict[str, float]]:
    """Return the largest relative error of variances (absolute where the exact one is 0) of each side for each data."""
    implementations = {
        "fastbn": lambda x: fastbn.channel_stats(x).var(),
        "NumPy": lambda x: x.var(axis=0),
    }
    if torch:
        implementations["torch.var_mean"] = lambda x: torch.var_mean(torch.from_numpy(x), dim=0, correction=0)[0]
        implementations["torch batch_norm"] = torch_batch_norm_var
    if StandardScaler:
        implementations["StandardScaler"] = lambda x: StandardScaler().fit(x).var_
    for name, module in REDUCERS.items():
        implementations[f"{name} nanvar"] = lambda x, module=module: module.nanvar(x, axis=0, ddof=0)
    errors = {}
    for name, make in DATA.items():
        x = np.tile(make(np.random.default_rng(0)), (16, 1))  # 65536 rows with the moments of the first 4096
        if x.dtype not in (np.float32, np.float64):
            continue
        exact = [exact_moments(column)[1] for column in x.T]
        errors[name] = {
            peer: max(float(abs(Fraction(float(c)) - e) / (e or 1)) for c, e in zip(call(x), exact, strict=True))
            for peer, call in implementations.items()
        }
    return errors


def print_accuracy(_size: dict) -> None:
    """Print `variance_errors`."""
    errors = variance_errors()
    header = ["data", *next(iter(errors.values()))]
    rows = [[name.replace("_", " "), *(f"{error:.1e}" for error in row.values())] for name, row in errors.items()]
    print_table("Relative error of the variance, 65536 rows, along axis 0", header, rows)


def describe_machine(threads: int) -> str:
    """Say what figures depend on."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    parts = [f"{cpu}, {os.cpu_count()} cores, {threads} threads; Python {platform.python_version()}"]
    parts.append(f"fastbn {fastbn.__version__}")
    for package in ("numpy", "numba", "torch", "scikit-learn"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)


TABLES = {
    "accuracy": print_accuracy,
    "time": functools.partial(print_ratios, (statistics_cases, normalization_cases)),
    "training": functools.partial(print_ratios, (backward_cases, relatives_cases)),
    "calls": print_small,
    "startup": print_startup,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help=f"which to print: {', '.join(TABLES)} (default: all)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every side that has threads (default: 2)")
    parser.add_argument("--quick", action="store_true", help="tiny arrays, one round: measures nothing")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.tables) - set(TABLES)):
        parser.error(f"TABLE: got {', '.join(unknown)}; wants {', '.join(TABLES)}")
    size = QUICK if options.quick else FULL
    fastbn.set_num_threads(options.threads)
    if torch:
        torch.set_num_threads(options.threads)
    print(describe_machine(options.threads))
    for name in options.tables or TABLES:
        TABLES[name](size)


if __name__ == "__main__":
    main()
