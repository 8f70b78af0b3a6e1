"""The loss as a function of place: lines and planes through vectors of parameters, and how rugged the loss is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .sequence import Network, cross_entropy

Loss = Callable[[np.ndarray], float]


def loss_on(network: Network, x: np.ndarray, labels: np.ndarray) -> Loss:
    """Return the loss on one batch as a function of the vector of parameters, which it writes into the network.

    Batch normalization takes the statistics of that batch: running statistics were gathered at other places.
    """

    def loss(vector: np.ndarray) -> float:
        network.set_vector(vector)
        return cross_entropy(network.train()(x), labels)[0]

    return loss


def gradient_on(network: Network, x: np.ndarray, labels: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return the gradient of `loss_on` at a vector of parameters."""
    network.set_vector(vector)
    network.backward(cross_entropy(network.train()(x), labels)[1])
    return np.concatenate([g.ravel() for g in network.gradients])


class Plane(NamedTuple):
    """`origin + u first + v second`, with orthonormal axes, so that u and v are distances between parameters."""

    origin: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def through(cls, origin: np.ndarray, a: np.ndarray, b: np.ndarray) -> Plane:
        """The plane of three points: `a` is on the axis of u, `b` at positive v."""
        first = (a - origin) / np.linalg.norm(a - origin)
        rest = (b - origin) - (b - origin) @ first * first
        return cls(origin, first, rest / np.linalg.norm(rest))

    def point(self, u: float, v: float) -> np.ndarray:
        return self.origin + u * self.first + v * self.second

    def project(self, vector: np.ndarray) -> tuple[float, float, float]:
        """Return u and v of the nearest point of the plane, and the distance from it."""
        u, v = (vector - self.origin) @ self.first, (vector - self.origin) @ self.second
        return float(u), float(v), float(np.linalg.norm(vector - self.point(u, v)))


class Grid(NamedTuple):
    """A loss on a square window of a plane: `losses[i, j]` is at `u[j]`, `v[i]`."""

    plane: Plane
    u: np.ndarray
    v: np.ndarray
    losses: np.ndarray

    @classmethod
    def around(cls, loss: Loss, plane: Plane, points: list[np.ndarray], half: float, size: int) -> Grid:
        """Take the window of half width `half` in the middle of these points, `size` values each way."""
        places = np.array([plane.project(point)[:2] for point in points])
        middle = (places.min(axis=0) + places.max(axis=0)) / 2
        u, v = (center + np.linspace(-half, half, size) for center in middle)
        return cls(plane, u, v, np.array([[loss(plane.point(a, b)) for a in u] for b in v]))

    def slopes(self) -> np.ndarray:
        """The norm of the gradient within the plane, by differences, per unit of distance."""
        return np.hypot(*np.gradient(self.losses, self.v, self.u))

    def roughness(self) -> float:
        """The mean absolute second difference of log10 of the loss from one grid point to the next."""
        logs = np.log10(self.losses)
        return float(np.mean([np.abs(np.diff(logs, 2, axis=axis)).mean() for axis in (0, 1)]))

    def extrema(self) -> tuple[int, int]:
        """How many inner grid points are below, and how many are above all eight neighbours."""
        inner = self.losses[1:-1, 1:-1]
        rows, columns = self.losses.shape
        around = np.array(
            [
                self.losses[1 + i : rows - 1 + i, 1 + j : columns - 1 + j]
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                if (i, j) != (0, 0)
            ]
        )
        return int((inner < around).all(axis=0).sum()), int((inner > around).all(axis=0).sum())


def along(loss: Loss, a: np.ndarray, b: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the loss on the line through `a` (share 0) and `b` (share 1)."""
    return np.array([loss((1 - share) * a + share * b) for share in shares])


def barrier(losses: np.ndarray) -> float:
    """How far the loss along a line climbs above the higher one of its ends."""
    return float(losses.max() - max(losses[0], losses[-1]))


def random_direction(network: Network, rng: np.random.Generator) -> np.ndarray:
    """Draw a direction that has, in each array of parameters, the length of that array; after Li et al., 2018.

    What normalization follows can be scaled without an effect, so that a length by itself says nothing there.
    """
    pieces = []
    for p in network.parameters:
        piece = rng.normal(size=p.size)
        pieces.append(piece * (np.linalg.norm(p) / np.linalg.norm(piece)))
    return np.concatenate(pieces)
