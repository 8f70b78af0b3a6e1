"""The order of the gallery: what features are, what training does, data without networks."""

from pathlib import Path

ORDER = [
    "one_scale",
    "four_steps",
    "photographs",
    "covariate_shift",
    "convergence",
    "loss_surface_vgg",
    "loss_surface_nin",
    "generalization",
    "tolerance",
    "small_batches",
    "gamma_beta",
    "raster",
    "sensors",
    "climate",
    "cells",
]


class ByList:
    """Sphinx-Gallery's key of a script: its place in `ORDER`, which therefore names every script."""

    def __init__(self, _: str) -> None:
        pass

    def __call__(self, filename: str) -> int:
        return ORDER.index(Path(filename).stem)
