"""The exact oracle: statistics and normalization in Python integers and fractions.

Nothing here comes from the library, and no step rounds except the last one. A value is an integer times a power of two,
so sums and sums of squares are integers, and the mean and the variance are fractions of them. Floating-point arithmetic
occurs nowhere: even the vectorised path takes the bits of the numbers apart and adds 22-bit pieces as 64-bit integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

Exact = Fraction | float  # a float stands only for what no fraction can say: NaN and the infinities

LIMB = 22  # three limbs hold 64 bits, and 2**17 products of two limbs cannot overflow a 64-bit integer
PIECE = 1 << 17
FEW = 1000  # below this many values the plain form is as fast
STICKY_BITS = 1100  # finer than half of the smallest float64, 2**-1074


@dataclass(frozen=True)
class Moments:
    """Exact sums of one channel, its finite values being integers times ``2**exponent``."""

    finite: int
    nan: int
    posinf: int
    neginf: int
    total: int
    magnitude: int
    squares: int
    exponent: int
    low: float | int | None = None
    high: float | int | None = None

    @property
    def count(self) -> int:
        return self.finite + self.nan + self.posinf + self.neginf

    @property
    def unit(self) -> Fraction:
        return Fraction(2) ** self.exponent

    @cached_property
    def mean(self) -> Exact:
        """The exact mean; NaN or infinite by the rules of IEEE 754."""
        if self.nan or self.count == 0 or (self.posinf and self.neginf):
            return math.nan
        if self.posinf or self.neginf:
            return math.inf if self.posinf else -math.inf
        return Fraction(self.total, self.count) * self.unit

    @cached_property
    def m2(self) -> Exact:
        """The exact sum of squared deviations from the mean."""
        if self.finite < self.count or self.count == 0:
            return math.nan
        return Fraction(self.count * self.squares - self.total**2, self.count) * self.unit**2

    def var(self, ddof: int = 0) -> Exact:
        """The exact variance; NaN where there are not more than ``ddof`` values."""
        if isinstance(self.m2, float) or self.count <= ddof:
            return math.nan
        return self.m2 / (self.count - ddof)

    def std(self, ddof: int = 0) -> Exact:
        """The standard deviation, exact but for a sticky bit (see `sticky_sqrt`)."""
        var = self.var(ddof)
        return var if isinstance(var, float) else sticky_sqrt(var)

    @property
    def cond(self) -> Exact:
        """``sum|x| / |sum x|``, the condition number of the sum."""
        if self.magnitude == 0:
            return Fraction(1)
        return Fraction(self.magnitude, abs(self.total)) if self.total else math.inf

    def __add__(self, other: Moments) -> Moments:
        """The sums of the union."""
        exponent = min(self.exponent, other.exponent)
        up, over = self.exponent - exponent, other.exponent - exponent
        return Moments(
            *(getattr(self, name) + getattr(other, name) for name in ("finite", "nan", "posinf", "neginf")),
            (self.total << up) + (other.total << over),
            (self.magnitude << up) + (other.magnitude << over),
            (self.squares << 2 * up) + (other.squares << 2 * over),
            exponent,
            _extreme(min, (self.low, other.low)),
            _extreme(max, (self.high, other.high)),
        )

    def repeated(self, times: int) -> Moments:
        """The sums of the same values ``times`` times."""
        if times == 1:
            return self
        numbers = (self.finite, self.nan, self.posinf, self.neginf, self.total, self.magnitude, self.squares)
        return Moments(*(times * number for number in numbers), self.exponent, self.low, self.high)


def moments(values: np.ndarray | Sequence[float | int]) -> Moments:
    """Exact moments of a one-dimensional array, or of a sequence of Python numbers."""
    if isinstance(values, np.ndarray) and values.size > FEW:
        return _moments_in_limbs(values)
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    finite = [v for v in values if math.isfinite(v)]
    ratios = [v.as_integer_ratio() for v in finite]  # the denominators are powers of two
    exponent = 1 - max((d.bit_length() for _, d in ratios), default=1)
    m = [a << (1 - exponent - d.bit_length()) for a, d in ratios]
    return Moments(
        len(m),
        sum(v != v for v in values),
        values.count(math.inf),
        values.count(-math.inf),
        sum(m),
        sum(map(abs, m)),
        sum(i * i for i in m),
        exponent,
        _extreme(min, values),
        _extreme(max, values),
    )


def channel_arrays(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1) -> Iterator[np.ndarray]:
    """The values of each channel as a one-dimensional array; channels in C order of the kept axes."""
    x = np.asarray(x)
    x = x.astype(x.dtype.newbyteorder("="))
    shape, kept = kept_shape(x, channel_axis), kept_axes(x, channel_axis)
    rows = math.prod(shape)
    size = math.prod(n for axis, n in enumerate(x.shape) if axis not in kept)
    yield from np.moveaxis(x, kept, range(len(kept))).reshape(rows, size)


def channels(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1) -> Iterator[list[float | int]]:
    """The values of each channel as Python numbers; channels in C order of the kept axes."""
    for values in channel_arrays(x, channel_axis):
        yield values.tolist()


def kept_axes(x: np.ndarray, channel_axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The kept axes, counted from the front and in the order of the array."""
    if channel_axis is None:
        return ()
    axes = channel_axis if isinstance(channel_axis, tuple) else (channel_axis,)
    return tuple(sorted(range(x.ndim)[axis] for axis in axes))


def kept_shape(x: np.ndarray, channel_axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of the per-channel vectors."""
    return tuple(x.shape[axis] for axis in kept_axes(x, channel_axis))


def channel_moments(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1) -> list[Moments]:
    """Exact moments of every channel, channels in C order of the kept axes."""
    return [moments(values) for values in channel_arrays(x, channel_axis)]


def mean(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1) -> np.ndarray:
    """The correctly rounded mean of every channel."""
    return rounded_array([m.mean for m in channel_moments(x, channel_axis)]).reshape(kept_shape(x, channel_axis))


def var(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1, ddof: int = 0) -> np.ndarray:
    """The correctly rounded variance of every channel."""
    return rounded_array([m.var(ddof) for m in channel_moments(x, channel_axis)]).reshape(kept_shape(x, channel_axis))


def std(x: np.ndarray, channel_axis: int | tuple[int, ...] | None = 1, ddof: int = 0) -> np.ndarray:
    """The correctly rounded standard deviation of every channel (of the exact, not of the rounded variance)."""
    return rounded_array([m.std(ddof) for m in channel_moments(x, channel_axis)]).reshape(kept_shape(x, channel_axis))


def sticky_sqrt(value: Fraction) -> Fraction:
    """The square root cut to 2**-1100, its last bit set if anything was cut off.

    No float64, and no point halfway between two of them, lies between the result and the true root, so rounding the
    result to any floating-point type rounds the root.
    """
    quotient, rest = divmod(value.numerator << 2 * STICKY_BITS, value.denominator)
    root = math.isqrt(quotient)
    return Fraction(root | (root * root != quotient or rest != 0), 1 << STICKY_BITS)


def standardize(
    values: Sequence[float | int],
    mean: Exact,
    var: Exact,
    *,
    eps: float = 0.0,
    gamma: float = 1.0,
    beta: float = 0.0,
) -> list[Exact]:
    """``(x - mean) * gamma / sqrt(var + eps) + beta`` of every value, exact but for a sticky bit.

    A constant channel (``var + eps == 0``) gives ``beta``; NaN stays NaN.
    """
    if not (math.isfinite(mean) and math.isfinite(var)):
        return [math.nan] * len(values)
    spread, mean, scale, shift = Fraction(var) + Fraction(eps), Fraction(mean), Fraction(gamma), Fraction(beta)
    result: list[Exact] = []
    for x in values:
        if x != x:
            result.append(math.nan)
        elif spread == 0:
            result.append(shift)
        elif math.isinf(x):
            result.append(x * gamma + beta)
        else:
            deviation = (Fraction(x) - mean) * scale
            root = sticky_sqrt(deviation * deviation / spread)
            result.append((root if deviation >= 0 else -root) + shift)
    return result


def min_max(
    values: Sequence[float | int], low: float, high: float, feature_range: tuple[float, float] = (0.0, 1.0)
) -> list[Exact]:
    """``lo + (x - min) / (max - min) * (hi - lo)`` of every finite value, exactly; a constant channel gives ``lo``."""
    lo, hi = (Fraction(end) for end in feature_range)
    if not (math.isfinite(low) and math.isfinite(high)):
        return [math.nan] * len(values)
    slope = (hi - lo) / (Fraction(high) - Fraction(low)) if high != low else Fraction(0)
    return [(Fraction(x) - Fraction(low)) * slope + lo if math.isfinite(x) else x for x in values]


def rounded(value: Exact, dtype: np.typing.DTypeLike = np.float64) -> float:
    """The float16, float32 or float64 nearest to ``value``, ties to even, as a Python float."""
    if isinstance(value, float):
        return value
    quantum = _quantum(value, dtype)
    up, down = max(-quantum, 0), max(quantum, 0)
    quotient, rest = divmod(abs(value.numerator) << up, value.denominator << down)
    twice = 2 * rest - (value.denominator << down)
    quotient += twice > 0 or (twice == 0 and quotient & 1)
    if Fraction(quotient) * Fraction(2) ** quantum > Fraction(float(np.finfo(dtype).max)):
        return math.inf if value > 0 else -math.inf
    return math.ldexp(quotient if value >= 0 else -quotient, quantum)


def rounded_array(values: Sequence[Exact], dtype: np.typing.DTypeLike = np.float64) -> np.ndarray:
    """Every value rounded once to ``dtype``."""
    return np.array([rounded(value, dtype) for value in values], dtype=dtype)


def ulps(computed: float, exact: Exact, dtype: np.typing.DTypeLike = np.float64) -> Fraction | float:
    """How far ``computed`` is from ``exact``, in spacings of ``dtype`` at ``exact``; infinite if hopeless."""
    computed = float(computed)
    if isinstance(exact, float) or not math.isfinite(computed):
        right = rounded(exact, dtype)
        return 0 if computed == right or (computed != computed and right != right) else math.inf
    return abs(Fraction(computed) - exact) / Fraction(2) ** _quantum(exact, dtype)


def ulp(exact: Exact, dtype: np.typing.DTypeLike = np.float64) -> Fraction:
    """The spacing of ``dtype`` at ``exact``."""
    return Fraction(2) ** _quantum(exact, dtype)


def _quantum(value: Exact, dtype: np.typing.DTypeLike) -> int:
    """The exponent of the last bit of a ``dtype`` number as large as ``value``."""
    info, value = np.finfo(dtype), abs(Fraction(value))
    if value == 0:
        return int(info.minexp) - int(info.nmant)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value.numerator << max(-exponent, 0) < value.denominator << max(exponent, 0):
        exponent -= 1
    return max(exponent, int(info.minexp)) - int(info.nmant)


def _extreme(choose, values):
    """The smallest or largest number: NaN wins, None (nothing there) loses."""
    values = [v for v in values if v is not None]
    return math.nan if any(v != v for v in values) else choose(values, default=None)


def _moments_in_limbs(values: np.ndarray) -> Moments:
    """The moments of a long array: its bits as integers, grouped by exponent, summed in limbs of 22 bits."""
    negative, magnitude, exponent, special = _bits(values)
    total = absolute = squares = 0
    base = int(exponent.min())
    for start in range(0, values.size, PIECE):
        part = slice(start, start + PIECE)
        order = np.argsort(exponent[part], kind="stable")
        group, first = np.unique(exponent[part][order], return_index=True)
        m, sign = magnitude[part][order], np.where(negative[part][order], -1, 1)
        limbs = [((m >> np.uint64(LIMB * i)) & np.uint64((1 << LIMB) - 1)).astype(np.int64) for i in range(3)]
        shifts = [int(e) - base for e in group]
        for i, a in enumerate(limbs):
            total += _gather(sign * a, first, shifts, LIMB * i)
            absolute += _gather(a, first, shifts, LIMB * i)
            for j, b in enumerate(limbs):
                squares += _gather(a * b, first, [2 * s for s in shifts], LIMB * (i + j))
    low, high = values.min().item(), values.max().item()
    nan, posinf, neginf = (int(np.count_nonzero(kind)) for kind in special)
    return Moments(values.size - nan - posinf - neginf, nan, posinf, neginf, total, absolute, squares, base, low, high)


def _gather(column: np.ndarray, first: np.ndarray, shifts: list[int], place: int) -> int:
    """The exact sum of a column whose groups stand ``shifts + place`` bits up."""
    sums = np.add.reduceat(column, first).tolist()
    return sum(number << (shift + place) for number, shift in zip(sums, shifts, strict=True))


def _bits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sign, integer magnitude (64 bits), exponent of the last bit, and the masks of NaN, +inf and -inf."""
    if values.dtype.kind != "f":
        wide = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64)
        negative, raw = wide < 0, wide.view(np.uint64)
        none = np.zeros(values.shape, bool)
        return negative, np.where(negative, ~raw + np.uint64(1), raw), np.zeros(values.shape, np.int64), (none,) * 3
    info = np.finfo(values.dtype)
    raw = np.ascontiguousarray(values).view(f"u{values.itemsize}").astype(np.uint64)
    negative = (raw >> np.uint64(info.bits - 1)).astype(bool)
    field = ((raw >> np.uint64(info.nmant)) & np.uint64((1 << info.iexp) - 1)).astype(np.int64)
    fraction = raw & np.uint64((1 << info.nmant) - 1)
    magnitude = fraction | (field > 0).astype(np.uint64) << np.uint64(info.nmant)
    special = field == (1 << info.iexp) - 1
    infinite = special & (fraction == 0)
    kinds = (special & (fraction != 0), infinite & ~negative, infinite & negative)
    exponent = np.maximum(field, 1) - 1 + int(info.minexp) - int(info.nmant)
    return negative, np.where(special, np.uint64(0), magnitude), np.where(special, exponent.min(), exponent), kinds
