"""Hard data for statistics: the rows of the stress table, seeded, as arrays of shape (channels, values).

A family is a function of a dtype (and of a random generator) and returns a few channels that are hard for one reason.
`CASES` is the table that tests walk. `layouts.py` arranges the channels in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from known_sums import gen_sum

TILE = 4096  # the largest number of elements of one channel in one tile
LONG = 3 * TILE + 32  # 12320 = 2^5 5 7 11: three tiles and a bit, with many ways to split it in rows

Rng = np.random.Generator
Family = Callable[[np.dtype, Rng], np.ndarray]

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FAMILIES: dict[str, Family] = {}
CASES: list[tuple[str, str]] = []  # every family in every dtype it is made for


def family(*dtypes: str) -> Callable[[Family], Family]:
    """Enter a generator in the tables."""

    def enter(make: Family) -> Family:
        FAMILIES[make.__name__] = make
        CASES.extend((make.__name__, dtype) for dtype in dtypes)
        return make

    return enter


@cache
def channels(name: str, dtype: str) -> np.ndarray:
    """The channels of one family in one dtype: read-only, the same in every run."""
    data = FAMILIES[name](np.dtype(dtype), np.random.default_rng(sum(name.encode())))
    assert data.dtype == dtype, f"{name} made {data.dtype}"
    assert data.ndim == 2, f"{name} made {data.shape}"
    data.flags.writeable = False
    return data


def rounded(values, dtype) -> np.ndarray:
    """Values cut to the range of a floating-point dtype and converted."""
    largest = float(np.finfo(dtype).max)
    return np.clip(np.asarray(values, np.float64), -largest, largest).astype(dtype)


def limits(dtype) -> tuple[float, float, int]:
    """Largest number, smallest positive number, and bits of the significand."""
    info = np.finfo(dtype)
    return float(info.max), float(info.smallest_subnormal), info.nmant + 1


# --- floating point ---------------------------------------------------------------------------------------------------


@family(*FLOATS)
def normal(dtype, rng):
    return rng.normal(size=(3, LONG)).astype(dtype)


@family(*FLOATS)
def mean_over_std(dtype, rng):
    """abs(mean)/std up to 1e12, or to where the dtype still tells neighbours apart."""
    ratios = [r for r in (1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12) if r < 2.0 ** (limits(dtype)[2] - 2)]
    return np.array([r * (-1) ** i + rng.normal(size=LONG) for i, r in enumerate(ratios)]).astype(dtype)


@family(*FLOATS)
def instruments(dtype, rng):
    """Temperatures, salinity, coordinates: 300 +- 0.01, 1e4 +- 1, 35 +- 0.001."""
    pairs = [(300, 0.01), (1e4, 1), (35, 1e-3), (280, 0.5), (-6e4, 30)]
    return np.array([mean + std * rng.normal(size=LONG) for mean, std in pairs]).astype(dtype)


@family(*FLOATS)
def images(dtype, rng):
    """Grey values k/255, and activations after a ReLU."""
    grey = rng.integers(0, 256, (2, LONG)) / 255
    return np.concatenate([grey, np.maximum(rng.normal(size=(1, LONG)), 0)]).astype(dtype)


@family(*FLOATS)
def lognormal(dtype, rng):
    return rounded(rng.lognormal(0, [[1], [3]], (2, LONG)), dtype)


@family(*FLOATS)
def exponents(dtype, rng):
    """A wide range of exponents: N(0,1) times 2^U(-b, b)."""
    bound = {2: 8, 4: 60, 8: 480}[dtype.itemsize]
    return rounded(rng.normal(size=(3, LONG)) * np.exp2(rng.uniform(-bound, bound, (3, LONG))), dtype)


@family(*FLOATS)
def bit_patterns(dtype, rng):
    """Random bits, hence uniform exponents: the whole range, and (last channel) the part whose squares are normal."""
    values = rng.integers(0, 256, 3 * LONG * dtype.itemsize, np.uint8).view(dtype).reshape(3, LONG)
    values = np.where(np.isfinite(values), values, dtype.type(1))
    moderate = (abs(values[2]) > 2.0**-500) & (abs(values[2]) < 2.0**500) if dtype.itemsize == 8 else True
    values[2] = np.where(moderate, values[2], dtype.type(0))
    return values


@family(*FLOATS)
def denormals(dtype, rng):
    """Only denormals; denormals around one; the smallest number alone, once and always."""
    _, tiny, bits = limits(dtype)
    small = (rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (2, TILE + 4)) * tiny).astype(dtype)
    small[1, ::5] = 1
    alone, always = np.zeros((1, TILE + 4), dtype), np.full((1, TILE + 4), tiny, dtype)
    alone[0, TILE + 1] = tiny
    return np.concatenate([small, alone, always])


@family(*FLOATS)
def huge(dtype, rng):
    """The largest number: with itself, with its negative, with zeros, with denormals, tile against tile."""
    largest, tiny, _ = limits(dtype)
    rows = np.full((6, 2 * TILE + 8), largest)
    rows[1, ::2] *= -1
    rows[2, 7:] = 0
    rows[3, 1:] = tiny
    rows[4, TILE:] *= -1
    rows[4, -8:] = largest / 4
    rows[5] *= rng.uniform(0.5, 1, rows.shape[1])
    return rows.astype(dtype)


@family(*FLOATS)
def outliers(dtype, rng):
    """One huge value first, inside, last, and first of a later tile, in N(0,1)."""
    places = (0, 5, LONG // 2, TILE, 2 * TILE, LONG - 1)
    sizes = [s for s in (3e4, 1e9, -1e15) if abs(s) < limits(dtype)[0]]
    rows = rng.normal(size=(len(places) * len(sizes), LONG)).astype(dtype)
    for row, (place, size) in enumerate((p, s) for p in places for s in sizes):
        rows[row, place] = size
    return rows


@family(*FLOATS)
def lattices(dtype, rng):
    """(A + k) h, all representable: the variance is h^2 var(k) exactly, whatever A; k uniform, then balanced +-1."""
    bits = limits(dtype)[2]
    k = rng.integers(-8, 8, (6, LONG))
    k[3:] = np.where(np.arange(LONG) % 2, 1, -1)
    anchors = np.array([2 ** (bits - 1) + 16, 2 ** (bits // 2), -(2 ** (bits - 5))] * 2)
    return ((anchors[:, None] + k) * 2.0**-6).astype(dtype)


@family(*FLOATS)
def steps(dtype, rng):
    """1e15 + {0, 1, 2, 3}, or what is as large in the dtype."""
    base = {2: 1000.0, 4: 8e6, 8: 1e15}[dtype.itemsize]
    return (base + rng.integers(0, 4, (2, LONG))).astype(dtype)


@family(*FLOATS)
def halfway(dtype, rng):
    """Means 2^15 + j 2^-38: exactly between two float64 (j = 1, 3), on one (j = 2), and a hair beside the middle."""
    rows = np.full((6, 4 * TILE), 2.0**15)
    for row, j in zip(rows, (1, 2, 3, 1, 1, 1), strict=True):
        row[5 : 5 + j] = 2.0**-24
        row[TILE : TILE + 2 * j] *= 1.5  # what the small elements lack
    if dtype.itemsize > 2:
        rows[3, [9, -1, -2]] = 2.0**-100, 1.5 * 2.0**15, 1.5 * 2.0**15
        rows[4, [9, -1, -2]] = -(2.0**-100), 1.5 * 2.0**15, 1.5 * 2.0**15
    rows[5] *= -1
    return rows.astype(dtype)


@family(*FLOATS)
def cancellation(dtype, rng):
    """[x, -x, delta] as halves, as neighbours, shuffled, and with -x permuted: the mean is fl(delta/n)."""
    n = TILE + 64
    delta = {2: 0.25, 4: 1e-6, 8: 1e-11}[dtype.itemsize]
    x = rng.normal(size=n).astype(dtype)
    pairs = np.ravel(np.column_stack([x, -x]))
    rows = [np.append(order, delta) for order in (np.append(x, -x), pairs, rng.permutation(pairs))]
    rows.append(np.concatenate([[delta], x, -rng.permutation(x)]))
    return np.array(rows).astype(dtype)


@family("float32", "float64")
def ill_conditioned(dtype, rng):
    """Sums of condition up to 1e15 over several tiles: shuffled, by value, by magnitude, and with the largest first."""
    rows = []
    for target in (1e4, 1e8, 1e12, 1e15):
        values = rng.permutation(np.tile(gen_sum(dtype, 700, target, rng), 8))
        largest = np.argmax(abs(values))
        rows += [values, np.sort(values), values[np.argsort(-abs(values), kind="stable")]]
        rows.append(np.append(values[largest], np.delete(values, largest)))
    return np.array(rows)


@family(*FLOATS)
def certificates(dtype, rng):
    """Values in [1, 2) and one of 2^-delta in every 4096: every width around the limits of exact plain sums."""
    widths = range(4, min(60, -int(np.finfo(dtype).minexp)), 2)
    rows = 1 + rng.random((len(widths), 2 * TILE + 3))
    for row, width in zip(rows, widths, strict=True):
        row[[width, TILE + 5 * width, 2 * TILE + 1]] = 2.0**-width * np.array([1, 1.5, -1.25])
    return rows.astype(dtype)


@family(*FLOATS)
def constants(dtype, rng):
    """The same value throughout: 0.1, 1/3, the largest, the smallest, minus zero, a full significand."""
    largest, tiny, bits = limits(dtype)
    values = [0.1, 1 / 3, -0.7, largest, -largest, tiny, -0.0, 0.0, 2.0**bits - 1, math.pi]
    return np.repeat(np.array(values, dtype)[:, None], LONG, axis=1)


@family(*FLOATS)
def one_ulp(dtype, rng):
    """A constant, but for one element one ulp away: first, inside, first of a tile, last."""
    values = np.array([0.1, 1 / 3, 1.0, 1e4], dtype)
    rows = np.repeat(values[:, None], LONG, axis=1)
    for row, place in zip(rows, (0, 777, TILE, LONG - 1), strict=True):
        row[place] = np.nextafter(row[place], dtype.type(np.inf))
    return rows


# --- integers and bool ------------------------------------------------------------------------------------------------


def integer_range(dtype) -> tuple[int, int]:
    """The smallest and the largest value."""
    return (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


@family(*INTEGERS)
def uniform(dtype, rng):
    low, high = integer_range(dtype)
    return rng.integers(low, high, (3, LONG), dtype, endpoint=True)


@family(*INTEGERS)
def ends(dtype, rng):
    """Only the smallest and the largest value, in several proportions."""
    choice = rng.random((3, LONG)) < np.array([[0.5], [0.999], [0.001]])
    return np.where(choice, *(np.array(end, dtype) for end in integer_range(dtype)))


@family(*INTEGERS)
def counts(dtype, rng):
    """A narrow band in the middle of the range, as a camera gives."""
    low, high = integer_range(dtype)
    middle, width = (low + high) // 2, min(200, (high - low + 1) // 2)
    return (middle + rng.integers(0, width, (2, LONG))).astype(dtype)


@family(*INTEGERS)
def top_of_range(dtype, rng):
    """The last four values below the largest, above the smallest, and above 2^53 or 2^24 where there are such."""
    low, high = integer_range(dtype)
    bases = [base for base in (high - 3, low, 2**53, 2**62, 2**24) if low <= base <= high - 3]
    rows = [np.array(base, dtype) + rng.integers(0, 4, LONG).astype(dtype) for base in bases]
    return np.array(rows or [np.ones(LONG, dtype)], dtype)


@family(*INTEGERS)
def one_off(dtype, rng):
    """Constants, and constants but for one element that differs by one."""
    low, high = integer_range(dtype)
    rows = np.repeat(np.array([low, high, low, high, high // 2], dtype)[:, None], LONG, axis=1)
    rows[2, 0] = low + 1
    rows[3, TILE] = high - 1
    rows[4, -1] = high // 2 + 1
    return rows


@family(*INTEGERS)
def integer_outliers(dtype, rng):
    """Small values and one as large as can be: first, first of a later tile, last."""
    low, high = integer_range(dtype)
    rows = rng.integers(0, min(high, 9), (4, LONG), dtype, endpoint=True)
    rows[[0, 1, 2, 3], [0, TILE, LONG - 1, 99]] = np.array([high, high, high, low], dtype)
    return rows


@family(*INTEGERS)
def integer_cancellation(dtype, rng):
    """x and -x, and a small rest (for unsigned types the mirror image about the middle of the range)."""
    low, high = integer_range(dtype)
    half = rng.integers(low, high, (1, TILE + 16), dtype, endpoint=True)
    mirrored = (~half).reshape(1, -1)  # -1 - x, or the mirror image
    rest = np.repeat(np.array([[min(high, 77)]], dtype), 3, axis=1)
    return np.concatenate([half, mirrored[:, ::-1], rest], axis=1)


# --- lengths ----------------------------------------------------------------------------------------------------------


def lengths() -> list[int]:
    """Lengths at which loops end differently: few values, around lanes, runs and tiles."""
    around = [base + step for base in (16, 32, 64, 256, TILE, 2 * TILE, 3 * TILE) for step in (-1, 0, 1)]
    return sorted({*range(1, 20), *around})
