"""What the accuracy contract lets statistics miss the exact values by, asserted channel by channel."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

import oracle

CORRECTLY_ROUNDED = ("bool", "int8", "uint8", "int16", "uint16", "float16")
CONDITION = 10**15  # up to here the mean is promised
LARGEST_M2 = Fraction(2) ** 1023  # below it the variance is promised, above it may be infinite
SMALLEST_NORMAL = Fraction(2) ** -1022


def assert_statistics(
    stats, expected: list[oracle.Moments], dtype, *, merged: bool = False, missing: list[int] | None = None
) -> None:
    """Count, mean, min, max, var and std of every channel are what the contract says they are.

    ``dtype`` is the dtype of the data, ``missing`` counts what was skipped per channel. Statistics that were merged are
    held to the bounds of float64 data.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    exactly = dtype.name in CORRECTLY_ROUNDED and not merged
    assert stats.mean.size == len(expected)
    assert (stats.mean.dtype, stats.count.dtype) == (np.float64, np.int64)
    assert (stats.min.dtype, stats.max.dtype) == (dtype, dtype)
    vectors = {name: getattr(stats, name).ravel().tolist() for name in ("count", "weight", "mean", "min", "max")}
    spreads = {ddof: (stats.var(ddof).ravel().tolist(), stats.std(ddof).ravel().tolist()) for ddof in (0, 1)}
    assert stats.n_missing.dtype == np.int64
    assert stats.n_missing.ravel().tolist() == (missing or [0] * len(expected))
    for channel, moments in enumerate(expected):
        where = f"channel {channel}"
        assert vectors["count"][channel] == vectors["weight"][channel] == moments.count, where
        assert_mean(vectors["mean"][channel], moments, exactly, where)
        assert_extremes(vectors["min"][channel], vectors["max"][channel], moments, where)
        for ddof, (var, std) in spreads.items():
            assert_spread(var[channel], std[channel], moments, ddof, exactly, where)


def assert_mean(mean: float, moments: oracle.Moments, exactly: bool, where: str) -> None:
    """Correctly rounded, or within 1 ulp up to a condition of 1e15; zero is +0; a constant is its own mean."""
    bound = 0 if exactly or moments.m2 == 0 else 1
    computed = Fraction(oracle.rounded(moments.mean)) if bound == 0 and math.isfinite(moments.mean) else moments.mean
    if bound == 0 or isinstance(moments.mean, float) or moments.cond <= CONDITION:
        miss = oracle.ulps(mean, computed)
        assert miss <= bound, f"{where}: mean {mean!r} is {float(miss)} ulp from {oracle.rounded(moments.mean)!r}"
    assert mean != 0 or math.copysign(1, mean) > 0, f"{where}: mean is -0"


def assert_extremes(low: float, high: float, moments: oracle.Moments, where: str) -> None:
    """The smallest and the largest value; NaN if a NaN is there; zero is +0; nothing is said of an empty channel."""
    for found, exact in ((low, moments.low), (high, moments.high)):
        if exact is None:
            continue
        assert found == exact or (found != found and exact != exact), f"{where}: {found!r} for {exact!r}"
        assert found != 0 or math.copysign(1, found) > 0, f"{where}: minimum or maximum is -0"


def assert_spread(var: float, std: float, moments: oracle.Moments, ddof: int, exactly: bool, where: str) -> None:
    """Correctly rounded or within 2 ulp; never negative; 0 for a constant; infinite only out of range."""
    exact, root = moments.var(ddof), moments.std(ddof)
    where = f"{where}, ddof {ddof}"
    assert not var < 0, f"{where}: variance {var!r}"
    assert not std < 0, f"{where}: standard deviation {std!r}"
    if not isinstance(exact, float) and moments.m2 >= LARGEST_M2 and var == math.inf:
        assert std == math.inf, f"{where}: standard deviation {std!r} beside an infinite variance"
        return
    if exact == 0:
        assert (var, std) == (0, 0), f"{where}: {var!r} and {std!r} for a constant"
        assert math.copysign(1, var) == math.copysign(1, std) == 1, f"{where}: minus zero"
        return
    bound = 0 if exactly else 2
    for name, found, value in (("variance", var, exact), ("standard deviation", std, root)):
        if name == "standard deviation" and not isinstance(exact, float) and exact < SMALLEST_NORMAL:
            # A variance below the normal numbers has lost bits that its root cannot get back.
            low, high = (oracle.sticky_sqrt(max(exact + side * 2 * oracle.ulp(exact), Fraction(0))) for side in (-1, 1))
            assert low - 2 * oracle.ulp(low) <= Fraction(found) <= high + 2 * oracle.ulp(high), f"{where}: {found!r}"
            continue
        target = Fraction(oracle.rounded(value)) if exactly and not isinstance(value, float) else value
        miss = oracle.ulps(found, target)
        assert miss <= bound, f"{where}: {name} {found!r} is {float(miss)} ulp from {oracle.rounded(value)!r}"


def assert_exact(stats, expected: list[oracle.Moments], dtype) -> None:
    """Every number is the correctly rounded one, whatever the data; only NaN and infinities follow IEEE 754."""
    assert stats.method == "exact"
    assert (stats.min.dtype, stats.max.dtype) == (np.dtype(dtype).newbyteorder("="),) * 2
    assert stats.count.ravel().tolist() == [moments.count for moments in expected]
    for name, values, exact in (
        ("mean", stats.mean, [moments.mean for moments in expected]),
        *((f"var({d})", stats.var(d), [moments.var(d) for moments in expected]) for d in (0, 1)),
        *((f"std({d})", stats.std(d), [moments.std(d) for moments in expected]) for d in (0, 1)),
    ):
        assert values.shape == stats.shape
        for channel, (found, right) in enumerate(zip(values.ravel().tolist(), map(oracle.rounded, exact), strict=True)):
            where = f"channel {channel}: {name} {found!r} for {right!r}"
            assert found == right or (found != found and right != right), where
            assert found != 0 or math.copysign(1, found) > 0, where
    for channel, moments in enumerate(expected):
        low, high = (end.ravel()[channel].item() for end in (stats.min, stats.max))
        assert_extremes(low, high, moments, f"channel {channel}")
