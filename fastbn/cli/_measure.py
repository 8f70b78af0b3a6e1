"""Statistics and quantiles of files: of every tile, merged in the order of the files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from fastbn import ChannelQuantiles, ChannelStats, _radix, channel_quantiles, channel_stats
from fastbn._histogram import has_histogram

from ._channels import Channels, Key, absence, key_of, nodata_of
from ._choice import Missing
from ._errors import JobError
from ._fields import Field, Place, Source, Tile, Values
from ._flow import plan, read_ahead
from ._inputs import Input
from ._progress import progress

Fit = Callable[..., Any]  # (x, channel_axis, nodata, where, nan_policy) -> what merges
Parts = dict[Key, Any]


def ignore(field: Field, place: Place, value: Values, nodata: Any) -> None:
    """Look at a tile that is measured, which is not to be changed; here, do not."""


class Reading(NamedTuple):
    """Files that are measured together, as one data set of the same channels."""

    inputs: Sequence[Input]
    memory: int
    missing: Missing = Missing()
    watch: Callable[[Field, Place, Values, Any], None] = ignore

    def stats(self, method: str) -> ChannelStats:
        """Statistics of all files; exact ones do not depend on the memory that was allowed."""
        fit = partial(channel_stats, method=method)
        stats: ChannelStats = self._union(lambda _: fit, "statistics")
        return stats

    def quantiles(self, q: float | tuple[float, ...]) -> ChannelQuantiles:
        """Quantiles of all files: from histograms where there are some, else by selection in several passes."""
        columns = zip(*(item.fields for item in self.inputs), strict=True)
        dtypes = [np.result_type(*(field.dtype for field in column)) for column in columns]
        if all(map(has_histogram, dtypes)):
            quantiles: ChannelQuantiles = self._union(lambda key: _counting(dtypes[key[0]], q), "quantiles")
            return quantiles
        # The channels of a tile have to be the same in every file and pass.
        cuts = {tuple((field.shape, field.order, field.blocks) for field in item.fields) for item in self.inputs}
        whole = len(cuts) > 1
        found = self._total(lambda key: _first_fit(dtypes[key[0]], q), whole, "quantiles")
        sought = {
            key: _radix.begun(found[key], q, dtypes[key[0]]) for key in found if not has_histogram(dtypes[key[0]])
        }
        shifts = {shift for dtype in dtypes if not has_histogram(dtype) for shift in _radix.shifts(dtype)[1:]}
        again = self._replace(watch=ignore)  # every value was seen by now
        for shift in sorted(shifts, reverse=True):
            digits = partial(_digits, dtypes=dtypes, sought=sought, shift=shift)
            counted = again._total(digits, whole, "quantiles")
            sought |= {key: sought[key].narrowed(tallies) for key, tallies in counted.items()}
        parts = {key: _radix.finished(sought[key], q, dtypes[key[0]]) for key in sought}
        selected: ChannelQuantiles = Channels(self.inputs[0].fields).joined({**found, **parts})
        return selected

    def _union(self, fit_of: Callable[[Key], Fit], label: str) -> Any:
        """What functions say of the tiles of a file, of all channels; and of all files."""
        found = self._fold(fit_of, add, label)
        return reduce(add, (Channels(item.fields).joined(parts) for item, parts in found))

    def _total(self, fit_of: Callable[[Key], Fit | None], whole: bool, label: str) -> Parts:
        """One merged result for the channels of every tile."""
        total: Parts = {}
        for _, parts in self._fold(fit_of, _merge_any, label, whole=whole):
            for key, state in parts.items():
                total[key] = _merge_any(total[key], state) if key in total else state
        return total

    def _fold(
        self,
        fit_of: Callable[[Key], Fit | None],
        merge: Callable[[Any, Any], Any],
        label: str,
        *,
        whole: bool = False,
    ) -> Iterator[tuple[Input, Parts]]:
        """Apply a function to every tile, and merge the results for the same channels, file by file."""
        with progress(label, [item.nbytes for item in self.inputs]) as done:
            for item in self.inputs:
                parts: Parts = {}
                with item.open() as source, closing(self._values(source, fit_of, whole)) as read:
                    for field, place, value in read:
                        key = key_of(field, place)
                        fit = fit_of(key)
                        if fit is not None:
                            state = self._fitted(item, field, place, value, fit)
                            parts[key] = merge(parts[key], state) if key in parts else state
                        done(value.data.nbytes)
                    item.check(source)
                yield item, parts

    def _values(
        self, source: Source, fit_of: Callable[[Key], Fit | None], whole: bool
    ) -> Generator[tuple[Field, Place, Values]]:
        """What is in the tiles that are asked for."""

        def asked(tile: Tile) -> bool:
            return any(fit_of(key_of(source.fields[place.field], place)) is not None for place in tile)

        limit, depth = plan(source, self.memory, 0, whole_channels=whole)
        tiles = filter(asked, source.tiles(limit, whole_channels=whole))
        with closing(read_ahead(source, tiles, depth)) as ahead:
            for tile, values in ahead:
                for place, value in zip(tile, values, strict=True):
                    yield source.fields[place.field], place, value

    def _fitted(self, item: Input, field: Field, place: Place, value: Values, fit: Fit) -> Any:
        nodata = nodata_of(field, self.missing.nodata, place)
        self.watch(field, place, value, nodata)
        policy = self.missing.nan_policy
        if policy == "raise":
            refuse_nan(item, field, place, value, nodata)
            policy = "propagate"
        where = None if value.absent is None else ~value.absent
        return fit(value.data, channel_axis=field.channel_axis, nodata=nodata, where=where, nan_policy=policy)


def _counting(dtype: np.dtype[Any], q: float | tuple[float, ...]) -> Fit:
    """Quantiles from histograms of numbers of a dtype, which may be that of other files."""

    def fit(x: Any, **options: Any) -> ChannelQuantiles:
        return channel_quantiles(x.astype(dtype, copy=False), q, **options)

    return fit


def _first_fit(dtype: np.dtype[Any], q: float | tuple[float, ...]) -> Fit:
    if has_histogram(dtype):
        return _counting(dtype, q)
    return partial(_tally, dtype=dtype, sought=None, shift=_radix.shifts(dtype)[0])


def _digits(key: Key, dtypes: Sequence[np.dtype[Any]], sought: Mapping[Key, _radix.Sought], shift: int) -> Fit | None:
    """Count the digits at a shift, of channels whose numbers have some there."""
    dtype = dtypes[key[0]]
    if key not in sought or shift not in _radix.shifts(dtype)[1:]:
        return None
    return partial(_tally, dtype=dtype, sought=sought[key], shift=shift)


def _tally(x: Any, channel_axis: Any, **options: Any) -> _radix.Tallies:
    kept = channel_axis if isinstance(channel_axis, tuple) else () if channel_axis is None else (channel_axis,)
    return _radix.tallied(x, channel_axis=kept, **options)


def _merge_any(one: Any, other: Any) -> Any:
    """Quantiles, or tallies of them."""
    if isinstance(one, tuple):
        return _radix.merged([one, other], lambda pair: pair[0].merge(*pair[1:]))
    return one.merge(other)


def refuse_nan(item: Input, field: Field, place: Place, value: Values, nodata: Any) -> None:
    """Refuse a NaN that does not stand for none."""
    if value.data.dtype.kind != "f":
        return
    nan = np.isnan(value.data)
    absent = absence(field, value, nodata)
    if absent is not None:
        nan &= ~absent
    if nan.any():
        channels = np.argwhere(nan)[0][list(field.axes.kept)] + [place.at[k].start for k in field.axes.kept]
        number = int(np.ravel_multi_index(tuple(channels), field.axes.shape)) if channels.size else 0
        label = Channels(item.fields).label(place.field, number)
        raise JobError(f"{item.path}: channel {label} has a NaN; nan_policy='raise' wants none")


def rehearse(
    inputs: Sequence[Input], fit: Fit, missing: Missing, transform: Callable[..., Any] | None = None
) -> list[tuple[np.dtype[Any], ...]]:
    """Do the job on a single zero of every field: what is wrong with the arguments shows before anything is read.

    Returns the dtypes of the outputs, file by file.
    """
    found = []
    for item in inputs:
        dtypes = []
        for field in item.fields:
            sample = np.zeros((1,) * len(field.shape), field.dtype)
            nodata = nodata_of(field, missing.nodata, Place(0, (slice(0, 1),) * sample.ndim))
            stats = fit(sample, channel_axis=field.channel_axis, nodata=nodata)
            made = sample if transform is None else transform(sample, stats=stats, channel_axis=field.channel_axis)
            dtypes.append(made.dtype)
        found.append(tuple(dtypes))
    return found
