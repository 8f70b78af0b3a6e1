"""What this installation is: versions, backends, threads, processor."""

import importlib
import platform
from typing import Any

import numpy as np

from ._backends import BackendUnavailable, backends, chosen
from ._scalars import check_choice
from ._threads import get_num_threads
from ._version import __version__

_PACKAGES = ("numpy", "numba", "llvmlite", "numba-cuda", "scikit-learn", "torch")


def _version(package: str) -> str | None:
    metadata = importlib.import_module("importlib.metadata")  # 10 ms, so not at import
    try:
        return str(metadata.version(package))
    except metadata.PackageNotFoundError:
        return None


def _instruction_set() -> list[str]:
    """SIMD extensions NumPy found at run time: the same processor that the kernels are compiled for."""
    found: Any = np.show_config(mode="dicts")
    extensions = found.get("SIMD Extensions", {})
    return [*extensions.get("baseline", []), *extensions.get("found", [])]


def _simd() -> str | None:
    """Variant of the compiled extension that is or would be in use."""
    if not next(info.available for info in backends() if info.name == "cython"):
        return None
    try:
        return str(importlib.import_module("fastbn._backends.cython_cpu").simd)
    except BackendUnavailable as error:
        return str(error)


def describe() -> dict[str, Any]:
    """The configuration as plain data."""
    try:
        backend: str | None = chosen()
    except BackendUnavailable:
        backend = None
    return {
        "fastbn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "instruction_set": _instruction_set(),
        "simd": _simd(),
        "threads": get_num_threads(),
        "backend": backend,
        "backends": [info._asdict() for info in backends()],
        "packages": {package: _version(package) for package in _PACKAGES},
    }


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print versions, backends (and why one cannot be used), threads and instruction set.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default "stdout"
        Print a text, or return the same as a dict that JSON can hold.

    Returns
    -------
    dict or None
        The dict with ``mode="dicts"``, else None.

    Raises
    ------
    ValueError
        If `mode` is something else.

    See Also
    --------
    backends : The backends alone.
    get_num_threads : The threads alone.

    Examples
    --------
    >>> import fastbn
    >>> fastbn.show_config(mode="dicts")["backends"][0]["name"]
    'numba'
    """
    check_choice("mode", mode, ("stdout", "dicts"))
    config = describe()
    if mode == "dicts":
        return config
    print(f"fastbn {config['fastbn']} on Python {config['python']}, {config['platform']}")
    for info in config["backends"]:
        chosen_mark = " (in use)" if info["name"] == config["backend"] else ""
        print(f"backend {info['name']}: {info['reason']}{chosen_mark}")
    print(f"threads: {config['threads']}")
    print(f"instruction set: {config['processor']}, {' '.join(config['instruction_set'])}")
    print(f"variant of the extension: {config['simd'] or 'not installed'}")
    print("packages: " + ", ".join(f"{name} {version or '-'}" for name, version in config["packages"].items()))
    return None
