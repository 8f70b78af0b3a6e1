"""What the pages on loss surfaces share: where optimizers arrive, the planes and lines between, figures and numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from networks import SGD, Adam, Digits, Momentum, Network, minibatches, train
from networks.surface import Grid, Loss, Plane, along, barrier, loss_on, random_direction

from . import WITH, WITHOUT

START = "start"
MARKERS = {START: "*", "SGD": "o", "momentum": "s", "Adam": "^"}
COLOURS = {"without": WITHOUT, "with": WITH}
SCALE = LogNorm(1e-3, 10, clip=True)  # of the loss, the same in all figures


class Landscape(NamedTuple):
    """A network, the loss as a function of its parameters, the start, and where each optimizer arrived."""

    network: Network
    loss: Loss
    points: dict[str, np.ndarray]

    @property
    def reach(self) -> float:
        """The mean distance from the start to the minima."""
        start, *minima = self.points.values()
        return float(np.mean([np.linalg.norm(minimum - start) for minimum in minima]))


def explore(make: Callable[[np.random.Generator], Network], data: Digits, steps: int, seed: int) -> Landscape:
    """Train a network from one start with three optimizers on the same batches of 64.

    The loss is that on every tenth training image.
    """
    network = make(np.random.default_rng(seed))
    points = {START: network.get_vector()}
    for name, optimizer in {"SGD": SGD(0.1), "momentum": Momentum(0.02), "Adam": Adam(0.003)}.items():
        network = make(np.random.default_rng(seed))
        train(network, optimizer, minibatches(data.x_train, data.y_train, 64, np.random.default_rng(seed + 1)), steps)
        points[name] = network.get_vector()
    return Landscape(network, loss_on(network, data.x_train[::10], data.y_train[::10]), points)


def planes(landscape: Landscape, size: int, pairs: int = 3) -> list[tuple[str, str, Grid]]:
    """Compute the loss on planes through the start and two minima each; the window is 2 mean distances wide."""
    grids = []
    for a, b in list(combinations(list(landscape.points)[1:], 2))[:pairs]:
        points = [landscape.points[name] for name in (START, a, b)]
        plane = Plane.through(*points)
        grids.append((a, b, Grid.around(landscape.loss, plane, points, landscape.reach, size)))
    return grids


def lines(landscape: Landscape, shares: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Compute the loss on the line through each two of the points."""
    return {
        (a, b): along(landscape.loss, landscape.points[a], landscape.points[b], shares)
        for a, b in combinations(landscape.points, 2)
    }


def draw_maps(landscapes: dict[str, Landscape], grids: dict[str, list[tuple[str, str, Grid]]]) -> None:
    """Heat maps: a row for each plane, without batch normalization on the left, with it on the right."""
    rows = len(grids["with"])
    figure, axes = plt.subplots(rows, 2, figsize=(7.4, 3.5 * rows), squeeze=False)
    for column, (label, planes_of) in zip(axes.T, grids.items(), strict=True):
        points = landscapes[label].points
        for ax, (a, b, grid) in zip(column, planes_of, strict=True):
            mesh = ax.pcolormesh(grid.u, grid.v, grid.losses, norm=SCALE, cmap="viridis", shading="gouraud")
            ax.contour(grid.u, grid.v, grid.losses, levels=[0.01, 0.1, 1, 2.3, 5], colors="white", linewidths=0.5)
            for name, point in points.items():
                u, v, distance = grid.plane.project(point)
                inside = name in (START, a, b)
                ax.plot(
                    u,
                    v,
                    MARKERS[name],
                    markersize=11 if name == START else 7,
                    markerfacecolor="white" if inside else "none",
                    markeredgecolor="black" if inside else "white",
                    linestyle="none",
                    label=name if inside else f"{name}, {distance:.1f} away",
                )
            ax.set(xlabel=f"u, from start to {a}", ylabel="v", title=f"{label}: plane of {a} and {b}", aspect="equal")
            ax.grid(False)
            ax.legend(fontsize=7, loc="upper right", frameon=True, facecolor="0.55", labelcolor="white")
    figure.colorbar(mesh, ax=axes, label="loss, cut off at both ends", shrink=0.5, extend="both")


def draw_reliefs(grids: dict[str, list[tuple[str, str, Grid]]]) -> None:
    """The first plane as a surface in space; height and colour are log10 of the loss."""
    figure = plt.figure(figsize=(8, 4.2))
    for place, (label, ((a, b, grid), *_)) in enumerate(grids.items()):
        ax = figure.add_subplot(1, 2, 1 + place, projection="3d")
        height = np.log10(np.clip(grid.losses, SCALE.vmin, SCALE.vmax))
        low, high = np.log10([SCALE.vmin, SCALE.vmax])
        u, v = np.meshgrid(grid.u, grid.v)
        ax.plot_surface(u, v, height, cmap="viridis", vmin=low, vmax=high, rstride=1, cstride=1, linewidth=0)
        ax.set(title=f"{label}: plane of {a} and {b}", xlabel="u", ylabel="v", zlim=(low, high))
        ax.set_zlabel("log10 of the loss")
        ax.view_init(35, -120)
        ax.set_box_aspect(None, zoom=0.85)


def draw_lines(curves: dict[str, dict[tuple[str, str], np.ndarray]], shares: np.ndarray) -> None:
    """The loss along each line, with and without batch normalization."""
    _, axes = plt.subplots(2, 3, figsize=(8, 4.8), sharex=True, sharey=True)
    for label, lines_of in curves.items():
        for ax, ((a, b), losses) in zip(axes.flat, lines_of.items(), strict=True):
            ax.semilogy(shares, losses, color=COLOURS[label], label=label)
            ax.set_title(f"{a} (0) to {b} (1)")
    for ax in axes.flat:
        for end in (0, 1):
            ax.axvline(end, color="grey", linewidth=0.6)
    axes[0, 0].legend()
    for ax in axes[:, 0]:
        ax.set_ylabel("loss")
    for ax in axes[1]:
        ax.set_xlabel("share of the way")


def flatness(landscape: Landscape, radii: np.ndarray, directions: int, seed: int) -> dict[str, np.ndarray]:
    """The mean loss near the start and each minimum, for steps of these sizes relative to the parameters."""
    rng = np.random.default_rng(seed)
    around = {}
    for name, point in landscape.points.items():
        landscape.network.set_vector(point)
        drawn = [random_direction(landscape.network, rng) for _ in range(directions)]
        around[name] = np.array([np.mean([landscape.loss(point + r * d) for d in drawn]) for r in radii])
    return around


def draw_flatness(around: dict[str, dict[str, np.ndarray]], radii: np.ndarray) -> None:
    """Draw the mean loss against the size of random steps."""
    _, axes = plt.subplots(1, len(MARKERS), figsize=(8, 2.7), sharey=True)
    for label, curves in around.items():
        for ax, (name, losses) in zip(axes, curves.items(), strict=True):
            ax.semilogy(radii, losses, color=COLOURS[label], marker=".", label=label)
            ax.set(title=f"around {name}", xlabel="relative step")
    axes[0].set_ylabel("mean loss")
    axes[0].legend()


def arrivals(landscapes: dict[str, Landscape]) -> pd.DataFrame:
    """Where the optimizers arrived: loss and distance from the start."""
    rows = {
        (label, name): {"loss": land.loss(point), "distance": np.linalg.norm(point - land.points[START])}
        for label, land in landscapes.items()
        for name, point in land.points.items()
    }
    return pd.DataFrame(rows).T.round(4)


def ruggedness(landscapes: dict[str, Landscape], grids: dict[str, list[tuple[str, str, Grid]]]) -> pd.DataFrame:
    """The numbers of each plane; a place is flat where the slope is below a tenth of ln(10) / mean distance."""
    rows = {}
    for label, planes_of in grids.items():
        for a, b, grid in planes_of:
            flat = grid.slopes() < 0.1 * np.log(10) / landscapes[label].reach
            high = grid.losses > 1
            minima, maxima = grid.extrema()
            rows[label, f"{a}, {b}"] = {
                "flat %": 100 * flat.mean(),
                "flat, loss > 1 %": 100 * (flat & high).mean(),
                "loss > 1 %": 100 * high.mean(),
                "median slope": np.median(grid.slopes()),
                "roughness": grid.roughness(),
                "minima": minima,
                "maxima": maxima,
                "lowest": grid.losses.min(),
                "highest": grid.losses.max(),
            }
    return pd.DataFrame(rows).T.round(3)


def barriers(curves: dict[str, dict[tuple[str, str], np.ndarray]], shares: np.ndarray) -> pd.DataFrame:
    """How far the loss climbs between the two ends of each line above the higher one."""
    between = (shares >= -1e-9) & (shares <= 1 + 1e-9)
    rows = {
        f"{a} to {b}": {label: barrier(lines_of[a, b][between]) for label, lines_of in curves.items()}
        for a, b in curves["with"]
    }
    return pd.DataFrame(rows).T.round(3)
