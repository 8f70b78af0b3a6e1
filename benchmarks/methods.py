#!/usr/bin/env python
"""The exact method beside the compensated one and beside others, as Markdown tables: what it costs and what it buys.

Both methods of a row run in turn on the same array; shown are minima. Errors are in units in the last place of the
exact value of the stored numbers, from rational arithmetic.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

import fastbn
from benchmarks.accuracy import exact_moments, ulps
from benchmarks.common import BACKENDS, LAYOUTS, make_array
from fastbn._backends import HOSTS

try:
    import torch
except ModuleNotFoundError:
    torch = None
try:
    from sklearn.preprocessing import StandardScaler
except ModuleNotFoundError:
    StandardScaler = None

CHANNELS = 10**4


def timed(functions: dict[str, Callable[[], object]], rounds: int, repeat: int = 1) -> dict[str, float]:
    """Return the least seconds of a call of each function, after one that compiles."""
    best = dict.fromkeys(functions, math.inf)
    for round_ in range(-1, rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(repeat):
                function()
            if round_ >= 0:
                best[name] = min(best[name], (time.perf_counter() - start) / repeat)
    return best


def methods(x: np.ndarray, axis: int) -> dict[str, Callable[[], object]]:
    """Return a call of each method, with all that it is asked for."""

    def call(method: str) -> Callable[[], object]:
        def run() -> object:
            stats = fastbn.channel_stats(x, axis, method=method)
            return stats.mean, stats.var()

        return run

    return {method: call(method) for method in ("compensated", "exact")}


def show(title: str, head: list[str], rows: Iterator[list[str]]) -> None:
    """Print a table."""
    print(f"\n### {title}\n\n| " + " | ".join(head) + " |\n|---" + "|---:" * (len(head) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def costs(layouts: list[str], rounds: int) -> Iterator[list[str]]:
    """Statistics of every layout: milliseconds, the ratio of the methods, and NumPy's time over the exact one."""
    for layout in layouts:
        for dtype in ("float32", "float64", "uint8", "int64"):
            x, axis = make_array(layout, dtype)
            rest = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
            sides = methods(x, axis) | {"numpy": lambda x=x, rest=rest: (x.mean(axis=rest), x.var(axis=rest))}
            best = timed(sides, rounds, 100 if x.size < 10**5 else 1)
            cells = [f"{best[name] * 1e3:.4g}" for name in ("compensated", "exact")]
            ratios = best["exact"] / best["compensated"], best["numpy"] / best["exact"]
            yield [f"{layout} {dtype}", *cells, *(f"{ratio:.2f}" for ratio in ratios)]


def hostile(size: int, rounds: int) -> Iterator[list[str]]:
    """Data of ever wider range: the time of the exact method over that of the compensated one for normal data."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        normal = rng.standard_normal((size, 32)).astype(dtype)
        wide = rng.integers(-60, 60, normal.shape)
        every = rng.integers(info.minexp - info.nmant, info.maxexp, normal.shape)
        one = normal.copy()
        one[::256] *= dtype(2.0**-100)
        data = {
            "normal": normal,
            "lognormal, sigma 3": rng.lognormal(0, 3, normal.shape).astype(dtype),
            "normal, one in 256 times 2^-100": one,
            "normal times 2^U(-60, 60)": np.ldexp(normal, wide),
            "every exponent": np.ldexp(dtype(1.5) + 0 * normal, every),
        }
        base = timed(methods(normal, 1), rounds)["compensated"]
        for name, x in data.items():
            best = timed(methods(x, 1), rounds)
            yield [f"{name}, {np.dtype(dtype)}", f"{best['compensated'] / base:.2f}", f"{best['exact'] / base:.2f}"]


def finish(rounds: int) -> Iterator[list[str]]:
    """Milliseconds to turn the integers of many channels into numbers."""
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).normal(5, 1, (30, CHANNELS)).astype(dtype)
        fresh = iter([fastbn.channel_stats(x, method="exact") for _ in range(len(RESULTS) * (rounds + 1))])
        calls = {name: lambda f=function, fresh=fresh: f(next(fresh)) for name, function in RESULTS.items()}
        best = timed(calls, rounds)
        yield [str(np.dtype(dtype)), *(f"{best[name] * 1e3:.2f}" for name in RESULTS)]


RESULTS: dict[str, Callable[[fastbn.ChannelStats], object]] = {
    "mean": lambda stats: stats.mean,
    "var": lambda stats: stats.var(),
    "std": lambda stats: stats.std(),
}


def welford(values: list[float]) -> float:
    """The textbook's running update."""
    mean = m2 = 0.0
    for n, v in enumerate(values, 1):
        d = v - mean
        mean += d / n
        m2 += d * (v - mean)
    return m2 / len(values)


def fsum(values: list[float]) -> float:
    """Two passes with exactly rounded sums."""
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / len(values)


VARIANCES: dict[str, Callable[[np.ndarray], float]] = {
    "exact": lambda x: float(fastbn.channel_stats(x, None, method="exact").var()),
    "compensated": lambda x: float(fastbn.channel_stats(x, None).var()),
    "NumPy": lambda x: float(x.var(dtype=np.float64)),
    "NumPy, axis 0": lambda x: float(np.stack([x, x], axis=1).var(axis=0)[0]),
}
if torch:
    VARIANCES["PyTorch"] = lambda x: float(torch.var(torch.from_numpy(x), correction=0))
if StandardScaler:
    VARIANCES["scikit-learn"] = lambda x: float(StandardScaler().fit(x[:, np.newaxis]).var_[0])
VARIANCES |= {
    "Welford": lambda x: welford(x.tolist()),
    "math.fsum, two passes": lambda x: fsum(x.tolist()),
    "statistics.pvariance": lambda x: statistics.pvariance(x.tolist()),
}


def errors(size: int) -> Iterator[list[str]]:
    """Error of the variance of float64 data with a mean of so many standard deviations, in ulp."""
    for power in (0, 2, 4, 6, 8, 10, 12):
        x = np.random.default_rng(power).normal(10.0**power, 1, size)
        _, var = exact_moments(x)
        found = [ulps(np.float64(function(x)), var) for function in VARIANCES.values()]
        yield [
            f"10^{power}",
            *("0" if miss <= 0.5 else f"{miss:.1f}" if miss < 100 else f"{miss:.0e}" for miss in found),
        ]


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, help="default: all")
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--quick", action="store_true", help="small arrays, to see that it works")
    options = parser.parse_args(arguments)
    if options.threads:
        fastbn.set_num_threads(options.threads)
    available = [info.name for info in fastbn.backends() if info.available and info.name in HOSTS]
    rounds, layouts, size = (1, ["small"], 256) if options.quick else (7, list(LAYOUTS), 2**18)
    with fastbn.use_backend(options.backend or available[0]):
        print(f"{options.backend or available[0]}, {fastbn.get_num_threads()} threads")
        show(
            "Cost, milliseconds",
            ["", "compensated", "exact", "exact/compensated", "NumPy/exact"],
            costs(layouts, rounds),
        )
        show(
            "Cost for data of wide range, over compensated for normal data",
            ["", "compensated", "exact"],
            hostile(size, rounds),
        )
        show(f"Results of {CHANNELS} channels, milliseconds", ["", *RESULTS], finish(rounds))
        show("Error of the variance, ulp (0: correctly rounded)", ["mean / std", *VARIANCES], errors(size // 16))


if __name__ == "__main__":
    main()
