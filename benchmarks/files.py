"""Files larger than the memory that is allowed: the command line against `cp`, with the peak of memory.

    python benchmarks/files.py [--size 4GB] [--memory 1GB] [--directory DIR]

Each side is a process of its own, in turn, and is timed with `sync` of its output, which fastbn always does and `cp`
does not. The share is cp's time over fastbn's: 1.0 is as fast as copying. `normalize`
alone is two passes, statistics and application. A peak is never less than that of this script, some 85 MB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fastbn.cli._values import memory as size

ROUNDS = 5


def make(path: Path, nbytes: int) -> None:
    """A `.npy` file of float32, in pieces."""
    rows = nbytes // (4 * 64)
    rng = np.random.default_rng(1)
    block = rng.normal(5.0, 2.0, (2**16, 64)).astype(np.float32)
    # Not mapped: the peak of a process counts what its parent had when it began.
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 64)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, len(block)):
            file.write(block[: rows - start].tobytes())


def timed(argv: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"failed: {' '.join(argv)}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size, default="4GB")
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--directory", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as folder:
        source, out, stats = (Path(folder) / name for name in ("in.npy", "out.npy", "stats.json"))
        make(source, args.size)
        fastbn = [sys.executable, "-m", "fastbn"]
        memory = ["--memory", args.memory]
        subprocess.run([*fastbn, "stats", source, "-o", stats, *memory], check=True, stdout=subprocess.DEVNULL)
        sides = {
            "cp": ["cp", source, out],
            "cp, sync": ["sh", "-c", f"cp {source} {out} && sync {out}"],
            "stats": [*fastbn, "stats", source, *memory],
            "normalize --stats": [*fastbn, "normalize", source, out, "--stats", stats, *memory],
            "normalize": [*fastbn, "normalize", source, out, *memory],
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        peaks: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name, argv in sides.items():
                out.unlink(missing_ok=True)
                os.sync()
                seconds, peak = timed([str(part) for part in argv])
                times[name].append(seconds)
                peaks[name] = max(peak, peaks.get(name, 0.0))
        print(f"{args.size / 1e9:.1f} GB, --memory {args.memory}, free {shutil.disk_usage(folder).free / 1e9:.0f} GB")
        median = {name: statistics.median(values) for name, values in times.items()}
        for name, seconds in median.items():
            print(
                f"{name:18} {seconds:7.2f} s  {args.size / seconds / 1e9:5.2f} GB/s  of cp"
                f" {median['cp'] / seconds:5.2f}"
                f"  of cp, sync {median['cp, sync'] / seconds:5.2f}  peak {peaks[name]:6.0f} MB"
            )


if __name__ == "__main__":
    main()
