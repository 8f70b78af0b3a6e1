"""Statistics for the eye: a short table and a picture."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ._printable import printable

if TYPE_CHECKING:
    from ._channel_quantiles import ChannelQuantiles
    from ._channel_stats import ChannelStats

_SHOWN = 12  # channels of a table before the middle is left out


def table(stats: "ChannelStats") -> str:
    """A line per channel: count, mean, std, min, max."""
    columns = [
        ("count", stats.count),
        ("mean", stats.mean),
        ("std", stats.std()),
        ("min", stats.min),
        ("max", stats.max),
    ]
    return listing(stats, stats.min.dtype, ", exact" * (stats.method == "exact"), columns)


def listing(
    value: "ChannelStats | ChannelQuantiles", dtype: np.dtype, remark: str, columns: list[tuple[str, np.ndarray]]
) -> str:
    """A headline, and a line per channel."""
    channels = int(np.prod(value.shape, dtype=np.int64))
    kind = type(value).__name__
    head = f"{kind}: {channels} channel{'s' * (channels != 1)}, shape {value.shape}, {dtype} data{remark}"
    flat = [column.reshape(-1) for _, column in columns]
    picked = list(range(channels))
    if channels > _SHOWN:
        picked = [*range(_SHOWN // 2), *range(channels - _SHOWN // 2, channels)]
    rows = [["channel", *(name for name, _ in columns)]]
    rows += [[printable(label(value, k)), *(_short(column[k]) for column in flat)] for k in picked]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if channels > _SHOWN:
        lines.insert(1 + _SHOWN // 2, "...".rjust(widths[0]))
    return "\n".join([head, *lines])


def label(value: "ChannelStats | ChannelQuantiles", k: int) -> str:
    """Name or index of the k-th channel."""
    if value.names is not None:
        return value.names[k]
    index = np.unravel_index(k, value.shape) if value.shape else ()
    return ", ".join(str(int(i)) for i in index) or "all"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)


def draw(stats: "ChannelStats", ax: Any) -> Any:
    """Mean with one standard deviation, and the range, per channel."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('plot needs matplotlib: pip install "fastbn[demo]"') from None
    if ax is None:
        ax = Figure(figsize=(7, 4), layout="constrained").subplots()
    position = np.arange(stats.mean.size)
    mean, std = stats.mean.reshape(-1), stats.std().reshape(-1)
    low, high = (end.reshape(-1).astype(np.float64) for end in (stats.min, stats.max))
    ax.vlines(position, low, high, color="0.75", linewidth=6, label="min to max")
    ax.errorbar(position, mean, std, fmt="o", color="tab:blue", capsize=4, label="mean and standard deviation")
    if position.size <= 2 * _SHOWN:
        ax.set_xticks(position, [label(stats, int(k)) for k in position])
    ax.set_xlabel("channel")
    ax.legend()
    return ax
