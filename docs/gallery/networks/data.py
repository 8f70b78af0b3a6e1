"""The handwritten digits that ship with scikit-learn: 1797 images of 8 x 8 pixels, by 13 writers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import fastbn


class Digits(NamedTuple):
    """Images as float32 (N, 1, 8, 8), normalized by statistics of the training part, and labels 0 to 9."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits(train: int = 1297, *, start: int = 0) -> Digits:
    """Split the digits in the order of the file, read from `start` on and around, and normalize both parts.

    A shuffled split would put the same hands on both sides, and nearly every network above 98 %.
    """
    images, labels = load_digits(return_X_y=True)
    images, labels = np.roll(images, -start, axis=0), np.roll(labels, -start)
    x = images.astype(np.float32).reshape(-1, 1, 8, 8)
    x_train, stats = fastbn.zscore(x[:train], return_stats=True)
    return Digits(x_train, labels[:train], fastbn.normalize(x[train:], stats), labels[train:])


def minibatches(
    x: np.ndarray, labels: np.ndarray, size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end: every sample once per pass, in another order in each, but for what is left at its end."""
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield x[chosen], labels[chosen]
