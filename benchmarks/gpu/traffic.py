"""What is measured: shapes, and for each operation the bytes that memory has to move for it."""

from __future__ import annotations

import math

from gpu.samples import Layout

#: Operation -> how often every element is read, and written.
PASSES = {
    "channel_stats": (1, 0),
    "zscore": (2, 1),
    "normalize": (1, 1),
    "minmax_scale": (2, 1),
    "batch_norm, training": (2, 1),
    "batch_norm, evaluation": (1, 1),
    "batch_norm_backward": (4, 1),  # x and dy for the sums, and once more for the map
    "instance_norm": (2, 1),
    "group_norm": (2, 1),
    "layer_norm": (2, 1),
}
IMAGES_ONLY = ("instance_norm", "group_norm")
TABLES_ONLY = ("layer_norm",)
DTYPES = ("float16", "float32", "float64")

SHAPES = (
    Layout("ResNet, stem", (32, 64, 112, 112), 1),
    Layout("ResNet, stem, channels last", (32, 112, 112, 64), -1),
    Layout("ResNet, 1", (32, 256, 56, 56), 1),
    Layout("ResNet, 1, channels last", (32, 56, 56, 256), -1),
    Layout("ResNet, 2", (32, 512, 28, 28), 1),
    Layout("ResNet, 3", (32, 1024, 14, 14), 1),
    Layout("ResNet, 4", (32, 2048, 7, 7), 1),
    Layout("ResNet, 4, channels last", (32, 7, 7, 2048), -1),
    Layout("large images", (8, 3, 1024, 1024), 1),
    Layout("narrow table", (10_000_000, 3), 1),
    Layout("table", (1_000_000, 64), 1),
    Layout("wide table", (64, 65_536), 1),
    Layout("square table", (4096, 4096), 1),
)
QUICK = tuple(layout for layout in SHAPES if layout.name in {"ResNet, 1", "ResNet, 1, channels last", "table"})
#: Where the cost of a call is all there is.
SMALL = (Layout("small table", (32, 16), 1), Layout("small images", (2, 16, 4, 4), 1))
ARRAYS = 12  # of the size of the data that an operation and what it is compared with have at a time


def operations(layout: Layout) -> list[str]:
    """What is measured of a shape."""
    left_out = IMAGES_ONLY if len(layout.shape) == 2 else TABLES_ONLY
    return [name for name in PASSES if name not in left_out]


def bytes_moved(operation: str, layout: Layout, itemsize: int) -> int:
    """Bytes that are read and written at least, if nothing stays in a cache from one pass to the next."""
    return sum(PASSES[operation]) * math.prod(layout.shape) * itemsize


def bytes_held(layout: Layout, itemsize: int) -> int:
    """Memory to measure it."""
    return ARRAYS * math.prod(layout.shape) * itemsize
