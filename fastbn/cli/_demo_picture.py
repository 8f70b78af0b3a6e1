"""The demo's picture: photographs, their histograms and a table of measurements, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._demo_data import Sample
from ._panels import INK, MUTED, PAPER, RULE

SIZE = (15, 15)  # inches
DPI = 130
BAND = "#f0f0ea"
COLORS = ("#cf4456", "#2b9a6b", "#3b6fb5")  # of the channels red, green, blue
CULTIVARS = ("#8f2d4f", "#dd9a2b", "#2e8c9c")
NAMES = 0.116  # width of the names of the wine's measurements
SHOWN = 1.7  # standard deviations from gray to black or white in a rendered photograph
LEVELS = 3  # gray levels per bar of a histogram
DOT_SEED = 5


@dataclass(frozen=True)
class Column:
    """One half of the picture: where it stands, and what it says."""

    left: float
    right: float
    title: str
    photographs: str
    pixel_unit: str
    pixel_limits: tuple[float, float]
    wine: str
    wine_unit: str


BEFORE = Column(
    left=0.035,
    right=0.485,
    title="Before",
    photographs="each color has its own mean and its own spread",
    pixel_unit="pixel value",
    pixel_limits=(-45, 290),
    wine="proline drowns the other twelve",
    wine_unit="measured value",
)
AFTER = Column(
    left=0.515,
    right=0.965,
    title="After",
    photographs=f"each color: mean 0, standard deviation 1 (shown from -{SHOWN} to {SHOWN})",
    pixel_unit="z-score",
    pixel_limits=(-2.6, 4.5),
    wine="every measurement counts, and the cultivars come apart",
    wine_unit="z-score",
)


def draw(
    figure: Any,
    photographs: Sample,
    photographs_z: NDArray[Any],
    wine: Sample,
    wine_z: NDArray[Any],
    cultivar: NDArray[Any],
) -> None:
    """Draw everything on an empty matplotlib figure of the size `SIZE`."""
    figure.set_facecolor(PAPER)
    _text(figure, BEFORE.left, 0.968, "One scale for every channel", 27, INK, "bold")
    formula = "fastbn.zscore on real data: (x - mean) / standard deviation, channel by channel"
    _text(figure, BEFORE.left, 0.939, formula, 14, MUTED)
    _text(figure, BEFORE.left, 0.863, "Two photographs", 14, INK, "bold")
    _text(figure, BEFORE.left, 0.498, f"{wine.array.shape[1]} measurements of {len(wine.array)} wines", 14, INK, "bold")
    _legend(figure, 0.498)
    rendered = np.clip(0.5 + photographs_z / (2 * SHOWN), 0, 1)
    _column(figure, BEFORE, (photographs.array, photographs.array), wine.array, wine.channels, cultivar)
    _column(figure, AFTER, (rendered, photographs_z), wine_z, (), cultivar)


def _column(
    figure: Any,
    column: Column,
    photographs: tuple[NDArray[Any], NDArray[Any]],
    table: NDArray[Any],
    names: tuple[str, ...],
    cultivar: NDArray[Any],
) -> None:
    """Draw one half of the picture."""
    _text(figure, column.left, 0.898, column.title, 18, INK, "bold")
    _text(figure, column.left, 0.843, column.photographs, 12.5, MUTED)
    _photographs(figure, column, *photographs)
    _text(figure, column.left, 0.477, column.wine, 12.5, MUTED)
    _wine(figure, column, names, table, cultivar)


def _photographs(figure: Any, column: Column, images: NDArray[Any], pixels: NDArray[Any]) -> None:
    """Draw every photograph, and its histograms below it."""
    grid = figure.add_gridspec(
        2, len(images), left=column.left, right=column.right, top=0.829, bottom=0.553, hspace=0.04, wspace=0.04,
        height_ratios=[1.25, 1],
    )  # fmt: skip
    for place, (image, values) in enumerate(zip(images, pixels, strict=True)):
        axes = figure.add_subplot(grid[0, place])
        axes.imshow(image, interpolation="lanczos")
        axes.set_axis_off()
        _histograms(figure.add_subplot(grid[1, place]), column, values)


def _histograms(axes: Any, column: Column, image: NDArray[Any]) -> None:
    """Draw the histogram of each color, and below it the color's mean and standard deviation."""
    _bare(axes, f"{column.pixel_unit}; bars: mean \N{PLUS-MINUS SIGN} std")
    for row, (color, values) in enumerate(zip(COLORS, np.moveaxis(image, -1, 0), strict=True)):
        levels = np.unique(values).astype(float)
        width = LEVELS * np.diff(levels).min()  # whole gray levels per bar: others would leave a comb
        edges = np.arange(levels[0] - width / LEVELS / 2, levels[-1] + width, width)
        share = np.histogram(values, edges)[0] / values.size
        axes.stairs(np.sqrt(share), edges, color=color, alpha=0.13, fill=True)  # the root keeps low bars visible
        axes.stairs(np.sqrt(share), edges, color=color, linewidth=1.5)
        mean, std, level = values.mean(dtype=float), values.std(dtype=float), -0.06 * (row + 1)
        axes.plot([mean - std, mean + std], [level, level], color=color, linewidth=4.5, solid_capstyle="round")
        axes.plot(mean, level, "o", color=PAPER, markersize=4)
    axes.set_ylim(-0.24, 0.68)
    axes.set_xlim(column.pixel_limits)


def _wine(figure: Any, column: Column, names: tuple[str, ...], table: NDArray[Any], cultivar: NDArray[Any]) -> None:
    """Draw every measurement as a strip of dots, all of them over one axis."""
    left = column.left + (NAMES if names else 0)
    axes = figure.add_axes((left, 0.052, column.right - left, 0.41))
    _bare(axes, column.wine_unit)
    colors = np.array(CULTIVARS)[cultivar]
    rng = np.random.default_rng(DOT_SEED)
    for row, values in enumerate(table.T):
        if row % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color=BAND, linewidth=0)
        heights = row + rng.uniform(-0.3, 0.3, values.size)
        axes.scatter(values, heights, c=colors, s=14, alpha=0.75, linewidths=0, zorder=3)
    axes.set_ylim(table.shape[1] - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=11, color=INK)


def _legend(figure: Any, height: float) -> None:
    """Say what the colors of the dots mean."""
    for kind, color in enumerate(CULTIVARS):
        left = AFTER.right - 0.247 + 0.09 * kind
        _text(figure, left, height, "\N{BLACK CIRCLE}", 13, color)
        _text(figure, left + 0.014, height, f"cultivar {kind + 1}", 12, INK)


def _text(figure: Any, x: float, y: float, text: str, size: float, color: str, weight: str = "normal") -> None:
    figure.text(x, y, text, fontsize=size, color=color, fontweight=weight, va="center")


def _bare(axes: Any, unit: str) -> None:
    """Remove what carries no data."""
    axes.set_facecolor(PAPER)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=MUTED, length=0, labelsize=10)
    axes.set_xlabel(unit, color=MUTED, fontsize=10.5)
    axes.set_yticks([])
