"""The two kinds of small convolutional networks whose loss surfaces the gallery draws, for images of 8 x 8 pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .layers import Convolution, Dense, Flatten, GlobalAverage, Layer, MaxPool, ReLU
from .norms import BatchNorm
from .sequence import Network

Draw = np.random.Generator


def vgg_like(rng: Draw, *, norm: bool, scale: float = 1.0, widths: tuple[int, int] = (12, 24)) -> Network:
    """Two stacked 3 x 3 convolutions and a pooling, twice, then two dense layers; after Simonyan and Zisserman, 2015.

    With and without `norm`, the same generator draws the same weights.
    """
    first, second = widths
    block = _blocks(rng, norm, scale)
    return Network(
        *block(1, first, 3),
        *block(first, first, 3),
        MaxPool(),
        *block(first, second, 3),
        *block(second, second, 3),
        MaxPool(),
        Flatten(),
        Dense(4 * second, 2 * second, rng, scale=scale),
        ReLU(),
        Dense(2 * second, 10, rng, scale=scale),
    )


def nin_like(rng: Draw, *, norm: bool, scale: float = 1.0, widths: tuple[int, int] = (12, 24)) -> Network:
    """A 3 x 3 convolution with 1 x 1 convolutions behind it, twice, then a global average; after Lin et al., 2014.

    With and without `norm`, the same generator draws the same weights. The last convolution gives the logits: neither
    normalization nor activation follows.
    """
    first, second = widths
    block = _blocks(rng, norm, scale)
    return Network(
        *block(1, first, 3),
        *block(first, first, 1),
        *block(first, first, 1),
        MaxPool(),
        *block(first, second, 3),
        *block(second, second, 1),
        Convolution(second, 10, rng, size=1, scale=scale),
        GlobalAverage(),
    )


def _blocks(rng: Draw, norm: bool, scale: float) -> Callable[[int, int, int], list[Layer]]:
    """Return what makes a convolution, the normalization of its channels, and the activation."""

    def block(channels: int, outputs: int, size: int) -> list[Layer]:
        convolution = Convolution(channels, outputs, rng, size=size, scale=scale)
        return [convolution, *([BatchNorm(outputs)] if norm else []), ReLU()]

    return block
