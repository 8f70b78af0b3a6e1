"""Networks that several pages train: the same weights for a seed, whatever normalizes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .layers import Convolution, Dense, Flatten, Layer, MaxPool, ReLU
from .sequence import Network

Normalization = Callable[[int], Layer]  # of so many channels


def dense_network(
    rng: np.random.Generator,
    normalization: Normalization | None = None,
    *,
    widths: Sequence[int] = (64, 64),
    activation: Callable[[], Layer] = ReLU,
    scale: float = 1.0,
) -> Network:
    """Digits to ten outputs by dense layers, each normalized before its activation; `scale` is that of all weights."""
    layers: list[Layer] = [Flatten()]
    inputs = 64
    for width in widths:
        layers += [Dense(inputs, width, rng, scale=scale), *_normalized(normalization, width), activation()]
        inputs = width
    return Network(*layers, Dense(inputs, 10, rng, scale=scale))


def convolutional_network(
    rng: np.random.Generator,
    normalization: Normalization | None = None,
    *,
    channels: Sequence[int] = (8, 16),
) -> Network:
    """Digits to ten outputs by up to three convolutions, each normalized, then ReLU and a maximum of 2 x 2 pixels."""
    layers: list[Layer] = []
    inputs, side = 1, 8
    for outputs in channels:
        layers += [Convolution(inputs, outputs, rng), *_normalized(normalization, outputs), ReLU(), MaxPool()]
        inputs, side = outputs, side // 2
    return Network(*layers, Flatten(), Dense(inputs * side * side, 10, rng))


def _normalized(normalization: Normalization | None, channels: int) -> list[Layer]:
    return [] if normalization is None else [normalization(channels)]
