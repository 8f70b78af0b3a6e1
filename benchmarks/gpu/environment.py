"""What the machine is: card, driver, versions, memory; or why there is no GPU."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("numba", "numba-cuda", "cuda-bindings", "numpy", "torch")
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")  # names under which it is distributed


def lacking() -> str | None:
    """Why nothing can be run, if so."""
    import fastbn

    info = next(info for info in fastbn.backends() if info.name == "cuda")
    return None if info.available else f"backend 'cuda' cannot be used: {info.reason}"


def version_of(package: str) -> str | None:
    """A version, if it is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Of everything that results may depend on."""
    import fastbn

    found = {"fastbn": fastbn.__version__, "Python": platform.python_version()}
    found |= {package: version_of(package) for package in PACKAGES}
    return found | {"cupy": next(filter(None, map(version_of, CUPY)), None)}


def driver() -> str:
    """The driver as its own tool says it, else the version of CUDA that it knows."""
    if (tool := shutil.which("nvidia-smi")) is not None:
        command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
    from numba.cuda.cudadrv.driver import driver

    return "CUDA {}.{}".format(*driver.get_version())


def run(options: argparse.Namespace) -> Iterator[dict]:  # noqa: ARG001
    """Describe it."""
    if (lack := lacking()) is not None:
        yield {"ok": False, "lacking": lack}
        return
    from numba import cuda

    device, memory = cuda.get_current_device(), cuda.current_context().get_memory_info()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    yield {
        "card": name,
        "compute capability": "{}.{}".format(*device.compute_capability),
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "float32 to float64": device.SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO,
        "second-level cache": device.L2_CACHE_SIZE,
        "memory": memory.total,
        "free memory": memory.free,
        "driver": driver(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": versions(),
    }
