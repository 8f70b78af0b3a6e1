"""``fastbn bench``: time beside NumPy, and PyTorch and scikit-learn where they are, on this machine, in some seconds.

Each row runs its sides in turn, after one call of each that does not count. Where a row says ``out=``, every side
writes into an array that is there; else each makes a new one, as scikit-learn always does.
"""

from __future__ import annotations

import importlib
import os
import platform
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbn import batch_norm, channel_stats, get_num_threads, minmax_scale, zscore
from fastbn._backends import chosen
from fastbn._version import __version__

from ._demo_exact import ExactChannel, ulps
from ._demo_table import EPS, Case, medians, short

Array = NDArray[Any]
Call = Callable[[], Any]
OURS = "fastbn"
PEERS = {"NumPy": "numpy", "PyTorch": "torch", "scikit-learn": "sklearn"}
SHAPES = {
    "images, NCHW": ((16, 64, 56, 56), 1),
    "images, channels last": ((16, 56, 56, 64), -1),
    "table, rows x columns": ((2**18, 12), 1),
}
QUICK = {
    "images, NCHW": ((4, 16, 28, 28), 1),
    "images, channels last": ((4, 28, 28, 16), -1),
    "table, rows x columns": ((2**13, 12), 1),
}
ROUNDS, QUICK_ROUNDS = 7, 3
PAUSE = 0.01  # seconds
BUSY = 0.5  # of the processors
MEAN, STD = 10.0, 3.0  # of the data: far enough from zero to tell formulas apart


@dataclass(frozen=True)
class Row:
    """Seconds that each side took for a job."""

    data: str
    shape: tuple[int, ...]
    dtype: str
    job: str
    seconds: dict[str, float]

    @property
    def ratios(self) -> dict[str, float]:
        """How many times longer than fastbn each peer took."""
        return {name: time / self.seconds[OURS] for name, time in self.seconds.items() if name != OURS}


@dataclass(frozen=True)
class Accuracy:
    """Error of each side's variance of the first channel, in units in the last place of the data's type."""

    data: str
    dtype: str
    ulps: dict[str, float]


def bench(*, quick: bool) -> Iterator[Row | Accuracy]:
    """Measure everything; a row as soon as it is there."""
    peers = _peers()
    with _same_threads(peers):
        for name, (shape, channel_axis) in (QUICK if quick else SHAPES).items():
            for dtype in (np.float32, np.float64):
                values = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
                case = Case(name, (values * STD + MEAN).astype(dtype), channel_axis)
                for job, calls in _jobs(case, peers):
                    times = medians(*calls.values(), rounds=QUICK_ROUNDS if quick else ROUNDS, pause=PAUSE)
                    yield Row(name, shape, case.array.dtype.name, job, dict(zip(calls, times, strict=True)))
                yield Accuracy(name, case.array.dtype.name, _errors(case, peers))


def about() -> dict[str, Any]:
    """What times depend on."""
    peers = _peers()
    return {
        "fastbn": __version__,
        "backend": chosen(),
        "threads": get_num_threads(),
        "processors": os.cpu_count(),
        "processor": _processor(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "peers": {name: version({"sklearn": "scikit-learn"}.get(PEERS[name], PEERS[name])) for name in peers},
    }


def run_bench(args: Namespace) -> None:
    """Print the table while it grows, or everything as JSON at the end."""
    if args.json:
        import json

        found = list(bench(quick=args.quick))
        rows = [{**asdict(row), "ratios": row.ratios} for row in found if isinstance(row, Row)]
        errors = [asdict(row) for row in found if isinstance(row, Accuracy)]
        print(json.dumps({**about(), "rows": rows, "accuracy": errors}, allow_nan=False))
        return
    for line in lines(about(), bench(quick=args.quick)):
        print(line, flush=True)


def lines(facts: Mapping[str, Any], found: Iterator[Row | Accuracy]) -> Iterator[str]:
    """Format the table."""
    peers = list(facts["peers"])
    versions = ", ".join(f"{name} {number}" for name, number in facts["peers"].items())
    yield f"fastbn {facts['fastbn']} ({facts['backend']}), {versions}, Python {facts['python']}"
    yield f"{facts['processor']}, {facts['processors']} logical processors; fastbn{_threaded(facts)}"
    if facts["load"] is not None and facts["load"] > BUSY * facts["processors"]:
        yield f"The machine is busy (load {facts['load']:.1f}): times are too long, most of all on several threads."
    yield "Milliseconds, medians of calls in turn after warming up; in brackets: how many times longer than fastbn."
    yield "".join([f"\n{'':24}{OURS:>10}", *(f"{name:>19}" for name in peers)])
    data = None
    errors = []
    for row in found:
        if isinstance(row, Accuracy):
            errors.append(row)
            continue
        if data != (row.data, row.dtype):
            data = (row.data, row.dtype)
            yield f"{row.data}, {row.dtype} {row.shape}"
        times = (_beside(row, name) for name in peers)
        yield f"  {row.job:22}{1e3 * row.seconds[OURS]:10.3f}" + "".join(times).rstrip()
    yield "\nError of the variance of the first channel against exact arithmetic, in units in the last place (ulp)"
    for error in errors:
        figures = (f"{_figure(error.ulps.get(name)):>19}" for name in peers)
        yield f"  {error.data + ', ' + error.dtype:32}{_figure(error.ulps[OURS]):>10}" + "".join(figures).rstrip()


def _threaded(facts: Mapping[str, Any]) -> str:
    also = " and PyTorch" if "PyTorch" in facts["peers"] else ""
    return f"{also} on {facts['threads']} thread{'s' * (facts['threads'] != 1)}, the others on one"


def _beside(row: Row, name: str) -> str:
    if name not in row.seconds:
        return " " * 19
    return f"{1e3 * row.seconds[name]:10.3f} ({row.ratios[name]:5.1f}x)"


def _figure(number: float | None) -> str:
    return "" if number is None else short(number)


def _peers() -> dict[str, Any]:
    """The libraries to compare with that are installed."""
    found = {}
    for name, module in PEERS.items():
        try:
            found[name] = importlib.import_module("sklearn.preprocessing" if module == "sklearn" else module)
        except ImportError:
            continue
    return found


@contextmanager
def _same_threads(peers: Mapping[str, Any]) -> Iterator[None]:
    """Give PyTorch as many threads as fastbn has."""
    torch = peers.get("PyTorch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(get_num_threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _jobs(case: Case, peers: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Call]]]:
    """What is timed of a case: what each side calls."""
    x, axis = case.array, case.channel_axis
    out = np.ones_like(x)
    sides: dict[str, dict[str, Call]] = {
        "statistics": {OURS: lambda: channel_stats(x, axis)},
        "zscore, out=": {OURS: lambda: zscore(x, axis, out=out)},
        "minmax, out=": {OURS: lambda: minmax_scale(x, axis, out=out)},
        "batch_norm, out=": {OURS: lambda: batch_norm(x, channel_axis=axis, eps=EPS, out=out)},
    }
    found = [("NumPy", _numpy_calls(case))]
    if "PyTorch" in peers:
        found.append(("PyTorch", _torch_calls(case, peers["PyTorch"])))
    if "scikit-learn" in peers and x.ndim == 2:
        sides |= {"zscore, new array": {OURS: lambda: zscore(x, axis)}}
        sides |= {"minmax, new array": {OURS: lambda: minmax_scale(x, axis)}}
        found.append(("scikit-learn", _sklearn_calls(x, peers["scikit-learn"])))
    for name, calls in found:
        for job, call in calls.items():
            sides[job][name] = call
    yield from sides.items()


def _numpy_calls(case: Case) -> dict[str, Call]:
    x, over, out = case.array, case.reduced, np.ones_like(case.array)

    def scaled(subtracted: Array, divisor: Array) -> Array:
        np.subtract(x, subtracted, out=out)
        np.divide(out, divisor, out=out)
        return out

    def standardized(eps: float) -> Array:
        return scaled(x.mean(over, keepdims=True), np.sqrt(x.var(over, keepdims=True) + x.dtype.type(eps)))

    return {
        "statistics": lambda: (x.mean(over), x.var(over), x.min(over), x.max(over)),
        "zscore, out=": lambda: scaled(x.mean(over, keepdims=True), x.std(over, keepdims=True)),
        "minmax, out=": lambda: scaled(x.min(over, keepdims=True), np.ptp(x, over, keepdims=True)),
        "batch_norm, out=": lambda: standardized(EPS),
    }


def _torch_calls(case: Case, torch: Any) -> dict[str, Call]:
    x, over = torch.from_numpy(case.array), case.reduced
    out = torch.ones_like(x)

    def scaled(subtracted: Any, divisor: Any) -> Any:
        torch.sub(x, subtracted, out=out)
        return torch.div(out, divisor, out=out)

    def standardized() -> Any:
        var, mean = torch.var_mean(x, dim=over, correction=0, keepdim=True)
        return scaled(mean, var.sqrt())

    def rescaled() -> Any:
        low, high = torch.amin(x, over, keepdim=True), torch.amax(x, over, keepdim=True)
        return scaled(low, high - low)

    # Channels must come second: of channels last this is a view, and a layout that PyTorch knows.
    channels_second, out_second = (t.movedim(case.channel_axis, 1) for t in (x, out))
    mean, invstd = (torch.ones(channels_second.shape[1], dtype=x.dtype) for _ in range(2))

    def normalized() -> Any:
        torch.native_batch_norm(channels_second, None, None, None, None, True, 0.1, EPS, out=(out_second, mean, invstd))
        return out

    return {
        "statistics": lambda: (
            torch.var_mean(x, dim=over, correction=0), torch.amin(x, over), torch.amax(x, over)
        ),
        "zscore, out=": standardized,
        "minmax, out=": rescaled,
        "batch_norm, out=": normalized,
    }  # fmt: skip


def _sklearn_calls(x: Array, preprocessing: Any) -> dict[str, Call]:
    return {
        "statistics": lambda: preprocessing.StandardScaler().fit(x),
        "zscore, new array": lambda: preprocessing.StandardScaler().fit_transform(x),
        "minmax, new array": lambda: preprocessing.MinMaxScaler().fit_transform(x),
    }


def _errors(case: Case, peers: Mapping[str, Any]) -> dict[str, float]:
    """The error of each side's variance of the first channel."""
    x, kind = case.array, case.array.dtype.type
    first = {OURS: kind(channel_stats(x, case.channel_axis).var()[0]), "NumPy": x.var(case.reduced)[0]}
    if "PyTorch" in peers:
        torch = peers["PyTorch"]
        first["PyTorch"] = kind(torch.var(torch.from_numpy(x), dim=case.reduced, correction=0)[0].item())
    if "scikit-learn" in peers and x.ndim == 2:
        first["scikit-learn"] = kind(peers["scikit-learn"].StandardScaler().fit(x).var_[0])
    exact = ExactChannel.of(case.channels(x)[0]).var
    return {name: ulps(var, exact) for name, var in first.items()}


def _processor() -> str:
    """What the processor is called."""
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        facts = []
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
