"""The parts of pictures of channels: one histogram, with what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PAPER, INK, MUTED, RULE = "#fbfaf7", "#1f2429", "#66707b", "#d8dbd6"
BEFORE, AFTER, MARK = "#3b6fb5", "#2b9a6b", "#cf4456"
MOST_BARS = 60
MOST_LEVELS = 512  # of values that are multiples of something: more look continuous
TAIL = 0.005  # of the values at each end do not say how far the axis goes
REACH = 0.6  # by how much of the rest they may extend it
ALIKE = 4.0  # channels share an axis if it is at most so much longer than what they take,
NARROW = 0.1  # all but this part of them
SPIKE = 4.0  # a bar may be so much higher than the next, or is cut
LARGEST = 1e150  # beyond that matplotlib's own arithmetic overflows
TICKS = 5
LETTERS = 11  # of a title, in an inch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Marks:
    """What is drawn into a histogram."""

    middle: float = np.nan  # a line
    low: float = np.nan  # a band
    high: float = np.nan
    lines: tuple[float, ...] = ()  # thin ones


class Panel(NamedTuple):
    """One histogram, and what stands above it."""

    values: NDArray[Any]
    color: str
    marks: Marks
    title: str
    text: str


class Span(NamedTuple):
    """What an axis shows."""

    low: float
    high: float

    @property
    def length(self) -> float:
        return self.high - self.low


def finite(values: NDArray[Any]) -> Floats:
    """The values that have a place on an axis."""
    numbers = np.asarray(values, np.float64)
    return numbers[np.abs(numbers) <= LARGEST]


def span_of(values: Floats) -> Span:
    """What an axis should show of some values: outliers do not count."""
    if not values.size:
        return Span(0.0, 1.0)
    least, low, high, most = (float(end) for end in np.quantile(values, [0, TAIL, 1 - TAIL, 1]))
    room = REACH * (high - low)
    found = Span(max(least, low - room), min(most, high + room))
    if found.length > 0:
        return found
    around = abs(found.low) / 20 or 0.5
    return Span(found.low - around, found.high + around)


def shared(spans: Sequence[Span]) -> list[Span]:
    """One axis for all panels, if they are about the same numbers."""
    whole = Span(min(span.low for span in spans), max(span.high for span in spans))
    if whole.length <= ALIKE * float(np.quantile([span.length for span in spans], NARROW)):
        return [whole] * len(spans)
    return list(spans)


def edges_of(values: Floats, span: Span) -> Floats:
    """Ends of the bars of a histogram; of values that are multiples of something, bars of as many of them each."""
    inside = values[(values >= span.low) & (values <= span.high)]
    wanted = int(np.clip(2 * np.cbrt(max(1, inside.size)), 8, MOST_BARS))
    levels = np.unique(inside)
    step = float(np.diff(levels).min()) if levels.size > 1 else 0.0
    if step and span.length / step <= MOST_LEVELS:
        width = step * max(1, round(span.length / step / wanted))
        start = float(levels[0]) - step / 2
        count = int(np.ceil((float(levels[-1]) - start) / width + 1e-6))
        return np.asarray(start + width * np.arange(count + 1), np.float64)
    if levels.size == 1:
        half = span.length / wanted / 2
        return np.array([levels[0] - half, levels[0] + half])
    return np.linspace(span.low, span.high, wanted + 1)


def draw(axes: Any, panel: Panel, span: Span, width: float) -> None:
    """Draw a panel that is so many inches wide."""
    _bare(axes)
    above = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
    title = fitting(panel.title, int(LETTERS * width))
    axes.annotate(title, xytext=(0, 16), fontsize=9.5, color=INK, fontweight="bold", **above)
    axes.annotate(panel.text, xytext=(0, 4.5), fontsize=7.5, color=MUTED, **above)
    values = finite(panel.values)
    if not values.size:
        reason = "nothing finite" if panel.values.size else "no values"
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", color=MUTED, fontsize=9)
        axes.set_xticks([])
        return
    edges = edges_of(values, span)
    left, right = min(span.low, edges[0]), max(span.high, edges[-1])
    margin = 0.03 * (right - left)
    share = np.histogram(values, edges)[0] / panel.values.size
    top = _top(share)
    low, high = np.clip([panel.marks.low, panel.marks.high], left - margin, right + margin)
    axes.axvspan(low, high, color=MARK, alpha=0.10, linewidth=0)
    axes.stairs(share, edges, color=panel.color, alpha=0.35, fill=True)
    axes.stairs(share, edges, color=panel.color, linewidth=1.0)
    for line in panel.marks.lines:
        if left <= line <= right:
            axes.axvline(line, color=MARK, linewidth=0.8, alpha=0.7, linestyle=(0, (3, 2)))
    if left <= panel.marks.middle <= right:
        axes.axvline(panel.marks.middle, color=MARK, linewidth=1.4)
    axes.set_xlim(left - margin, right + margin)
    axes.set_ylim(0, top * 1.08)
    if share.max() > top:
        highest = int(share.argmax())
        right_half = edges[highest] > (left + right) / 2
        _note(
            axes,
            f"\N{UPWARDS ARROW} {share[highest]:.0%}",
            (float(edges[highest if right_half else highest + 1]), 0.98),
            "right" if right_half else "left",
            axes.get_xaxis_transform(),
        )
    numbers = np.asarray(panel.values, np.float64)
    shares = [np.count_nonzero(what) / numbers.size for what in (numbers < left, numbers > right, np.isnan(numbers))]
    _note(axes, f"\N{LEFTWARDS ARROW} {_percent(shares[0])}" * bool(shares[0]), (0.01, 0.14))
    _note(axes, f"{_percent(shares[1])} \N{RIGHTWARDS ARROW}" * bool(shares[1]), (0.99, 0.14), "right")
    _note(axes, f"NaN {_percent(shares[2])}" * bool(shares[2]), (0.99, 0.98), "right")


def _note(axes: Any, text: str, where: tuple[float, float], side: str = "left", transform: Any = None) -> None:
    """Say what the bars do not show."""
    box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    transform = axes.transAxes if transform is None else transform
    if text:
        axes.text(*where, text, ha=side, va="top", fontsize=7, color=INK, bbox=box, transform=transform)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _top(share: Floats) -> float:
    """How high the axis goes: a single bar that dwarfs the others is cut."""
    highest = np.sort(share)[::-1]
    if share.size < 8 or highest[1] == 0 or highest[0] <= SPIKE * highest[1]:
        return float(highest[0]) or 1.0
    return float(2 * highest[1])


def _bare(axes: Any) -> None:
    """Remove what carries no data."""
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(PAPER)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.xaxis.set_major_locator(MaxNLocator(TICKS))
    axes.ticklabel_format(axis="x", scilimits=(-4, 6))
    axes.xaxis.offsetText.set(fontsize=7, color=MUTED)
    axes.tick_params(colors=MUTED, length=2, labelsize=7.5)
    axes.set_yticks([])


def fitting(name: str, most: int) -> str:
    """A name on one line, its middle left out if it is long."""
    name = " ".join(name.split())
    half = most // 2 - 1
    return name if len(name) <= most else f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def short(number: Any) -> str:
    """A number for people."""
    if 1e3 <= abs(float(number)) < 1e9 or (isinstance(number, np.integer) and -1000 < number < 1000):
        return f"{number:,.0f}"
    return f"{number:.4g}"


def spread(middle: float, deviation: float) -> str:
    """Mean and deviation, the first to as many places as the second is known to."""
    if not (np.isfinite(middle) and np.isfinite(deviation)) or deviation <= 0:
        return f"{middle:.4g} \N{PLUS-MINUS SIGN} {deviation:.4g}"
    places = 2 - int(f"{deviation:.2e}".partition("e")[2])
    if not 0 <= places <= 8 or abs(middle) >= 1e9:
        return f"{middle:.4g} \N{PLUS-MINUS SIGN} {deviation:.3g}"
    return f"{round(middle, places) + 0.0:.{places}f} \N{PLUS-MINUS SIGN} {deviation:.{places}f}"
