"""Worst error in ulp against exact values: rational arithmetic on the stored numbers, nothing of the library."""

import math
from fractions import Fraction

import numpy as np

import fastbn

from . import common

ROWS = 4096
ROOT_BITS = 200


def _repeated(values):
    return np.resize(np.asarray(values), (ROWS, 2))


def _outlier(rng):
    x = rng.standard_normal((ROWS, 2))
    x[0] = 1e9
    return x


def _cancelling(rng):
    """Mean far smaller than the values: every value but a few meets its opposite."""
    half = np.ldexp(rng.standard_normal((ROWS // 2, 2)), rng.integers(-25, 26, (ROWS // 2, 2)))
    x = rng.permuted(np.concatenate([half, -half]), axis=0)
    x[:8] += rng.standard_normal((8, 2))
    return x


# What single-pass and plain-sum implementations get wrong; `benchmarks/side_by_side.py` shows by how much.
DATA = {
    "float32_normal": lambda rng: rng.standard_normal((ROWS, 2), dtype=np.float32),
    "float32_1e4": lambda rng: rng.normal(1e4, 1, (ROWS, 2)).astype(np.float32),
    "float32_300_0.01": lambda rng: rng.normal(300, 0.01, (ROWS, 2)).astype(np.float32),
    "float64_1e8": lambda rng: rng.normal(1e8, 1, (ROWS, 2)),
    "float64_1e15_steps": lambda rng: 1e15 + rng.integers(0, 4, (ROWS, 2)),
    "float64_outlier": _outlier,
    "float64_cancelling": _cancelling,
    "float64_constant": lambda _: _repeated([0.1]),
    "float16_normal": lambda rng: rng.standard_normal((ROWS, 2)).astype(np.float16),
    "uint16_uniform": lambda rng: rng.integers(0, 2**16, (ROWS, 2), dtype=np.uint16),
}


def exact_moments(values):
    """Return mean and biased variance of a 1-D array as fractions."""
    ratios = [value.as_integer_ratio() for value in values.tolist()]
    scale = max(denominator for _, denominator in ratios)  # powers of two: the largest is a multiple of all
    scaled = [numerator * (scale // denominator) for numerator, denominator in ratios]
    n, total, squares = len(scaled), sum(scaled), sum(value * value for value in scaled)
    return Fraction(total, n * scale), Fraction(n * squares - total * total, (n * scale) ** 2)


def root(value):
    """Return the square root of a fraction to `ROOT_BITS` bits after the point of its numerator."""
    return Fraction(math.isqrt(value.numerator * value.denominator << 2 * ROOT_BITS), value.denominator << ROOT_BITS)


def ulps(computed, exact):
    """Return the distance in units of the spacing of the computed number's dtype at the exact value."""
    if not np.isfinite(computed):
        return math.inf
    spacing = np.spacing(abs(computed.dtype.type(float(exact))))
    return float(abs(Fraction(float(computed)) - exact) / Fraction(float(spacing)))


class _Accuracy(common.Selected):
    version = "1"
    unit = "ulp"
    param_names = ["data", "layout", "backend"]
    params = [list(DATA), ["table", "rows"], common.BACKENDS]

    def setup(self, data, layout, backend):
        self.select(backend)
        table = DATA[data](np.random.default_rng(0))
        self.moments = [exact_moments(column) for column in table.T]
        self.x, self.channel_axis = (table, 1) if layout == "table" else (np.ascontiguousarray(table.T), 0)

    def worst(self, computed, eps):
        """Return the largest error of an output, whose exact value is `(x - mean) / sqrt(var + eps)`."""
        outputs, inputs = (np.moveaxis(a, self.channel_axis, 0) for a in (computed, self.x))
        errors = []
        for y, x, (mean, var) in zip(outputs, inputs, self.moments, strict=True):
            std = root(var + Fraction(eps)) or Fraction(1)  # a constant channel: zero over anything
            errors += [ulps(a, (Fraction(b) - mean) / std) for a, b in zip(y, x.tolist(), strict=True)]
        return max(errors)


class Statistics(_Accuracy):
    """The contract: mean within 1 ulp, variance within 2."""

    def track_mean(self, *_):
        computed = fastbn.channel_stats(self.x, self.channel_axis).mean
        return max(ulps(c, mean) for c, (mean, _) in zip(computed, self.moments, strict=True))

    def track_var(self, *_):
        computed = fastbn.channel_stats(self.x, self.channel_axis).var()
        return max(ulps(c, var) for c, (_, var) in zip(computed, self.moments, strict=True))


class Outputs(_Accuracy):
    """The contract: 1 ulp of the output dtype (and one of beta, which is 0 here)."""

    def track_zscore(self, *_):
        return self.worst(fastbn.zscore(self.x, self.channel_axis), eps=0.0)

    def track_batch_norm(self, *_):
        return self.worst(fastbn.batch_norm(self.x, eps=1e-5, channel_axis=self.channel_axis), eps=1e-5)
