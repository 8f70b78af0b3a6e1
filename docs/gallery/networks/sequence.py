"""Layers one after the other, and what is measured at the end of them."""

from __future__ import annotations

import numpy as np

import fastbn

from .layers import Layer
from .norms import BatchNorm


class Network:
    """A sequence of layers; called, it returns the output of the last one."""

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Set the gradients of all layers, and return that of the last input."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def train(self, training: bool = True) -> Network:
        """Let batch normalization take the statistics of batches."""
        for layer in self.layers:
            layer.training = training
        return self

    def eval(self) -> Network:
        """Let batch normalization take its running statistics."""
        return self.train(False)

    @property
    def parameters(self) -> list[np.ndarray]:
        return [p for layer in self.layers for p in layer.parameters]

    @property
    def gradients(self) -> list[np.ndarray]:
        return [g for layer in self.layers for g in layer.gradients]

    def get_vector(self) -> np.ndarray:
        """All parameters as one float64 vector: the network's place on its loss surface."""
        return np.concatenate([p.ravel() for p in self.parameters], dtype=np.float64)

    def set_vector(self, vector: np.ndarray) -> None:
        """Write a vector back into the parameters."""
        start = 0
        for p in self.parameters:
            p[...] = vector[start : start + p.size].reshape(p.shape)
            start += p.size

    def recalibrate(self, batches: list[np.ndarray]) -> None:
        """Replace the running statistics of every batch normalization by exact ones of these batches.

        Layer by layer: the statistics of one decide what the next one sees.
        """
        self.eval()
        for place, layer in enumerate(self.layers):
            if isinstance(layer, BatchNorm):
                layer.norm.recalibrate([Network(*self.layers[:place])(x) for x in batches])


def inputs_of(kinds: tuple[type, ...], network: Network, x: np.ndarray) -> list[np.ndarray]:
    """What every layer of such kinds sees for a batch, as in training; running statistics are left alone."""
    seen = []
    for layer in network.layers:
        if isinstance(layer, kinds):
            seen.append(x)
        x = fastbn.batch_norm(x, *layer.parameters) if isinstance(layer, BatchNorm) else layer(x)
    return seen


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean of `-log softmax(logits)[label]`, and its gradient by the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(np.mean(np.log(total[:, 0]) - shifted[rows, labels]))
    gradient = exponentials / total
    gradient[rows, labels] -= 1
    return loss, gradient / logits.dtype.type(len(labels))


def accuracy(network: Network, x: np.ndarray, labels: np.ndarray) -> float:
    """Share of the samples whose largest output is at the label, by running statistics."""
    network.eval()
    right = float(np.mean(network(x).argmax(axis=1) == labels))
    network.train()
    return right
