"""Statistics driven by random steps, beside a model that keeps every value and computes in fractions.

Whatever steps lead to a value (measuring, merging, choosing channels, files, pickles), it is what its values say,
within the bounds of a single call; exact statistics to the last bit. The model never sees a number of the library's.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule

import fastbn
import oracle
from contract import assert_extremes, assert_mean, assert_spread
from random_steps import CHANNEL_COUNTS, WAYS, brought_back, drive, seen

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

DTYPES = ("f8", "f8", "f4", "f2", "i4", "i2", "u1")
LIMITS = {"f8": 2.0**500, "f4": 2.0**100, "f2": 2.0**15}
QUANTILES = (0.0, 0.25, 0.5, 1.0)
Q_DTYPES = ("u1", "i2", "?")


class Column(NamedTuple):
    """One channel: every value with its weight, and how many do not count."""

    values: tuple[tuple[Any, int], ...] = ()
    missing: int = 0

    def __add__(self, other: Column) -> Column:  # type: ignore[override]
        return Column(self.values + other.values, self.missing + other.missing)

    @property
    def moments(self) -> oracle.Moments:
        return oracle.moments([value for value, weight in self.values for _ in range(weight)])


class Known(NamedTuple):
    """Statistics, and what they are those of."""

    stats: Any
    columns: tuple[Column, ...]
    dtype: np.dtype
    names: tuple[str, ...] | None = None
    exact: bool = False

    @property
    def filled(self) -> bool:
        return any(column.values for column in self.columns)


def checked(known: Known) -> Known:
    """Hold statistics against the values that they are those of."""
    seen["states"] += 1
    stats = known.stats
    assert stats.names == known.names
    assert stats.method == ("exact" if known.exact else "compensated")
    assert (stats.min.dtype, stats.max.dtype) == (known.dtype, known.dtype)
    assert stats.shape == (len(known.columns),)
    for channel, column in enumerate(known.columns):
        moments, where = column.moments, f"channel {channel}"
        assert stats.count[channel] == len(column.values), where
        assert stats.weight[channel] == moments.count, where
        assert stats.n_missing[channel] == column.missing, where
        assert_mean(stats.mean[channel].item(), moments, known.exact, where)
        assert_extremes(stats.min[channel].item(), stats.max[channel].item(), moments, where)
        for ddof in (0, 1):
            spread = stats.var(ddof)[channel].item(), stats.std(ddof)[channel].item()
            assert_spread(*spread, moments, ddof, known.exact, where)
    return known


@st.composite
def batches(draw: st.DrawFn):
    """Data (rows, channels), what of it counts, and how often."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.integers(0, 6)), draw(CHANNEL_COUNTS)
    if dtype[0] == "f":
        bits = {"f8": 64, "f4": 32, "f2": 16}[dtype]
        ordinary = st.floats(-LIMITS[dtype], LIMITS[dtype], width=bits)
        special = st.sampled_from((math.nan, math.inf, -math.inf))
        kinds = draw(st.sampled_from((ordinary, ordinary, st.just(0.1), st.one_of(ordinary, special))))
    else:
        least, greatest = (0, 255) if dtype == "u1" else (-30000, 30000)
        kinds = st.integers(least, greatest)
    numbers = [[draw(kinds) for _ in range(shape[1])] for _ in range(shape[0])]
    x = np.array(numbers, dtype).reshape(shape)
    counts = draw(st.sampled_from(("all", "all", "where", "omit", "weights")))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    options: dict[str, Any] = {}
    weights = np.ones(shape, np.int64)
    if counts == "where":
        options["where"] = rng.random(shape) < 0.6
        weights *= options["where"]
    elif counts == "omit":
        options["nan_policy"] = "omit"
        weights *= ~np.isnan(x)
    elif counts == "weights":
        options["weights"] = weights = rng.integers(0, 4, shape)
    return x, options, weights


def columns_of(x: np.ndarray, weights: np.ndarray) -> tuple[Column, ...]:
    return tuple(
        Column(
            tuple((v, w) for v, w in zip(x[:, c].tolist(), weights[:, c].tolist(), strict=True) if w),
            int((weights[:, c] == 0).sum()),
        )
        for c in range(x.shape[1])
    )


def common(parts: list[Known]) -> np.dtype:
    """The dtype that NumPy gives; of parts without any value only if all are."""
    return np.result_type(*{part.dtype for part in [p for p in parts if p.filled] or parts})


class Statistics(RuleBasedStateMachine):
    """`ChannelStats` by either method."""

    known = Bundle("known")

    @rule(target=known, batch=batches(), exact=st.booleans())
    def measure(self, batch, exact):
        x, options, weights = batch
        exact = exact and "weights" not in options
        stats = fastbn.channel_stats(x, method="exact" if exact else "compensated", **options)
        return checked(Known(stats, columns_of(x, weights), x.dtype, None, exact))

    @rule(target=known, channels=st.sampled_from((2, 2, 0, 3)), dtype=st.sampled_from(DTYPES))
    def empty(self, channels, dtype):
        stats = fastbn.ChannelStats.empty(channels, dtype)
        return checked(Known(stats, (Column(),) * channels, np.dtype(dtype)))

    @rule(target=known, first=known, batch=batches())
    def update(self, first, batch):
        x, options, weights = batch
        if x.shape[1] != len(first.columns) or (first.exact and "weights" in options):
            with pytest.raises(ValueError, match=r"merge: got|weights: got"):
                first.stats.update(x, **options)
            return multiple()
        second = Known(None, columns_of(x, weights), x.dtype, None, first.exact)
        return self.united([first, second], first.stats.update(x, **options))

    @rule(target=known, parts=st.lists(known, min_size=1, max_size=4))
    def merge(self, parts):
        first, *others = (part.stats for part in parts)
        names = {part.names for part in parts} - {None}
        if len({len(part.columns) for part in parts}) > 1 or len(names) > 1:
            with pytest.raises(ValueError, match="merge: got"):
                first.merge(*others)
            return multiple()
        merged = first.merge(*others)
        if len(parts) == 2:
            assert merged == others[0] + first
        return self.united(parts, merged)

    def united(self, parts, stats):
        filled = [part for part in parts if part.filled] or parts
        columns = tuple(sum(column, Column()) for column in zip(*(part.columns for part in parts), strict=True))
        names = next((part.names for part in parts if part.names is not None), None)
        return checked(Known(stats, columns, common(parts), names, all(part.exact for part in filled)))

    @rule(target=known, parts=st.lists(known, min_size=1, max_size=3))
    def concatenate(self, parts):
        names = [part.names for part in parts]
        together = None if None in names else tuple(itertools.chain(*names))
        if together is not None and len(set(together)) < len(together):
            with pytest.raises(ValueError, match="names: got"):
                fastbn.ChannelStats.concatenate([part.stats for part in parts])
            return multiple()
        stats = fastbn.ChannelStats.concatenate([part.stats for part in parts])
        if len(stats.count) > 9:  # let them not grow for ever
            return multiple()
        columns = tuple(itertools.chain(*(part.columns for part in parts)))
        dtype = np.result_type(*{part.dtype for part in parts})
        return checked(Known(stats, columns, dtype, together, all(part.exact for part in parts)))

    @rule(target=known, first=known, data=st.data())
    def select(self, first, data):
        if not first.columns:
            return multiple()
        places = st.integers(-len(first.columns), len(first.columns) - 1)
        index = data.draw(st.lists(places, min_size=data.draw(st.sampled_from((2, 2, 0))), max_size=3))
        twice = len({i % len(first.columns) for i in index}) < len(index)
        if first.names is not None and twice:
            with pytest.raises(ValueError, match="index: got"):
                first.stats.select(index)
            return multiple()
        names = None if first.names is None else tuple(first.names[i] for i in index)
        columns = tuple(first.columns[i] for i in index)
        return checked(first._replace(stats=first.stats.select(index), columns=columns, names=names))

    @rule(target=known, first=known, letter=st.sampled_from(("a", "b", None)))
    def name(self, first, letter):
        names = None if letter is None else tuple(f"{letter}{i}" for i in range(len(first.columns)))
        return checked(first._replace(stats=first.stats.with_names(names), names=names))

    @rule(target=known, first=known, way=WAYS)
    def bring_back(self, first, way):
        stats = brought_back(first.stats, way)
        assert stats == first.stats
        return checked(first._replace(stats=stats))


class Ranked(NamedTuple):
    """Quantiles of integers, and all of these."""

    found: Any
    columns: tuple[tuple[int, ...], ...]
    missing: tuple[int, ...]


def ranked(known: Ranked) -> Ranked:
    """Hold quantiles against sorted numbers: these are small, so that interpolating rounds nowhere but at q."""
    seen["states"] += 1
    assert known.found.count.tolist() == [len(column) for column in known.columns]
    assert known.found.n_missing.tolist() == list(known.missing)
    for values in (known.found.values, known.found.quantile(QUANTILES)):
        for row, q in zip(values.tolist(), QUANTILES, strict=True):
            for value, column in zip(row, map(sorted, known.columns), strict=True):
                if not column:
                    assert math.isnan(value)
                    continue
                place = Fraction(q) * (len(column) - 1)
                below, above = column[math.floor(place)], column[math.ceil(place)]
                assert Fraction(value) == below + (place - math.floor(place)) * (above - below)
    return known


class Quantiles(RuleBasedStateMachine):
    """`ChannelQuantiles` of what has histograms."""

    known = Bundle("known")

    @rule(
        target=known,
        dtype=st.sampled_from(Q_DTYPES),
        seed=st.integers(0, 999),
        shape=st.tuples(st.integers(0, 9), CHANNEL_COUNTS),
    )
    def measure(self, dtype, seed, shape):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 2 if dtype == "?" else rng.choice((3, 250)), shape).astype(dtype)
        where = rng.random(shape) < rng.choice((0.5, 1.0))
        found = fastbn.channel_quantiles(x, QUANTILES, where=where)
        columns = tuple(tuple(map(int, x[where[:, c], c])) for c in range(shape[1]))
        return ranked(Ranked(found, columns, tuple((~where).sum(axis=0).tolist())))

    @rule(target=known, parts=st.lists(known, min_size=1, max_size=4))
    def merge(self, parts):
        first, *others = (part.found for part in parts)
        if len({(len(part.columns), part.found.dtype) for part in parts}) > 1:
            with pytest.raises(ValueError, match="merge: got"):
                first.merge(*others)
            return multiple()
        columns = tuple(sum(column, ()) for column in zip(*(part.columns for part in parts), strict=True))
        missing = tuple(map(sum, zip(*(part.missing for part in parts), strict=True)))
        merged = first.merge(*others)
        assert merged == sum(reversed([first, *others]))
        return ranked(Ranked(merged, columns, missing))

    @rule(target=known, first=known, data=st.data())
    def select(self, first, data):
        index = data.draw(st.lists(st.integers(0, len(first.columns) - 1), min_size=1, max_size=3))
        columns, missing = (tuple(vector[i] for i in index) for vector in (first.columns, first.missing))
        return ranked(Ranked(first.found.select(index), columns, missing))

    @rule(target=known, first=known, way=WAYS)
    def bring_back(self, first, way):
        found = brought_back(first.found, way)
        assert found == first.found
        return ranked(first._replace(found=found))


@pytest.mark.parametrize("machine", [Statistics, Quantiles])
def test_any_steps_lead_to_what_the_values_say(machine, tally):
    tally("states of statistics driven by random steps", drive(machine))
