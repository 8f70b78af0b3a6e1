"""The maps under one signature, and what the contract lets a result miss the exact rational value by.

`oracle` has the exact values, from integers and fractions; here are the bounds, in units of the last place (ulp) of
the output's dtype. Of a long channel only some values are looked at: the ends, those nearest to the mean, and a fixed
sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

import fastbn
import oracle

Axis = int | tuple[int, ...] | None

LOOKED_AT = 80  # values of a channel
BATCH_NORM_EPS = 1e-5
MEAN_BITS = Fraction(1, 2**104)  # the width of a mean in two float64 words


def assert_standardized(
    y: np.ndarray,
    x: np.ndarray,
    channel_axis: Axis = 1,
    *,
    fitted: np.ndarray | None = None,
    moments: list[tuple[Fraction, Fraction]] | None = None,
    ddof: int = 0,
    eps: float = 0.0,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
) -> None:
    """``y`` is ``(x - mean) * gamma / sqrt(var + eps) + beta``, to 1 ulp and 1 ulp of ``beta``.

    The moments are the exact ones of `fitted` (of ``x`` itself if None), or given as (mean, var) per channel. ``2**-104
    |mean| / std`` comes on top: no mean in two words is better.
    """
    if moments is None:
        moments = [(m.mean, m.var(ddof)) for m in oracle.channel_moments(x if fitted is None else fitted, channel_axis)]
    scales, shifts = (_per_channel(v, len(moments), unit) for v, unit in ((gamma, 1.0), (beta, 0.0)))
    for (mean, var), scale, shift, (got, values) in zip(
        moments, scales, shifts, _channels(y, x, channel_axis), strict=True
    ):
        exact = oracle.standardize(values, mean, var, eps=eps, gamma=scale, beta=shift)
        slack = oracle.ulp(Fraction(shift), y.dtype) if shift else Fraction(0)
        if math.isfinite(var) and var + Fraction(eps) > 0:
            slack += abs(mean * Fraction(scale)) * MEAN_BITS / oracle.sticky_sqrt(var + Fraction(eps))
        _assert_near(got, exact, y.dtype, lambda value, slack=slack: oracle.ulp(value, y.dtype) + slack)


def assert_restored(
    x: np.ndarray,
    y: np.ndarray,
    channel_axis: Axis = 1,
    *,
    fitted: np.ndarray,
    ddof: int = 0,
    eps: float = 0.0,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
) -> None:
    """``x`` is ``(y - beta) / gamma * sqrt(var + eps) + mean``, to 2 ulp of ``max(|x|, |mean|)``."""
    moments = [(m.mean, m.var(ddof)) for m in oracle.channel_moments(fitted, channel_axis)]
    scales, shifts = (_per_channel(v, len(moments), unit) for v, unit in ((gamma, 1.0), (beta, 0.0)))
    for (mean, var), scale, shift, (got, values) in zip(
        moments, scales, shifts, _channels(x, y, channel_axis), strict=True
    ):
        factor = oracle.sticky_sqrt(var + Fraction(eps)) / Fraction(scale)
        exact = [(Fraction(v) - Fraction(shift)) * factor + mean for v in values]
        _assert_near(got, exact, x.dtype, lambda v, mean=mean: 2 * oracle.ulp(max(abs(v), abs(mean)), x.dtype))


def assert_rescaled(
    y: np.ndarray,
    x: np.ndarray,
    channel_axis: Axis = 1,
    *,
    fitted: np.ndarray | None = None,
    feature_range: tuple[float, float] = (0.0, 1.0),
) -> None:
    """``y`` is ``lo + (x - min) / (max - min) * (hi - lo)``, to 1 ulp.

    On top come five roundings of the formula in float64 (three differences, a division, a product), at most 1 ulp each
    of what is added to ``lo``.
    """
    lo = Fraction(feature_range[0])
    fits = oracle.channel_arrays(x if fitted is None else fitted, channel_axis)
    for fit, (got, values) in zip(fits, _channels(y, x, channel_axis), strict=True):
        exact = oracle.min_max(values, fit.min().item(), fit.max().item(), feature_range)
        _assert_near(got, exact, y.dtype, lambda v: oracle.ulp(v, y.dtype) + 5 * oracle.ulp(v - lo))


def assert_unscaled(x: np.ndarray, y: np.ndarray, channel_axis: Axis = 1, *, fitted: np.ndarray) -> None:
    """``x`` is ``min + y * (max - min)``, to 2 ulp of the largest of ``|x|, |min|, |max|``."""
    fits = oracle.channel_arrays(fitted, channel_axis)
    for fit, (got, values) in zip(fits, _channels(x, y, channel_axis), strict=True):
        low, high = Fraction(fit.min().item()), Fraction(fit.max().item())
        exact = [low + Fraction(v) * (high - low) for v in values]
        largest = max(abs(low), abs(high))
        _assert_near(got, exact, x.dtype, lambda v, top=largest: 2 * oracle.ulp(max(abs(v), top), x.dtype))


def _assert_near(got: list[float], exact: list, dtype: np.dtype, allowed: Callable[[Fraction], Fraction]) -> None:
    """Every value is as near to its exact value as `allowed` says; NaN, infinities and overflow are as they must be."""
    for value, want in zip(got, exact, strict=True):
        miss = oracle.ulps(value, want, dtype)
        if miss:
            bound = 0 if isinstance(want, float) else allowed(want) / oracle.ulp(want, dtype)
            assert miss <= bound, (
                f"{value!r} for {oracle.rounded(want)!r}: {float(miss)} ulp of {dtype}, allowed {float(bound)}"
            )


def _channels(y: np.ndarray, x: np.ndarray, channel_axis: Axis) -> list[tuple[list[float], list[float | int]]]:
    """The values of output and input to look at, channel by channel."""
    assert y.shape == x.shape
    pairs = zip(oracle.channel_arrays(y, channel_axis), oracle.channel_arrays(x, channel_axis), strict=True)
    return [(got[index].tolist(), values[index].tolist()) for got, values in pairs for index in [_looked_at(values)]]


def _looked_at(values: np.ndarray) -> np.ndarray:
    """Indices of the values to look at."""
    if values.size <= LOOKED_AT:
        return np.arange(values.size)
    order = np.argsort(values, kind="stable")
    middle = np.searchsorted(values, values.mean(dtype=np.float64), sorter=order)
    ends = [order[:5], order[max(0, middle - 5) : middle + 5], order[-5:], [0, 1, values.size - 1]]
    sample = np.random.default_rng(values.size).integers(0, values.size, LOOKED_AT - 23)
    return np.concatenate([*ends, sample]).astype(np.intp)


def _per_channel(vector: np.ndarray | None, channels: int, default: float) -> list[float]:
    """A per-channel vector as Python floats."""
    return [default] * channels if vector is None else np.asarray(vector).ravel().tolist()


def _normalize(x, channel_axis=1, **options):
    return fastbn.normalize(x, fastbn.channel_stats(x, channel_axis), channel_axis, **options)


def _denormalize(x, channel_axis=1, **options):
    return fastbn.denormalize(x, fastbn.channel_stats(x, channel_axis), channel_axis, **options)


def _minmax_unscale(x, channel_axis=1, **options):
    return fastbn.minmax_unscale(x, fastbn.channel_stats(x, channel_axis), channel_axis, **options)


def _batch_norm(x, channel_axis=1, **options):
    return fastbn.batch_norm(x, channel_axis=channel_axis, **options)


# Every map as f(x, channel_axis, **options), with the statistics of x where it wants statistics.
MAPS: dict[str, Callable[..., np.ndarray]] = {
    "zscore": fastbn.zscore,
    "minmax_scale": fastbn.minmax_scale,
    "normalize": _normalize,
    "denormalize": _denormalize,
    "minmax_unscale": _minmax_unscale,
    "batch_norm": _batch_norm,
}


def assert_right(name: str, y: np.ndarray, x: np.ndarray, channel_axis: Axis = 1) -> None:
    """``y`` is what the map of this name makes of ``x``, within its bound."""
    if name in {"zscore", "normalize", "batch_norm"}:
        assert_standardized(y, x, channel_axis, eps=BATCH_NORM_EPS if name == "batch_norm" else 0.0)
    elif name == "minmax_scale":
        assert_rescaled(y, x, channel_axis)
    elif name == "denormalize":
        assert_restored(y, x, channel_axis, fitted=x)
    else:
        assert_unscaled(y, x, channel_axis, fitted=x)
