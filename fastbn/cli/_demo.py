"""``fastbn demo``: the whole job on photographs and on a table, both from inside the scikit-learn package."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbn import ChannelStats, batch_norm, channel_stats, get_num_threads, minmax_scale, zscore
from fastbn._version import __version__

from . import _demo_picture, _demo_table
from ._demo_data import PURPOSE, Sample, load_photographs, load_wine
from ._demo_exact import ExactChannel
from ._errors import JobError, require
from ._files import atomic_output

PICTURE = "demo.png"
NOTES = """Errors are the worst ones, against exact arithmetic, in units in the last place of the result's type,
which are small near 0: relative errors, in other words.
NumPy: x.mean(axis), x.var(axis); (x - mean) / std; (x - min) / ptp; (x - mean) / sqrt(var + 1e-5).
Times are medians of calls made in turn."""


def demo(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Normalize the samples, compare with NumPy, write everything into a directory; return what JSON can hold of it."""
    figure = require("matplotlib.figure", "matplotlib", PURPOSE).Figure(figsize=_demo_picture.SIZE)
    photographs, (wine, cultivar) = load_photographs(), load_wine()
    if directory.exists() and not directory.is_dir():
        raise JobError(f"--output {directory}: not a directory")
    directory.mkdir(parents=True, exist_ok=True)
    say(f"fastbn {__version__} on {get_num_threads()} threads, NumPy {np.__version__}")
    say("The first run compiles the kernels, which takes a while.")
    written = [PICTURE]
    for sample in (photographs, wine):
        start = time.perf_counter()
        stats = channel_stats(sample.array, sample.channel_axis).with_names(sample.channels)
        outputs = _outputs(sample)
        seconds = time.perf_counter() - start
        say(f"\n{sample.title}: {sample.array.dtype} {sample.array.shape}, first calls {seconds:.2f} s\n{stats!r}")
        written += _save(directory, sample, stats, outputs)
    each = zscore(photographs.array, (0, photographs.channel_axis))  # every photograph by its own statistics
    _demo_picture.draw(figure, photographs, each, wine, zscore(wine.array, wine.channel_axis), cultivar)
    with atomic_output(directory / PICTURE, overwrite=True) as scratch:
        figure.savefig(scratch, format="png", dpi=_demo_picture.DPI)
    cases = _demo_table.cases(photographs.array, wine.array)
    rows = [row for case in cases for row in _demo_table.compare(case)]
    say(f"\n{_comparison(cases, rows)}")
    say(f"\nWritten to {directory}: {', '.join(written)}")
    say(f"Look at {directory / PICTURE}, and try: fastbn stats {directory / wine.name}.npy")
    return {
        "fastbn": __version__,
        "numpy": np.__version__,
        "threads": get_num_threads(),
        "directory": str(directory),
        "files": written,
        "rows": [asdict(row) for row in rows],
    }


def _outputs(sample: Sample) -> dict[str, NDArray[Any]]:
    x, axis = sample.array, sample.channel_axis
    return {"zscore": zscore(x, axis), "minmax": minmax_scale(x, axis), "batchnorm": batch_norm(x, channel_axis=axis)}


def _save(directory: Path, sample: Sample, stats: ChannelStats, outputs: dict[str, NDArray[Any]]) -> list[str]:
    """Write the sample, what became of it, and its statistics; return the names of the files."""
    arrays = {f"{sample.name}.npy": sample.array} | {f"{sample.name}_{job}.npy": y for job, y in outputs.items()}
    for name, array in arrays.items():
        with atomic_output(directory / name, overwrite=True) as scratch, scratch.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    name = f"{sample.name}.json"
    with atomic_output(directory / name, overwrite=True) as scratch:
        stats.save(scratch)
    return [name, *arrays]


def _comparison(cases: Sequence[_demo_table.Case], rows: Sequence[_demo_table.Row]) -> str:
    """Compare with NumPy, and show in full the worst that NumPy does."""
    table = _demo_table.lines(rows)
    x, axis = cases[0].array, cases[0].channel_axis
    exact = ExactChannel.of(x[:, 0])
    variances = (
        f"Variance of red in the table of pixels: exactly {float(exact.var):.5f}, "
        f"fastbn {channel_stats(x, axis).var()[0]:.5f}, NumPy {x.var(axis=0)[0]:.5f}"
    )
    return "\n".join([*table, NOTES, "", variances])
