"""What networks are made of, each with its forward and its backward pass; normalization is in `norms`.

A layer keeps from its forward pass what its backward pass needs, and computes in the dtype of its input.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Layer(Protocol):
    """A differentiable map; `gradients` has one entry for each of `parameters` after `backward`."""

    parameters: list[np.ndarray]
    gradients: list[np.ndarray]
    training: bool  # whether normalization takes the statistics of the batch

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the output for a batch."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Set `gradients`, and return that of the last input."""


class Plain:
    """A layer without parameters that does the same in training and evaluation."""

    training = True

    def __init__(self) -> None:
        self.parameters: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []


class Dense(Plain):
    """`x @ w + b`; weights are drawn with variance `(scale^2) 2 / inputs`, He's for `scale=1`."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, *, scale: float = 1.0) -> None:
        spread = scale * np.sqrt(2.0 / inputs)
        w = rng.normal(0.0, spread, size=(inputs, outputs)).astype(np.float32)
        self.parameters = [w, np.zeros(outputs, np.float32)]
        self.gradients = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        w, b = self.parameters
        return x @ w + b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.gradients = [self.x.T @ dy, dy.sum(axis=0)]
        return dy @ self.parameters[0].T


class Convolution(Plain):
    """Odd square kernels over (N, C, H, W), zeros around, so that H and W stay; weights are drawn as in `Dense`."""

    def __init__(
        self, channels: int, outputs: int, rng: np.random.Generator, *, size: int = 3, scale: float = 1.0
    ) -> None:
        inputs = channels * size * size
        spread = scale * np.sqrt(2.0 / inputs)
        w = rng.normal(0.0, spread, size=(outputs, channels, size, size)).astype(np.float32)
        self.parameters = [w, np.zeros(outputs, np.float32)]
        self.gradients = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        w, b = self.parameters
        self.columns = _columns(x, w.shape[-1])
        n, _, height, width = x.shape
        y = self.columns @ w.reshape(len(w), -1).T + b  # (N H W, outputs)
        return np.ascontiguousarray(y.reshape(n, height, width, -1).transpose(0, 3, 1, 2))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        w, _ = self.parameters
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, len(w))  # (N H W, outputs)
        self.gradients = [(rows.T @ self.columns).reshape(w.shape), rows.sum(axis=0)]
        # The gradient is a convolution as well: with the kernels turned around, outputs and channels exchanged.
        turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(w.shape[1], -1)
        dx = _columns(dy, w.shape[-1]) @ turned.T
        n, _, height, width = dy.shape
        return np.ascontiguousarray(dx.reshape(n, height, width, -1).transpose(0, 3, 1, 2))


def _columns(x: np.ndarray, size: int) -> np.ndarray:
    """(N, C, H, W) -> (N H W, C size size): the neighbourhood of every pixel as a row."""
    border = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))  # (N, C, H, W, size, size)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * size * size)


class ReLU(Plain):
    """`max(x, 0)`."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.positive = x > 0
        return np.where(self.positive, x, x.dtype.type(0))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.where(self.positive, dy, dy.dtype.type(0))


class Sigmoid(Plain):
    """`1 / (1 + exp(-x))`, as a hyperbolic tangent, which does not overflow."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.y = np.tanh(x / 2) / 2 + x.dtype.type(0.5)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * self.y * (1 - self.y)


class MaxPool(Plain):
    """The largest of each 2 x 2 pixels; H and W are even. Where several are largest, they share the gradient."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        n, channels, height, width = x.shape
        tiles = x.reshape(n, channels, height // 2, 2, width // 2, 2)
        y = _combine(np.maximum, tiles)
        chosen = (tiles == y[:, :, :, np.newaxis, :, np.newaxis]).astype(x.dtype)
        self.share = chosen / _combine(np.add, chosen)[:, :, :, np.newaxis, :, np.newaxis]
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        n, channels, height, width = dy.shape
        return (self.share * dy[:, :, :, np.newaxis, :, np.newaxis]).reshape(n, channels, 2 * height, 2 * width)


def _combine(f: np.ufunc, tiles: np.ndarray) -> np.ndarray:
    """(N, C, H, 2, W, 2) -> (N, C, H, W); reductions over axes as short as 2 take more than ten times as long."""
    rows = f(tiles[:, :, :, 0], tiles[:, :, :, 1])
    return f(rows[..., 0], rows[..., 1])


class GlobalAverage(Plain):
    """(N, C, H, W) -> (N, C): the mean over the pixels."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        pixels = self.shape[2] * self.shape[3]
        return np.broadcast_to((dy / pixels)[:, :, np.newaxis, np.newaxis], self.shape)


class Flatten(Plain):
    """(N, ...) -> (N, features)."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy.reshape(self.shape)
