"""Exact statistics of channels: sums as integers, merged by addition, and rounded once whenever a number is asked for.

A state says how many values there are, how many of these are NaN or infinite, and two integers per channel: the sum of
the values in units of ``2^-1088`` and the sum of their squares in units of ``2^-2176``: every value and every square is
a multiple of these. They are held in words of 32 bits, the lowest first, all channels side by side, without the words
that are 0 in all channels.

Results are formed for all channels at once in two float64 words. Where that leaves open which way to round (about one
channel in 2^42), or a result is not a normal number, Python's integers decide. Few channels take Python's integers at
once.
"""

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ._algebra import add, divide_words, root, two_prod, two_sum
from ._backends import ExactSums
from ._kernels.sizes import COUNT, NANS, SQUARE_POINT, SUM_POINT, SUM_WORDS, WORD_BITS

Floats = npt.NDArray[np.float64]

MOST_VALUES = 2**53  # of a channel: counts are exact in float64, too
_MASK = (1 << WORD_BITS) - 1
_FEW = 40  # channels up to which Python's integers are faster
_LEADING = 5  # words of a number that are looked at: at least 129 bits
_UNSURE = 2.0**-96  # relative error of results in two words: 2^-99 by the bounds of ``_algebra``
_LEAST, _MOST = -1020, 1022  # exponents of results that are surely normal


class Integers(NamedTuple):
    """An integer per channel, ``sum(words[i] << 32 (first + i))``; the highest word carries the sign."""

    first: int
    words: npt.NDArray[np.int64]  # (words, channels), all but the highest in [0, 2^32)

    def carried(self) -> Self:
        """With all words but the highest in [0, 2^32), trimmed."""
        words = np.concatenate([self.words, np.zeros((2, self.words.shape[1]), np.int64)])
        for i in range(len(words) - 1):
            words[i + 1] += words[i] >> WORD_BITS
            words[i] &= _MASK
        return self._replace(words=words).trimmed()

    def trimmed(self) -> Self:
        """Without words that say nothing: zeros below, and repetitions of the sign above."""
        used = np.flatnonzero(self.words.any(axis=1))
        if not used.size:
            return self._replace(first=0, words=np.zeros((1, self.words.shape[1]), np.int64))
        low, words = int(used[0]), self.words[used[0] :]
        sign = words[-1]
        if ((sign == 0) | (sign == -1)).all():
            needed = np.flatnonzero((words[:-1] != sign & _MASK).any(axis=1))
            high = int(needed[-1]) + 1 if needed.size else 0
            words = words[: high + 1].copy()
            words[-1] = sign
            if high and (words[-2] >> (WORD_BITS - 1) == -sign).all():  # the next says the sign, too
                words = words[:-1]
                words[-1] += sign << WORD_BITS
        return self._replace(first=self.first + low, words=words)

    def sizes(self) -> tuple[Self, npt.NDArray[np.bool_]]:
        """Absolute values, and which were negative."""
        negative = self.words[-1] < 0
        if not negative.any():
            return self, negative
        return self._replace(words=np.where(negative, -self.words, self.words)).carried(), negative

    def values(self) -> list[int]:
        """As Python's integers."""
        return [v << WORD_BITS * self.first for v in self.multiples()]

    def multiples(self) -> list[int]:
        """The same in units of the first word."""
        rows = np.ascontiguousarray((self.words & _MASK).astype("<u4").T)
        size = rows.shape[1] * (WORD_BITS // 8)
        raw = rows.tobytes()
        return [int.from_bytes(raw[i : i + size], "little", signed=True) for i in range(0, len(raw), size or 1)]

    @classmethod
    def of(cls, multiples: list[int], first: int = 0) -> Self:
        """From Python's integers in units of the first word."""
        count = max((v.bit_length() for v in multiples), default=0) // WORD_BITS + 2
        raw = b"".join(v.to_bytes(count * WORD_BITS // 8, "little", signed=True) for v in multiples)
        words = np.frombuffer(raw, "<u4").reshape(len(multiples), count).T.astype(np.int64)
        words[-1] -= (words[-1] >> (WORD_BITS - 1)) << WORD_BITS
        return cls(first, words).trimmed()

    @classmethod
    def sum(cls, parts: list[Self]) -> Self:
        """Add up."""
        first = min(part.first for part in parts)
        last = max(part.first + len(part.words) for part in parts)
        words = np.zeros((last - first + 1, parts[0].words.shape[1]), np.int64)
        for part in parts:
            words[part.first - first : part.first - first + len(part.words)] += part.words
        return cls(first, words).carried()

    @classmethod
    def concatenated(cls, parts: list[Self]) -> Self:
        """The channels of all parts side by side."""
        first = min(part.first for part in parts)
        last = max(part.first + len(part.words) for part in parts)
        words = np.zeros((last - first + 1, sum(part.words.shape[1] for part in parts)), np.int64)
        begin = 0
        for part in parts:
            end, low = begin + part.words.shape[1], part.first - first
            words[low : low + len(part.words), begin:end] = part.words
            begin = end
        return cls(first, words).carried()

    def leading(self) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Non-negative integers as two float64 words, right to 2^-100, times a power of two."""
        words = self.words
        top = len(words) - 1 - np.argmax(words[::-1] != 0, axis=0)
        index = top - np.arange(_LEADING)[:, np.newaxis]
        rows = np.take_along_axis(words, np.maximum(index, 0), axis=0)
        a, b, c, d, e = np.where(index >= 0, rows, 0).astype(np.float64)
        unit = 2.0**WORD_BITS
        h, t = two_sum(a * unit, b)
        r, s = two_sum(c * unit, d)
        h, t = add(h * unit**2, t * unit**2, r, s)
        h, t = add(h, t, e / unit, 0.0)
        return h, t, WORD_BITS * (self.first + top - 3)


class ExactState:
    """Exact statistics of a flat vector of channels."""

    def __init__(self, counts: npt.NDArray[np.int64], total: Integers, squares: Integers) -> None:
        for array in (counts, total.words, squares.words):
            array.setflags(write=False)
        self.counts = counts  # (4, channels): all values, NaN, infinities of either sign
        self.total = total
        self.squares = squares

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.counts, self.total, self.squares)

    @classmethod
    def empty(cls, channels: int) -> Self:
        """Nothing was counted."""
        nothing = Integers(0, np.zeros((1, channels), np.int64))
        return cls(np.zeros((4, channels), np.int64), nothing, nothing)

    @classmethod
    def of(cls, sums: ExactSums) -> Self:
        """What a backend returned."""
        words, state = sums.words, sums.state
        counts = state[:SUM_WORDS].copy()
        special = counts[NANS:].any(axis=0)
        if special.any():  # the sums of what is finite would depend on how the data are cut
            state = np.where(special, 0, state)
        middle = SUM_WORDS + words.sum_count
        total = Integers(words.sum_first, state[SUM_WORDS:middle])
        return cls(counts, total.trimmed(), Integers(words.square_first, state[middle:]).trimmed())

    @classmethod
    def merged(cls, states: Iterable["ExactState"]) -> Self:
        """Statistics of the union of the data."""
        parts = list(states)
        counts = np.sum([part.counts for part in parts], axis=0)
        if (np.sum([part.counts[COUNT] for part in parts], axis=0, dtype=np.float64) > MOST_VALUES).any():
            raise ValueError("merge: got more than 2^53 values in a channel; wants fewer")
        special = counts[NANS:].any(axis=0)
        sums = []
        for name in ("total", "squares"):
            integers = Integers.sum([getattr(part, name) for part in parts])
            if special.any():
                integers = integers._replace(words=np.where(special, 0, integers.words)).trimmed()
            sums.append(integers)
        return cls(counts, *sums)

    @classmethod
    def concatenated(cls, states: Iterable["ExactState"]) -> Self:
        """The channels of all states side by side."""
        parts = list(states)
        sums = (Integers.concatenated([getattr(part, name) for part in parts]) for name in ("total", "squares"))
        return cls(np.concatenate([part.counts for part in parts], axis=1), *sums)

    def select(self, index: npt.NDArray[np.intp]) -> "ExactState":
        """Some of the channels."""
        total, squares = (
            integers._replace(words=integers.words[:, index]).trimmed() for integers in (self.total, self.squares)
        )
        return ExactState(self.counts[:, index], total, squares)

    def key(self) -> tuple[object, ...]:
        """Equal if and only if the statistics are."""
        return self.counts.tobytes(), tuple(self.total.values()), tuple(self.squares.values())

    @cached_property
    def deviations(self) -> Integers:
        """``n sum(x^2) - sum(x)^2``, which is the count squared times the variance, in units of 2^-2176."""
        n = self.counts[COUNT]
        if n.size <= _FEW:
            base = min(2 * self.total.first, self.squares.first)
            up, over = (WORD_BITS * (first - base) for first in (self.squares.first, 2 * self.total.first))
            sums = zip(n.tolist(), self.squares.multiples(), self.total.multiples(), strict=True)
            return Integers.of([(count * q << up) - (s * s << over) for count, q, s in sums], base)
        total, _ = self.total.sizes()
        s, q = total.words.astype(np.uint64), self.squares.words.astype(np.uint64)
        first = min(2 * total.first, self.squares.first)
        last = max(2 * (total.first + len(s)), self.squares.first + len(q) + 2) + 1
        words = np.zeros((last - first, n.size), np.int64)

        def take(i: int, product: npt.NDArray[np.uint64], factor: int) -> None:
            words[i - first] += factor * (product & np.uint64(_MASK)).astype(np.int64)
            words[i - first + 1] += factor * (product >> np.uint64(WORD_BITS)).astype(np.int64)

        for k, part in enumerate((n & _MASK, n >> WORD_BITS)):
            if part.any():
                for i, word in enumerate(q, self.squares.first + k):
                    take(i, word * part.astype(np.uint64), 1)
        for i in range(len(s)):
            for j in range(i + 1):
                take(2 * total.first + i + j, s[i] * s[j], -1 if i == j else -2)
        return Integers(first, words).carried()

    # Results

    @property
    def _special(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.counts[NANS:].any(axis=0))

    @cached_property
    def mean(self) -> Floats:
        """The mean, correctly rounded; NaN or infinite by the rules of IEEE 754, NaN for nothing."""
        n, nans, plus, minus = self.counts
        sizes, negative = self.total.sizes()
        sizes_of_means = _quotients(_RATIO, sizes, SUM_POINT, n, np.ones_like(n))
        undefined = (nans > 0) | ((plus > 0) & (minus > 0))
        special = np.where(undefined, np.nan, np.where(plus > 0, np.inf, -np.inf))
        return np.where(self._special, special, np.where(negative, -sizes_of_means, sizes_of_means) + 0.0)

    def variance(self, ddof: int) -> Floats:
        """The variance, correctly rounded; NaN where there are not more than ``ddof`` values."""
        return self._spread(_RATIO, ddof)

    def deviation(self, ddof: int) -> Floats:
        """The standard deviation, correctly rounded."""
        return self._spread(_ROOT, ddof)

    def _spread(self, form: "_Form", ddof: int) -> Floats:
        n = self.counts[COUNT]
        spread = _quotients(form, self.deviations, SQUARE_POINT, n, n - ddof)
        return np.where(self._special, np.nan, spread)

    def moments(self) -> Floats:
        """Count, mean and m2 as compensated statistics have them: (5, channels), the last two in two words.

        All tails are those of integers, so that they do not depend on how many channels there are.
        """
        n, ones = self.counts[COUNT], np.ones_like(self.counts[COUNT])
        m2 = np.where(self._special, np.nan, _quotients(_RATIO, self.deviations, SQUARE_POINT, n, ones))
        tails = _tails(self.total, SUM_POINT, n, self.mean), _tails(self.deviations, SQUARE_POINT, n, m2)
        rows = self.mean, tails[0], m2, tails[1]
        return np.stack([n.astype(np.float64), *(np.where(n > 0, row, 0.0) for row in rows)])


class _Form(NamedTuple):
    """What is rounded: a formula on two words, what it does to a power of two, and the same in integers."""

    words: Callable[[Floats, Floats], tuple[Floats, Floats]]
    power: int
    integers: Callable[[int, int], float]


def _ratio(numerator: int, denominator: int) -> float:
    """The quotient: Python's division of integers is rounded correctly."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf


def _root(numerator: int, denominator: int) -> float:
    """The root of a quotient: of at least 129 bits of it, whose last bit says whether anything was left over."""
    s = max(0, (130 - numerator.bit_length() + denominator.bit_length() + 1) // 2)
    q, r = divmod(numerator << 2 * s, denominator)
    a = math.isqrt(q)
    if r or a * a != q:
        a |= 1
    return _ratio(a, 1 << s)


def _same(h: Floats, t: Floats) -> tuple[Floats, Floats]:
    return h, t


_RATIO = _Form(_same, 1, _ratio)
_ROOT = _Form(root, 2, _root)


def _quotients(
    form: _Form, numbers: Integers, point: int, n: npt.NDArray[np.int64], m: npt.NDArray[np.int64]
) -> Floats:
    """``numbers 2^-point / (n m)`` of a form, correctly rounded; NaN where ``n m <= 0``."""
    result = np.full(n.size, np.nan)
    defined = (n > 0) & (m > 0)
    unsure = defined
    if n.size > _FEW:
        with np.errstate(all="ignore"):
            h, t, exponent = numbers.leading()
            h, t = divide_words(h, t, *two_prod(n.astype(np.float64), m.astype(np.float64)))
            h, t = form.words(h, t)
            exponent = (exponent - point) // form.power
            error = _UNSURE * h
            rounded = h + t
            power = np.frexp(rounded)[1] + exponent
            sure = (h + (t - error) == h + (t + error)) & (power > _LEAST) & (power < _MOST) | (h == 0.0)
            result = np.where(defined, np.ldexp(rounded, exponent), np.nan)
        unsure = defined & ~sure
    where = np.flatnonzero(unsure)
    for k, numerator, denominator in zip(where.tolist(), *_fractions(numbers, point, n, m, where), strict=True):
        result[k] = form.integers(numerator, denominator)
    return result


def _fractions(
    numbers: Integers, point: int, n: npt.NDArray[np.int64], m: npt.NDArray[np.int64], where: npt.NDArray[np.intp]
) -> tuple[list[int], list[int]]:
    """Numerators and denominators of some channels."""
    shift = point - WORD_BITS * numbers.first
    up, down = max(-shift, 0), max(shift, 0)
    picked = numbers._replace(words=numbers.words[:, where]).multiples()
    counts = zip(n[where].tolist(), m[where].tolist(), strict=True)
    return [v << up for v in picked], [a * b << down for a, b in counts]


def _tails(numbers: Integers, point: int, n: npt.NDArray[np.int64], heads: Floats) -> Floats:
    """What rounded quotients ``numbers 2^-point / n`` lack."""
    tails = np.zeros(n.size)
    where = np.flatnonzero((n > 0) & np.isfinite(heads))
    fractions = _fractions(numbers, point, n, np.ones_like(n), where)
    for k, numerator, denominator in zip(where.tolist(), *fractions, strict=True):
        p, q = float(heads[k]).as_integer_ratio()
        tails[k] = (numerator * q - p * denominator) / (denominator * q)
    return tails
