"""Exact values for the demo's comparison: integers and fractions, no rounding but in the last bits of a square root."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT_BITS = 128


@dataclass(frozen=True)
class ExactChannel:
    """The exact statistics of one channel, and what they make of a value of it."""

    mean: Fraction
    var: Fraction
    low: Fraction
    high: Fraction

    @classmethod
    def of(cls, values: NDArray[Any]) -> ExactChannel:
        """Compute them from the channel's values."""
        distinct, counts = np.unique(values, return_counts=True)
        pairs = [(Fraction(value), count) for value, count in zip(distinct.tolist(), counts.tolist(), strict=True)]
        mean = sum((value * count for value, count in pairs), Fraction()) / values.size
        var = sum(((value - mean) ** 2 * count for value, count in pairs), Fraction()) / values.size
        return cls(mean, var, pairs[0][0], pairs[-1][0])

    def standardized(self, eps: float = 0.0) -> Callable[[Fraction], Fraction]:
        """Return ``(x - mean) / sqrt(var + eps)`` as a function of x."""
        root = square_root(self.var + Fraction(eps))
        return lambda value: (value - self.mean) / root

    def rescaled(self) -> Callable[[Fraction], Fraction]:
        """Return ``(x - min) / (max - min)`` as a function of x."""
        return lambda value: (value - self.low) / (self.high - self.low)


def square_root(number: Fraction) -> Fraction:
    """Square root of a positive fraction, with a relative error below 2**-100."""
    shift = ROOT_BITS + max(0, number.denominator.bit_length() - number.numerator.bit_length())
    return Fraction(math.isqrt((number.numerator << 2 * shift) // number.denominator), 1 << shift)


def ulps(computed: np.floating[Any], exact: Fraction) -> float:
    """Return the error of a number in units in the last place of its own type, at the exact value."""
    ulp = np.spacing(abs(type(computed)(float(exact))))
    return float(abs(Fraction(float(computed)) - exact) / Fraction(float(ulp)))


def worst_ulps(x: NDArray[Any], y: NDArray[Any], exact: Callable[[Fraction], Fraction]) -> float:
    """Return the largest error of ``y``, which should be ``exact(x)``, in ulps of the type of ``y``."""
    # The same pair of input and output occurs in thousands of pixels: look at each once.
    pairs = np.unique(x.ravel().astype(np.float64) + 1j * y.ravel().astype(np.float64))
    outputs = pairs.imag.astype(y.dtype)
    return max(ulps(out, exact(Fraction(value))) for out, value in zip(outputs, pairs.real.tolist(), strict=True))
