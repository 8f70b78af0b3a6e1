"""Pictures of channels: how their values are distributed, before and after."""

from __future__ import annotations

import io
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbn import ChannelQuantiles, ChannelStats, channel_stats

from . import _panels
from ._channels import Channels, Statistics
from ._fields import Field, Place, Values
from ._panels import AFTER, BEFORE, INK, MUTED, PAPER, Marks, Panel, Span
from ._sampling import Samples

MOST_CHANNELS = 24
WIDE = 1.5  # pictures are about that much wider than high
# Inches.
LARGE, MEDIUM, SMALL, HALF = (6.0, 3.0), (4.0, 2.0), (3.1, 1.55), (2.4, 1.55)  # panels
BESIDE, BETWEEN, BELOW = 0.15, 0.4, 0.9  # gaps: panels of a channel, channels, rows
MARGIN, HEAD, FOOT = 0.35, 1.2, 0.85
LARGE_LETTERS, SMALL_LETTERS = 6.5, 13.0  # in an inch
ROOM = 34  # letters above a panel for quantiles
DPI = 150
SALT = "fastbn"  # identifiers in SVG files are made with it, else at random
UNDATED = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


class Known(NamedTuple):
    """What was computed of a channel."""

    marks: Marks
    text: str


class Sample:
    """Some values of every channel that is drawn."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._channels = Channels(fields)
        self._samples = Samples(fields, MOST_CHANNELS)

    def see(self, field: Field, place: Place, value: Values, nodata: Any) -> None:
        """Take some values of a tile."""
        self._samples.see(field, place, value, nodata)

    def draw(self, stats: Statistics, out: Path, *, form: str, title: str) -> None:
        """Draw the sample and the statistics."""
        known = list(itertools.islice(_known(stats), self._samples.drawn))
        values = [self._samples.values(k) for k in range(self._samples.drawn)]
        spans = self._spans(values)
        panels = [
            [Panel(value, BEFORE, found.marks, self._name(k), found.text)]
            for k, (value, found) in enumerate(zip(values, known, strict=True))
        ]
        marked = "mean \N{PLUS-MINUS SIGN} standard deviation" if isinstance(stats, ChannelStats) else "quantiles"
        with _picture(out, form) as figure:
            _lay_out(figure, panels, [[span] for span in spans], title, self._remark(marked, stats))

    def draw_both(
        self, stats: Statistics, function: Callable[..., NDArray[Any]], out: Path, *, form: str, title: str
    ) -> None:
        """Draw the sample, and what a function makes of it."""
        flat = stats.select(np.unravel_index(np.arange(math.prod(stats.shape)), stats.shape)) if stats.shape else stats
        before = [self._samples.values(k) for k in range(self._samples.drawn)]
        after = []
        for k, values in enumerate(before):
            part = flat.select(slice(k, k + 1)) if stats.shape else stats
            axis = 0 if stats.shape else None
            after.append(function(values[np.newaxis], stats=part, channel_axis=axis, out=None)[0])
        panels = [
            [_measured(x, BEFORE, f"{self._name(k)}, before"), _measured(y, AFTER, "after")]
            for k, (x, y) in enumerate(zip(before, after, strict=True))
        ]
        spans = list(zip(self._spans(before), self._spans(after), strict=True))
        marked = "mean \N{PLUS-MINUS SIGN} standard deviation of what is drawn"
        with _picture(out, form) as figure:
            _lay_out(figure, panels, spans, title, self._remark(marked, stats))

    def _spans(self, samples: Sequence[NDArray[Any]]) -> list[Span]:
        """What the axes show: the same, if the channels are alike."""
        numbers = [_panels.finite(values) for values in samples]
        spans = [_panels.span_of(values) for values in numbers]
        full = [span for span, values in zip(spans, numbers, strict=True) if values.size]
        if not full:
            return spans
        together = iter(_panels.shared(full))
        return [next(together) if values.size else span for span, values in zip(spans, numbers, strict=True)]

    def _name(self, number: int) -> str:
        """What a channel is called above its panel."""
        if self._channels.names is not None:
            return self._channels.names[number]
        field, channel = self._samples.where(number)
        label = self._channels.label(field, channel)
        if not self._channels.alone:
            return label.removesuffix(" ()")
        return f"channel {label.strip('(),')}" if self._channels.shape else "all values"

    def _remark(self, marked: str, stats: Statistics) -> list[str]:
        """What stands below."""
        sizes = [self._samples.values(k).size for k in range(self._samples.drawn)]
        lines = [f"red: {marked}", "" if not sizes else f"bars: shares of {max(sizes):,} values per channel"]
        left = math.prod(stats.shape) - len(sizes)
        if left:
            lines.append(f"{left:,} of {len(sizes) + left:,} channels are not drawn")
        return [line for line in lines if line]


def _known(stats: Statistics) -> Iterator[Known]:
    """What there is to say about each channel."""
    counts = zip(np.ravel(stats.count).tolist(), np.ravel(stats.n_missing).tolist(), strict=True)
    texts = (f"n = {count:,}" + f", {missing:,} missing" * bool(missing) for count, missing in counts)
    if isinstance(stats, ChannelQuantiles):
        q, values = np.atleast_1d(stats.q), stats.values.reshape(np.size(stats.q), -1)
        for column, text in zip(values.T, texts, strict=True):
            middle = column[q == 0.5]
            marks = Marks(lines=tuple(column), middle=float(middle[0]) if middle.size else np.nan)
            yield Known(marks, f"{_quantile_text(q, column)}   {text}")
        return
    moments = (np.ravel(stats.mean), np.ravel(stats.std()), np.ravel(stats.min), np.ravel(stats.max))
    for mean, std, low, high, text in zip(*moments, texts, strict=True):
        ends = "" if low != low else f"{_panels.short(low)} to {_panels.short(high)}   "
        yield Known(Marks(mean, mean - std, mean + std), f"{_panels.spread(mean, std)}   {ends}{text}")


def _quantile_text(q: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    """The quantiles themselves, or where there is no room for all, the ends and the one in the middle."""
    shown = [_panels.short(value) for value in values]
    if sum(map(len, shown)) + 3 * len(shown) <= ROOM:
        return " | ".join(shown)
    return " \N{HORIZONTAL ELLIPSIS} ".join((shown[0], shown[len(q) // 2], shown[-1]))


def _measured(values: NDArray[Any], color: str, title: str) -> Panel:
    """A panel with the mean and the deviation of what is in it."""
    numbers = _panels.finite(values)
    if not numbers.size:
        return Panel(values, color, Marks(), title, "")
    stats = channel_stats(numbers, None)
    mean, std = float(stats.mean), float(stats.std())
    return Panel(values, color, Marks(mean, mean - std, mean + std), title, _panels.spread(mean, std))


def _lay_out(
    figure: Any, channels: Sequence[Sequence[Panel]], spans: Sequence[Sequence[Span]], title: str, remark: Sequence[str]
) -> None:
    """Draw the panels of every channel side by side, and as many channels in a row as make a good picture."""
    each = max(map(len, channels), default=1)
    panel = HALF if each > 1 else LARGE if len(channels) <= 1 else MEDIUM if len(channels) <= 4 else SMALL
    cell = each * panel[0] + (each - 1) * BESIDE + BETWEEN, panel[1] + BELOW
    columns = _columns(len(channels), cell)
    width = 2 * MARGIN + columns * cell[0] - BETWEEN
    height = HEAD + FOOT + max(1, math.ceil(len(channels) / columns)) * cell[1] - BELOW
    figure.set_size_inches(width, height)
    figure.set_facecolor(PAPER)
    head = {"fontsize": 14, "fontweight": "bold", "color": INK}
    title = _panels.fitting(title, int(LARGE_LETTERS * width))
    figure.text(MARGIN / width, 1 - 0.4 / height, title, **head, va="center", parse_math=False)
    said = "   \N{MIDDLE DOT}   ".join(remark)
    if len(said) > SMALL_LETTERS * width:
        said = "\n".join(remark)
    figure.text(MARGIN / width, 0.15 / height, said, fontsize=8, color=MUTED, va="bottom")
    for number, (panels, axis) in enumerate(zip(channels, spans, strict=True)):
        row, column = divmod(number, columns)
        bottom = height - HEAD - row * cell[1] - panel[1]
        for k, (one, span) in enumerate(zip(panels, axis, strict=True)):
            left = MARGIN + column * cell[0] + k * (panel[0] + BESIDE)
            axes = figure.add_axes((left / width, bottom / height, panel[0] / width, panel[1] / height))
            _panels.draw(axes, one, span, panel[0])


def _columns(count: int, cell: tuple[float, float]) -> int:
    """How many stand in a row: neither too wide nor too high, and few places are left."""

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        form = columns * cell[0] / (rows * cell[1] + HEAD) / WIDE
        return abs(math.log(form)) + 3 * (rows * columns - count) / count

    return min(range(1, count + 1), key=cost, default=1)


@contextmanager
def _picture(out: Path, form: str) -> Iterator[Any]:
    """An empty figure, which is written at the end, to the same bytes whenever the same is drawn.

    It is made in memory: of a disk that is full, writers of PDF would say that a stream has no position.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with warnings.catch_warnings(), mpl.rc_context():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a name in a script the font lacks
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = SALT
        figure = Figure()
        yield figure
        drawn = io.BytesIO()
        figure.savefig(drawn, format=form, dpi=DPI, metadata=UNDATED[form])
    out.write_bytes(drawn.getvalue())
