"""Normalization as layers of a network: forward and backward are fastbn's."""

from __future__ import annotations

import numpy as np

import fastbn


class BatchNorm:
    """`fastbn.BatchNorm`, which keeps its parameters, gradients and running statistics itself."""

    def __init__(self, channels: int, *, affine: bool = True, momentum: float | None = 0.1) -> None:
        self.norm = fastbn.BatchNorm(channels, affine=affine, momentum=momentum)
        self.parameters = [self.norm.gamma, self.norm.beta] if affine else []
        self.gradients: list[np.ndarray] = []

    @property
    def training(self) -> bool:
        return self.norm.training

    @training.setter
    def training(self, value: bool) -> None:
        self.norm.train(value)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.norm(x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = self.norm.backward(dy)
        if self.parameters:
            self.gradients = [self.norm.grad_gamma, self.norm.grad_beta]
        return dx


class _PerSample:
    """Statistics of each sample alone: nothing to keep between batches, training and evaluation are the same."""

    training = True

    def __init__(self, channels: int) -> None:
        self.parameters = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
        self.gradients: list[np.ndarray] = []

    def _keep(self, gradients: fastbn.BatchNormGradients) -> np.ndarray:
        dx, dgamma, dbeta = gradients
        self.gradients = [dgamma, dbeta]
        return dx


class GroupNorm(_PerSample):
    """`fastbn.group_norm`: mean and variance of each group of channels of a sample."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(channels)
        self.groups = groups

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return fastbn.group_norm(x, self.groups, *self.parameters)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self._keep(fastbn.group_norm_backward(dy, self.x, self.groups, self.parameters[0]))


class LayerNorm(_PerSample):
    """`fastbn.layer_norm` over the features of (N, features)."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return fastbn.layer_norm(x, *self.parameters)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self._keep(fastbn.layer_norm_backward(dy, self.x, self.parameters[0]))
