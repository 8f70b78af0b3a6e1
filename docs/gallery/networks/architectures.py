"""Networks that several pages train: the same weights for a seed, whatever normalizes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .layers import Convolution, Dense, Flatten, GlobalAverage, Layer, MaxPool, ReLU
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


def vgg_like(
    rng: np.random.Generator,
    normalization: Normalization | None = None,
    *,
    scale: float = 1.0,
    widths: tuple[int, int] = (12, 24),
) -> Network:
    """Two stacked 3 x 3 convolutions and a pooling, twice, and two dense layers; after Simonyan and Zisserman, 2015."""
    first, second = widths
    layers = _convolutions(rng, normalization, scale)
    return Network(
        *layers(1, first, 3),
        *layers(first, first, 3),
        MaxPool(),
        *layers(first, second, 3),
        *layers(second, second, 3),
        MaxPool(),
        Flatten(),
        Dense(4 * second, 2 * second, rng, scale=scale),
        ReLU(),
        Dense(2 * second, 10, rng, scale=scale),
    )


def nin_like(
    rng: np.random.Generator,
    normalization: Normalization | None = None,
    *,
    scale: float = 1.0,
    widths: tuple[int, int] = (12, 24),
) -> Network:
    """A 3 x 3 convolution with 1 x 1 convolutions behind it, twice, then a global average; after Lin et al., 2014.

    The last convolution gives the logits: neither normalization nor activation follows.
    """
    first, second = widths
    layers = _convolutions(rng, normalization, scale)
    return Network(
        *layers(1, first, 3),
        *layers(first, first, 1),
        *layers(first, first, 1),
        MaxPool(),
        *layers(first, second, 3),
        *layers(second, second, 1),
        Convolution(second, 10, rng, size=1, scale=scale),
        GlobalAverage(),
    )


def _convolutions(
    rng: np.random.Generator, normalization: Normalization | None, scale: float
) -> Callable[[int, int, int], list[Layer]]:
    """Return what makes a convolution, the normalization of its channels, and the activation."""

    def layers(channels: int, outputs: int, size: int) -> list[Layer]:
        convolution = Convolution(channels, outputs, rng, size=size, scale=scale)
        return [convolution, *_normalized(normalization, outputs), ReLU()]

    return layers


def _normalized(normalization: Normalization | None, channels: int) -> list[Layer]:
    return [] if normalization is None else [normalization(channels)]
