"""What the pages on loss surfaces share: where optimizers arrive, the planes and lines between, figures and numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from networks import SGD, Adam, BatchNorm, Digits, Momentum, Network, minibatches, train
from networks.surface import Grid, Loss, Plane, along, barrier, gradient_on, loss_on, random_direction

from . import WITH, WITHOUT

Make = Callable[[np.random.Generator], Network]
SEED = 0
START = "start"
MARKERS = {START: "*", "SGD": "o", "Adam": "^", "momentum": "s"}
COLOURS = {"without": WITHOUT, "with": WITH}
SCALE = LogNorm(1e-3, 10)  # of the loss, the same in all figures
LEVELS = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 2.3, 5]
CAPTION = {"color": "white", "ha": "right", "path_effects": [withStroke(linewidth=2, foreground="0.2")]}
BELOW = {"loc": "outside lower center"}  # where there is no room for a legend among the data


class Landscape(NamedTuple):
    """A network, the loss as a function of its parameters, the start, and where each optimizer arrived."""

    network: Network
    batch: tuple[np.ndarray, np.ndarray]
    loss: Loss
    points: dict[str, np.ndarray]

    @property
    def reach(self) -> float:
        """The distance from the start to the farthest minimum."""
        start, *minima = self.points.values()
        return float(max(np.linalg.norm(minimum - start) for minimum in minima))


def explore(make: Make, data: Digits, steps: int, seed: int) -> Landscape:
    """Train a network from one start with three optimizers on the same batches of 64.

    The loss is that on every tenth training image.
    """
    network = make(np.random.default_rng(seed))
    points = {START: network.get_vector()}
    for name, optimizer in {"SGD": SGD(0.1), "Adam": Adam(0.003), "momentum": Momentum(0.02)}.items():
        network = make(np.random.default_rng(seed))
        train(network, optimizer, minibatches(data.x_train, data.y_train, 64, np.random.default_rng(seed + 1)), steps)
        points[name] = network.get_vector()
    batch = data.x_train[::10], data.y_train[::10]
    return Landscape(network, batch, loss_on(network, *batch), points)


def explore_both(make: Callable[..., Network], data: Digits, steps: int, *, scale: float) -> dict[str, Landscape]:
    """The landscapes without and with batch normalization, from weights that the same generator draws."""
    norms = {"without": None, "with": BatchNorm}
    return {
        label: explore(partial(make, normalization=norm, scale=scale), data, steps, SEED)
        for label, norm in norms.items()
    }


def planes(landscape: Landscape, size: int, pairs: int = 3) -> list[tuple[str, str, Grid]]:
    """Compute the loss on planes through the start and two minima each; the window is twice the reach wide."""
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
    """Heat maps: a row for each plane, without batch normalization on the left, with it on the right.

    What is not in the plane is drawn hollow where it is nearest, with its distance from there.
    """
    rows = len(grids["with"])
    figure, axes = plt.subplots(rows, 2, figsize=(7.6, 0.7 + 3.3 * rows), squeeze=False, layout="compressed")
    for column, (label, planes_of) in zip(axes.T, grids.items(), strict=True):
        for ax, (a, b, grid) in zip(column, planes_of, strict=True):
            mesh = ax.pcolormesh(grid.u, grid.v, grid.losses, norm=SCALE, cmap="viridis", shading="gouraud")
            ax.contour(grid.u, grid.v, grid.losses, levels=LEVELS, colors="white", linewidths=0.5, alpha=0.7)
            for name, point in landscapes[label].points.items():
                u, v, distance = grid.plane.project(point)
                inside = name in (START, a, b)
                fill = {"markerfacecolor": "white", "markeredgecolor": "black"}
                hollow = {"markerfacecolor": "none", "markeredgecolor": "white"}
                size = 13 if name == START else 8
                ax.plot(u, v, MARKERS[name], markersize=size, linestyle="none", **(fill if inside else hollow))
                if not inside:
                    ax.annotate(f"{distance:.1f} away", (u, v), (-7, 6), textcoords="offset points", **CAPTION)
            ax.set(xlabel=f"u: distance from start towards {a}", ylabel="v: distance across", aspect="equal")
            ax.set_title(f"{label} batch normalization\nstart, {a}, {b}")
            ax.grid(False)
    figure.colorbar(mesh, ax=axes, label="loss, cut off at both ends", shrink=0.7 if rows > 1 else 0.9, extend="both")
    style = {"markerfacecolor": "white", "markeredgecolor": "black", "linestyle": "none", "markersize": 9}
    figure.legend(handles=[Line2D([], [], marker=m, label=n, **style) for n, m in MARKERS.items()], ncols=4, **BELOW)


def draw_reliefs(landscapes: dict[str, Landscape], grids: dict[str, list[tuple[str, str, Grid]]]) -> None:
    """The first plane as a surface in space; height and colour are log10 of the loss."""
    figure = plt.figure(figsize=(8, 4.4), layout="none")
    figure.subplots_adjust(left=0, right=0.94, bottom=0.1, top=0.88, wspace=0.08)
    low, high = np.log10([SCALE.vmin, SCALE.vmax])
    for place, (label, ((a, b, grid), *_)) in enumerate(grids.items()):
        ax = figure.add_subplot(1, 2, 1 + place, projection="3d", computed_zorder=False)
        u, v = np.meshgrid(grid.u, grid.v)
        height = np.log10(np.clip(grid.losses, SCALE.vmin, SCALE.vmax))
        look = {"cmap": "viridis", "vmin": low, "vmax": high, "rcount": len(u), "ccount": len(u)}
        ax.plot_surface(u, v, height, edgecolor=(0, 0, 0, 0.15), linewidth=0.2, **look)
        for name in (START, a, b):
            point = landscapes[label].points[name]
            top = np.log10(landscapes[label].loss(point))
            at = (*grid.plane.project(point)[:2], top)
            ax.plot(*at, MARKERS[name], color="white", markeredgecolor="black", linestyle="none", label=name)
        ax.set(xlabel="u", ylabel="v", zlim=(low, high), title=f"{label} batch normalization\nstart, {a}, {b}")
        ax.set_zlabel("log10 of the loss")
        ax.set_zticks(range(int(low), int(high) + 1))
        ax.locator_params(axis="x", nbins=5)
        ax.locator_params(axis="y", nbins=5)
        ax.view_init(40, -80)
        ax.set_box_aspect((1, 1, 0.75), zoom=0.95)
    figure.legend(*ax.get_legend_handles_labels(), loc="lower center", ncols=3)


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


def flatness(landscape: Landscape, radii: np.ndarray, directions: int) -> dict[str, np.ndarray]:
    """The mean loss near the start and each minimum, for steps of these sizes relative to the parameters."""
    rng = np.random.default_rng(SEED)
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
            ax.set(xlabel="relative step")
            ax.set_title(f"around {name}", fontsize=10)
    axes[0].set_ylabel("mean loss")
    axes[0].legend()


def perturbed(around: dict[str, dict[str, np.ndarray]], radii: np.ndarray) -> pd.DataFrame:
    """The same as numbers, a column for each relative step."""
    rows = {(label, name): losses for label, curves in around.items() for name, losses in curves.items()}
    return pd.DataFrame(rows, index=[f"{r:.1f}" for r in radii]).T.round(3)


def arrivals(landscapes: dict[str, Landscape]) -> pd.DataFrame:
    """Where the optimizers arrived: loss, norm of its gradient, and distance from the start."""
    rows = {
        (label, name): {
            "loss": land.loss(point),
            "gradient norm": np.linalg.norm(gradient_on(land.network, *land.batch, point)),
            "distance": np.linalg.norm(point - land.points[START]),
        }
        for label, land in landscapes.items()
        for name, point in land.points.items()
    }
    return pd.DataFrame(rows).T.round(4)


def ruggedness(landscapes: dict[str, Landscape], grids: dict[str, list[tuple[str, str, Grid]]]) -> pd.DataFrame:
    """The numbers of each plane; a place is flat where the slope is below a tenth of ln(10) / reach."""
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
    return pd.DataFrame(rows).T.map("{:.4g}".format)


def barriers(curves: dict[str, dict[tuple[str, str], np.ndarray]], shares: np.ndarray) -> pd.DataFrame:
    """How far the loss climbs between the two ends of each line above the higher one."""
    between = (shares >= -1e-9) & (shares <= 1 + 1e-9)
    rows = {
        f"{a} to {b}": {label: barrier(lines_of[a, b][between]) for label, lines_of in curves.items()}
        for a, b in curves["with"]
    }
    return pd.DataFrame(rows).T.round(3)
