"""The samples of the demo: real data that scikit-learn carries inside its package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import require

PURPOSE = "fastbn demo"


@dataclass(frozen=True)
class Sample:
    """An array, the axis of it that counts channels, and what the channels are called."""

    name: str
    title: str
    array: NDArray[Any]
    channel_axis: int
    channels: tuple[str, ...]


def load_photographs() -> Sample:
    """Two photographs of 427 x 640 pixels, uint8, channels last."""
    require("PIL", "Pillow", PURPOSE)  # scikit-learn opens them with it
    images = require("sklearn.datasets", "scikit-learn", PURPOSE).load_sample_images().images
    return Sample("photographs", "Two photographs", np.stack(images), -1, ("red", "green", "blue"))


def load_wine() -> tuple[Sample, NDArray[Any]]:
    """Thirteen measurements of 178 wines, float64, and the cultivar of each wine."""
    bunch = require("sklearn.datasets", "scikit-learn", PURPOSE).load_wine()
    names = tuple(
        name.replace("od280/od315_of_diluted_wines", "od280/od315").replace("_", " ") for name in bunch.feature_names
    )
    return Sample("wine", "Chemical measurements of wines", bunch.data, 1, names), bunch.target
