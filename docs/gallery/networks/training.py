"""Optimizers, and the loop that they run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from .sequence import Network, cross_entropy


class Optimizer(Protocol):
    """Changes parameters in place."""

    def step(self, parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        """Take one step."""


class SGD:
    """`p -= rate * g`."""

    def __init__(self, rate: float) -> None:
        self.rate = np.float32(rate)

    def step(self, parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        for p, g in zip(parameters, gradients, strict=True):
            p -= self.rate * g


class Momentum:
    """`v = momentum * v + g; p -= rate * v`."""

    def __init__(self, rate: float, momentum: float = 0.9) -> None:
        self.rate, self.momentum = np.float32(rate), np.float32(momentum)
        self.velocities: list[np.ndarray] = []

    def step(self, parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        if not self.velocities:
            self.velocities = [np.zeros_like(p) for p in parameters]
        for p, g, v in zip(parameters, gradients, self.velocities, strict=True):
            v *= self.momentum
            v += g
            p -= self.rate * v


class Adam:
    """Kingma and Ba, 2015: steps by the mean of the gradients over the root of that of their squares."""

    def __init__(self, rate: float, decay: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.rate, self.decay, self.eps = rate, decay, np.float32(eps)
        self.moments: list[tuple[np.ndarray, np.ndarray]] = []
        self.steps = 0

    def step(self, parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        if not self.moments:
            self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        self.steps += 1
        first, second = self.decay
        # What the zeros at the beginning weigh is divided out.
        rate = np.float32(self.rate * np.sqrt(1 - second**self.steps) / (1 - first**self.steps))
        for p, g, (mean, square) in zip(parameters, gradients, self.moments, strict=True):
            mean += np.float32(1 - first) * (g - mean)
            square += np.float32(1 - second) * (g * g - square)
            p -= rate * mean / (np.sqrt(square) + self.eps)


def train(
    network: Network,
    optimizer: Optimizer,
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    steps: int,
    watch: Callable[[int, float], None] = lambda *_: None,
) -> np.ndarray:
    """Take steps, one batch each, and return the loss of each batch; the first that is not finite is the last.

    `watch` is called after each backward pass, before the step is taken: layers then hold what they saw, and gradients.
    """
    losses = np.empty(steps)
    for step in range(steps):
        x, labels = next(batches)
        losses[step], gradient = cross_entropy(network(x), labels)
        if not np.isfinite(losses[step]):
            return losses[: step + 1]
        network.backward(gradient)
        watch(step, losses[step])
        optimizer.step(network.parameters, network.gradients)
    return losses
