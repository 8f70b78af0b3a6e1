"""What the pages of the gallery share: how much they compute, and how their figures look."""

from __future__ import annotations

import os
from typing import TypeVar

import matplotlib.pyplot as plt
from threadpoolctl import threadpool_limits

T = TypeVar("T")

WITH, WITHOUT = "tab:blue", "tab:orange"  # batch normalization; told apart by all kinds of eyes, and in grey


def quick() -> bool:
    """Whether this is a trial: `FASTBN_GALLERY=quick` runs all code of a page on little, to see that it runs."""
    return os.environ.get("FASTBN_GALLERY") == "quick"


def effort(full: T, trial: T) -> T:
    """Return what a page takes, or what a trial of it takes."""
    return trial if quick() else full


def style() -> None:
    """Set how figures look: room for labels, thin lines, a light grid."""
    plt.rcParams.update(
        {
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "lines.linewidth": 1.3,
        }
    )


def one_blas_thread() -> None:
    """Multiply matrices on one thread: for those of small networks, more threads cost more than they save."""
    threadpool_limits(limits=1, user_api="blas")
