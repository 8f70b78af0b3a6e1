"""Right answers without rounding, and tables of who gave which."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pandas as pd


def exact_moments(values: np.ndarray) -> tuple[float, float]:
    """Return mean and biased variance of all values: sums of Python's integers, rounded once at the end."""
    ratios = [value.as_integer_ratio() for value in values.ravel().tolist()]
    unit = max(denominator for _, denominator in ratios)  # a power of two, so that all others divide it
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    n, total, squares = len(whole), sum(whole), sum(number * number for number in whole)
    return float(Fraction(total, n * unit)), float(Fraction(n * squares - total * total, (n * unit) ** 2))


def answers(what: str, right: float, returned: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per library: what it gave, what is right, and the error relative to that (if 0: absolute)."""
    rows = []
    for library, value in returned.items():
        error = abs(float(value) - right) / (abs(right) or 1.0)
        rows.append((what, library, f"{float(value):.8g}", f"{right:.8g}", f"{error:.1e}"))
    columns = ["what", "library", "returned", "right value", "error"]
    return pd.DataFrame(rows, columns=columns).set_index(["what", "library"])
