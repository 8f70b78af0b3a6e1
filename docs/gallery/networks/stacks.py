"""Fully connected networks of equal hidden layers, and what their layers see."""

from __future__ import annotations

import numpy as np

import fastbn

from .layers import Dense, Flatten, Layer, ReLU, Sigmoid
from .norms import BatchNorm
from .sequence import Network

Activation = type[Sigmoid] | type[ReLU]


def fully_connected(
    depth: int,
    activation: Activation,
    rng: np.random.Generator,
    *,
    normalized: bool,
    affine: bool = True,
    width: int = 64,
    scale: float = 1.0,
) -> Network:
    """`depth` hidden layers, normalized before the activation or not, and one for the logits of the digits.

    From the same `rng`, both kinds start from the same weights.
    """
    layers: list[Layer] = [Flatten()]
    inputs = 64
    for _ in range(depth):
        layers.append(Dense(inputs, width, rng, scale=scale))
        if normalized:
            layers.append(BatchNorm(width, affine=affine))
        layers.append(activation())
        inputs = width
    return Network(*layers, Dense(inputs, 10, rng, scale=scale))


def inputs_of(kinds: tuple[type, ...], network: Network, x: np.ndarray) -> list[np.ndarray]:
    """What every layer of such kinds sees for a batch, as in training; running statistics are left alone."""
    seen = []
    for layer in network.layers:
        if isinstance(layer, kinds):
            seen.append(x)
        x = fastbn.batch_norm(x, *layer.parameters) if isinstance(layer, BatchNorm) else layer(x)
    return seen
