"""The demo's comparison with NumPy's one-liners: error against the exact value, and time, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbn import batch_norm, channel_stats, minmax_scale, zscore

from ._demo_exact import ExactChannel, ulps, worst_ulps

EPS = 1e-5
ROUNDS = 9
SHORTEST = 2e-3  # seconds: a call that takes less is timed several times in a row


@dataclass(frozen=True)
class Case:
    """An array in a layout that people use."""

    name: str
    array: NDArray[Any]
    channel_axis: int

    @property
    def reduced(self) -> tuple[int, ...]:
        """The axes which NumPy calls ``axis``."""
        ndim = self.array.ndim
        return tuple(axis for axis in range(ndim) if axis != self.channel_axis % ndim)

    def channels(self, array: NDArray[Any]) -> NDArray[Any]:
        """View an array of this layout with the channels first."""
        return np.moveaxis(array, self.channel_axis, 0)


@dataclass(frozen=True)
class Job:
    """Work for NumPy, given the reduced axes, and for fastbn, given the channel axis; and the error of a result."""

    name: str
    numpy: Callable[[NDArray[Any], tuple[int, ...]], Any]
    fastbn: Callable[[NDArray[Any], int], Any]
    error: Callable[[Case, Sequence[ExactChannel], Any], float]


@dataclass(frozen=True)
class Row:
    """One line of the table; errors in ulp, times in seconds."""

    case: str
    job: str
    numpy_error: float
    fastbn_error: float
    numpy_time: float
    fastbn_time: float


def cases(photographs: NDArray[Any], wine: NDArray[Any]) -> list[Case]:
    """Lay out the samples as the usual kinds of input."""
    nhwc = photographs.astype(np.float32)
    return [
        Case("pixels, float32 table", nhwc.reshape(-1, nhwc.shape[-1]), -1),
        Case("images, float32 NCHW", np.ascontiguousarray(nhwc.transpose(0, 3, 1, 2)), 1),
        Case("wine, float64 table", wine, 1),
    ]


def compare(case: Case) -> Iterator[Row]:
    """Do every job with NumPy and with fastbn."""
    exact = [ExactChannel.of(channel) for channel in case.channels(case.array)]
    for job in JOBS:
        pair = partial(job.numpy, case.array, case.reduced), partial(job.fastbn, case.array, case.channel_axis)
        errors = [job.error(case, exact, function()) for function in pair]
        yield Row(case.name, job.name, *errors, *medians(*pair))


def medians(*functions: Callable[[], object], rounds: int = ROUNDS, pause: float = 0.0) -> list[float]:
    """Return the median time of each function; they are called in turn, after one call that does not count.

    In a pause before each turn, in seconds, idle threads of the function before stop spinning.
    """
    loops = []
    for function in functions:
        function()
        loops.append(max(1, int(SHORTEST / max(_time(function, 1), 1e-9))))
    times = [
        [_time(function, n, pause) / n for function, n in zip(functions, loops, strict=True)] for _ in range(rounds)
    ]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Format the table."""
    yield f"{'':39}{'worst error, ulp':>22}{'time, ms':>24}"
    yield f"{'data':23}{'job':16}{'NumPy':>13}{'fastbn':>9}{'NumPy':>15}{'fastbn':>9}{'times faster':>15}"
    case = ""
    for row in rows:
        label, case = ("" if row.case == case else row.case), row.case
        errors = f"{short(row.numpy_error):>13}{short(row.fastbn_error):>9}"
        times = f"{row.numpy_time * 1e3:15.3f}{row.fastbn_time * 1e3:9.3f}{row.numpy_time / row.fastbn_time:15.1f}"
        yield f"{label:23}{row.job:16}{errors}{times}"


def short(number: float) -> str:
    """An error for people."""
    return f"{number:,.2f}" if number < 100 else f"{number:,.0f}"


def _time(function: Callable[[], object], loops: int, pause: float = 0.0) -> float:
    time.sleep(pause)
    start = time.perf_counter()
    for _ in range(loops):
        function()
    return time.perf_counter() - start


def _moments(x: NDArray[Any], channel_axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    stats = channel_stats(x, channel_axis)
    return stats.mean, stats.var()


def _moments_error(_: Case, exact: Sequence[ExactChannel], moments: tuple[NDArray[Any], NDArray[Any]]) -> float:
    rows = zip(*moments, exact, strict=True)
    return max(max(ulps(mean, channel.mean), ulps(var, channel.var)) for mean, var, channel in rows)


def _output_error(
    function: Callable[[ExactChannel], Any], case: Case, exact: Sequence[ExactChannel], y: NDArray[Any]
) -> float:
    triples = zip(case.channels(case.array), case.channels(y), map(function, exact), strict=True)
    return max(worst_ulps(*triple) for triple in triples)


JOBS = (
    Job("mean, variance", lambda x, axis: (x.mean(axis), x.var(axis)), _moments, _moments_error),
    Job(
        "z-score",
        lambda x, axis: (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True),
        zscore,
        partial(_output_error, ExactChannel.standardized),
    ),
    Job(
        "min-max",
        lambda x, axis: (x - x.min(axis, keepdims=True)) / np.ptp(x, axis, keepdims=True),
        minmax_scale,
        partial(_output_error, ExactChannel.rescaled),
    ),
    Job(
        "batch norm",
        lambda x, axis: (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + EPS),
        lambda x, channel_axis: batch_norm(x, channel_axis=channel_axis, eps=EPS),
        partial(_output_error, lambda channel: channel.standardized(EPS)),
    ),
)
