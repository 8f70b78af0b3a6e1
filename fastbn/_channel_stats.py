"""The value that statistics are: immutable, mergeable, lossless in a file.

Long for its documentation: it holds the whole public class; the work is done in `_merging`, `_records`, `_files` and
`_display`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from . import _display, _merging, _records
from ._algebra import divide_words, root, two_sum, variance
from ._arrays import number_dtype
from ._backends import Found, Moments
from ._devices import OnDevice
from ._environment import in_default_environment
from ._exact import ExactState
from ._layout import ChannelAxis
from ._merging import Tally
from ._scalars import check_ddof, check_shape, each_of
from ._value import Value

Floats = npt.NDArray[np.float64]


class _Pending(NamedTuple):
    """What a device has."""

    shape: tuple[int, ...]
    moments: Found
    fetch: Callable[[], "ChannelStats"]


_FETCHED = ("_exact", "_greatest", "_least", "_names", "_rounded", "_tally")


class ChannelStats(Value):
    """Statistics of every channel of some data: immutable, picklable, mergeable.

    Made by `channel_stats`, `ChannelStats.empty`, `ChannelStats.from_moments`, `ChannelStats.from_dict` or
    `ChannelStats.load`. Mean and sum of squared deviations are held in two float64 words each, so that a million
    merges do not drift; exact statistics hold the sums of the values and of their squares as integers. Equality
    (``==``) is equality of every bit, names and method included.

    See Also
    --------
    channel_stats : Compute them, with formulas and sources.
    zscore : Normalize with them.
    ChannelQuantiles : The same of quantiles.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> monday, tuesday = np.array([[1.0], [2.0]]), np.array([[6.0]])
    >>> week = fastbn.channel_stats(monday) + fastbn.channel_stats(tuesday)
    >>> week.mean, week.count
    (array([3.]), array([3]))
    """

    __module__ = "fastbn.statistics"  # its public place, for pickles and documentation
    __slots__ = ("_exact", "_greatest", "_least", "_names", "_pending", "_rounded", "_tally")

    _rounded: Floats | None  # (5, *shape): weight (the count), mean, its tail, m2 (sum of squared deviations), its tail
    _exact: ExactState | None  # of the same channels, flat; then _rounded is made from it when it is asked for
    _least: np.ndarray
    _greatest: np.ndarray
    _names: tuple[str, ...] | None
    _tally: Tally | None  # if nothing is missing and nothing has a weight, there is none
    _pending: _Pending | None  # while all of these are on a device

    def __init__(
        self,
        state: Floats | ExactState,
        least: np.ndarray,
        greatest: np.ndarray,
        names: tuple[str, ...] | None = None,
        tally: Tally | None = None,
    ) -> None:
        exact, rounded = (state, None) if isinstance(state, ExactState) else (None, state)
        put = object.__setattr__  # six of them took twice the time in a loop, a tenth of a small call
        put(self, "_exact", exact)
        put(self, "_rounded", rounded)
        put(self, "_least", least)
        put(self, "_greatest", greatest)
        put(self, "_names", names)
        put(self, "_pending", None)
        put(self, "_tally", None if tally is None or tally.says_nothing(self._counts) else tally)
        least.setflags(write=False)
        greatest.setflags(write=False)
        for array in (rounded,) if tally is None else (rounded, *tally):
            if array is not None:
                array.setflags(write=False)

    def __reduce__(self) -> tuple[Any, ...]:
        state = np.array(self._state) if self._exact is None else self._exact
        tally = self._tally and self._tally.map(np.array)
        return type(self), (state, np.array(self._least), np.array(self._greatest), self._names, tally)

    @classmethod
    def pending(cls, shape: tuple[int, ...], moments: Found, fetch: Callable[[], Self]) -> Self:
        """Statistics that a device has: `fetch` gets them when somebody looks at them first."""
        stats = cls.__new__(cls)
        stats._fill(_pending=_Pending(shape, moments, fetch))
        return stats

    def __getattr__(self, name: str) -> Any:
        """A slot that is empty yet: then all of them are."""
        if name not in _FETCHED or self._pending is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        fetched = self._pending.fetch()
        self._fill(**{slot: getattr(fetched, slot) for slot in _FETCHED})
        return getattr(self, name)

    @property
    def _state(self) -> Floats:
        if self._rounded is None:
            assert self._exact is not None
            state: Floats = self._exact.moments().reshape(5, *self.shape)
            state.setflags(write=False)
            self._fill(_rounded=state)
            return state
        return self._rounded

    @property
    def _counts(self) -> np.ndarray:
        """Weights, which without weights are the values counted; of either method's type."""
        return np.asarray(self._state[0] if self._exact is None else self._exact.counts[0].reshape(self.shape))

    # What it says

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every per-channel vector."""
        return self._least.shape if self._pending is None else self._pending.shape

    @property
    def method(self) -> str:
        """How they were computed: "compensated", or "exact" (correctly rounded, the same in whatever order)."""
        return "compensated" if self._exact is None else "exact"

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """Values counted (int64, of the channels' shape)."""
        return np.array(self._tallied.counted)

    @property
    def n_missing(self) -> npt.NDArray[np.int64]:
        """Values skipped (int64): NaN, masked, nodata or of weight 0."""
        return np.array(self._tallied.missing)

    @property
    def _tallied(self) -> Tally:
        return Tally.of(self._counts) if self._tally is None else self._tally

    @property
    def weight(self) -> Floats:
        """Sum of weights (float64); the count, if nothing is weighted."""
        return np.asarray(self._counts.astype(np.float64))

    @property
    @in_default_environment
    def mean(self) -> Floats:
        """Mean (float64), in the units of the data; NaN where nothing was counted."""
        if self._exact is not None:
            return self._exact.mean.reshape(self.shape).copy()
        mean = self._state[1] + 0.0
        return np.asarray(np.where(self._state[0] > 0, mean, np.nan) if self._any_empty() else mean)

    @property
    @in_default_environment
    def min(self) -> np.ndarray:
        """Smallest value, in the dtype and the units of the data.

        Where nothing was counted: NaN, or for an integer dtype its largest value.
        """
        return self._extreme(self._least)

    @property
    @in_default_environment
    def max(self) -> np.ndarray:
        """Largest value, in the dtype and the units of the data.

        Where nothing was counted: NaN, or for an integer dtype its smallest value.
        """
        return self._extreme(self._greatest)

    @in_default_environment
    def var(self, ddof: int = 0) -> Floats:
        """Variance, ``m2 / (weight - ddof)``: without weights, the weight is the count.

        Parameters
        ----------
        ddof : int, default 0
            Delta degrees of freedom, as in NumPy.

        Returns
        -------
        ndarray of float64
            Of the channels' shape, in the units of the data squared: NaN where ``weight <= ddof``; exactly 0 for a
            constant channel; never negative.

        Raises
        ------
        ValueError, TypeError
            If `ddof` is no integer >= 0.

        Examples
        --------
        >>> import fastbn
        >>> fastbn.channel_stats([1, 2, 6], None).var(ddof=1)
        array(7.)
        """
        if self._exact is not None:
            return self._exact.variance(check_ddof(ddof)).reshape(self.shape)
        return self._variance(ddof)[0]

    @in_default_environment
    def std(self, ddof: int = 0) -> Floats:
        """Standard deviation, the square root of `var` (rounded once).

        Parameters
        ----------
        ddof : int, default 0
            Delta degrees of freedom, as in NumPy.

        Returns
        -------
        ndarray of float64
            Of the channels' shape, in the units of the data: NaN where ``weight <= ddof``.

        Raises
        ------
        ValueError, TypeError
            If `ddof` is no integer >= 0.

        Examples
        --------
        >>> import fastbn
        >>> fastbn.channel_stats([[2.0], [4.0]]).std()
        array([1.])
        """
        if self._exact is not None:
            return self._exact.deviation(check_ddof(ddof)).reshape(self.shape)
        with np.errstate(all="ignore"):
            return np.asarray(root(*self._variance(ddof))[0])

    @in_default_environment
    def moments(self, beside: np.ndarray) -> Found:
        """What the backend of an array takes: those on a device stay there for arrays on the same."""
        if (
            self._pending is not None
            and isinstance(beside, OnDevice)
            and self._pending.moments.device == beside.place.device
        ):
            return self._pending.moments
        return Moments(self._state.reshape(5, -1).copy(), self._least.reshape(-1), self._greatest.reshape(-1))

    def _variance(self, ddof: int) -> tuple[Floats, Floats]:
        free = self._state[0] - check_ddof(ddof)
        with np.errstate(all="ignore"):
            if self._tally is None or not self._tally.tail.any():
                head, tail = variance(free, self._state[3], self._state[4], 0)
            else:
                free, rest = two_sum(free, self._tally.tail)
                head, tail = divide_words(self._state[3], self._state[4], np.where(free > 0, free, np.nan), rest)
        return np.asarray(head), np.asarray(tail)

    def _any_empty(self) -> bool:
        return bool((self._counts == 0).any())

    def _extreme(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind == "f" and self._any_empty():
            return np.asarray(np.where(self._counts > 0, values, values.dtype.type(np.nan)))
        return values.copy()

    # Merging

    @classmethod
    def empty(cls, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> Self:
        """Statistics of nothing: count 0, the identity of merging.

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the per-channel vectors; ``()`` for one channel.
        dtype : dtype, default float64
            Of `min` and `max`. A merge with statistics that are not empty takes theirs.

        Returns
        -------
        ChannelStats
            With count 0, and mean and variance NaN.

        Raises
        ------
        ValueError
            If a length is negative, or there are 2^48 channels or more.
        TypeError
            If a length is no integer, or a dtype is not supported.

        Examples
        --------
        >>> import fastbn
        >>> stats = fastbn.ChannelStats.empty(2)
        >>> stats.update([[1.0, 2.0]]).mean
        array([1., 2.])
        """
        sizes = check_shape("shape", shape)
        least, greatest = _merging.no_extremes(sizes, number_dtype(dtype, "dtype"))
        return cls(np.zeros((5, *sizes)), least, greatest)

    @classmethod
    @in_default_environment
    def from_moments(
        cls,
        count: npt.ArrayLike,
        mean: npt.ArrayLike,
        var: npt.ArrayLike,
        ddof: int = 0,
        min: npt.ArrayLike | None = None,  # noqa: A002 - the contract's name
        max: npt.ArrayLike | None = None,  # noqa: A002
    ) -> Self:
        """Statistics from other people's numbers.

        Parameters
        ----------
        count, mean, var : array_like
            Values counted, mean, and variance with `ddof`, in the square of the mean's units; they broadcast against
            each other.
        ddof : int, default 0
            With which `var` was computed.
        min, max : array_like, optional
            Extremes; NaN (unknown) if not given. They get a common dtype as in `merge`.

        Returns
        -------
        ChannelStats
            Whose ``mean`` and ``var(ddof)`` are the given ones.

        Raises
        ------
        ValueError
            If a count or a variance is negative, a count is not a whole number, a minimum is above the maximum, or the
            shapes do not fit.
        TypeError
            If an argument is not numeric, or `ddof` is no integer.

        Examples
        --------
        >>> import fastbn
        >>> imagenet = fastbn.ChannelStats.from_moments(1000, [0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2])
        >>> imagenet.mean
        array([0.485, 0.456, 0.406])
        """
        return cls(*_merging.from_moments(count, mean, var, ddof, min, max))

    @in_default_environment
    def merge(self, *others: "ChannelStats") -> "ChannelStats":
        """Statistics of the union of the data.

        Parameters
        ----------
        *others : ChannelStats
            Of the same shape; counts may differ freely.

        Returns
        -------
        ChannelStats
            ``a.merge(b) == b.merge(a)``, bit for bit; many are merged in a balanced tree. Exact statistics with exact
            ones are exact, in whatever order they are merged; with compensated ones they are compensated (`method`).
            `min` and `max` have the common dtype that NumPy gives, which for three different dtypes may depend on
            their order; but integers stay integers: int64 with uint64 gives the one that holds all.

        Raises
        ------
        ValueError
            If the channel shapes or the names differ, or if neither int64 nor uint64 holds all of the integers.
        TypeError
            If one of `others` is no ChannelStats.

        See Also
        --------
        concatenate : Put channels side by side.
        channel_stats : The formula of merging, and its source.

        Examples
        --------
        >>> import fastbn
        >>> a, b, c = (fastbn.channel_stats([v], None) for v in (1, 2, 6))
        >>> a.merge(b, c).mean
        array(3.)
        """
        for other in others:
            if not isinstance(other, ChannelStats):
                raise TypeError(f"merge: got {type(other).__name__}; wants ChannelStats")
            if other.shape != self.shape:
                raise ValueError(f"merge: got statistics of channel shape {other.shape}; wants {self.shape}")
        parts = [self, *others]
        name = _records.common_names(part._names for part in parts)
        least, greatest = _merging.union_of_extremes([(part._counts, part._least, part._greatest) for part in parts])
        filled = [part for part in parts if (part._counts > 0).any()] or parts
        exact = [part._exact for part in filled if part._exact is not None]
        tally = Tally.sum([part._tallied for part in parts])
        if len(exact) == len(filled):
            return ChannelStats(ExactState.merged(exact), least, greatest, name, tally)
        states = [part._state for part in filled]
        tails = [part._tallied.tail for part in filled]
        if all(part._tally is None or (part._tally.counted == part._counts).all() for part in filled):
            return ChannelStats(_merging.union(states), least, greatest, name, tally)
        state = _merging.union([np.concatenate([s, t[np.newaxis]]) for s, t in zip(states, tails, strict=True)])
        return ChannelStats(state[:-1].copy(), least, greatest, name, tally._replace(tail=state[-1].copy()))

    @classmethod
    @in_default_environment
    def concatenate(cls, parts: Iterable["ChannelStats"]) -> "ChannelStats":
        """Statistics of the channels of several data side by side.

        Parameters
        ----------
        parts : iterable of ChannelStats
            Of one channel axis, or of one channel; at least one of them. Counts may differ freely.

        Returns
        -------
        ChannelStats
            The channels of the first part, then those of the second, and so on; exact if all parts are. Names stay if
            all parts have some. `min` and `max` have the common dtype that `merge` gives.

        Raises
        ------
        ValueError
            If there is no part, a part has several channel axes, a name comes twice, or neither int64 nor uint64 holds
            all of the integers.
        TypeError
            If one of the parts is no ChannelStats.

        See Also
        --------
        merge : Statistics of more values of the same channels.

        Examples
        --------
        >>> import fastbn
        >>> red, green = fastbn.channel_stats([1.0, 3.0], None), fastbn.channel_stats([4.0], None)
        >>> fastbn.ChannelStats.concatenate([red, green]).mean
        array([2., 4.])
        """
        given = list(each_of("parts", parts, "several ChannelStats"))
        for part in given:
            if not isinstance(part, ChannelStats):
                raise TypeError(f"parts: got {type(part).__name__}; wants ChannelStats")
        if not given or any(len(part.shape) > 1 for part in given):
            shapes = [part.shape for part in given]
            raise ValueError(f"parts: got statistics of channel shapes {shapes}; wants some with one channel axis")
        stats = side_by_side(given)
        names = _records.joined_names([part._names for part in given], stats.shape)
        return stats if names is None else stats.with_names(names)

    def __add__(self, other: object) -> "ChannelStats":
        if not isinstance(other, ChannelStats):
            return NotImplemented
        return self.merge(other)

    def __radd__(self, other: object) -> "ChannelStats":
        return self if isinstance(other, int) and other == 0 else NotImplemented  # sum() starts with 0

    def update(
        self,
        x: npt.ArrayLike,
        channel_axis: ChannelAxis = 1,
        *,
        nan_policy: str = "propagate",
        where: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        nodata: npt.ArrayLike | None = None,
        method: str | None = None,
    ) -> "ChannelStats":
        """Return ``self + channel_stats(x, ...)``.

        Parameters
        ----------
        x : array_like
            More data, with the same channels.
        channel_axis : int, tuple of int, or None, default 1
            The axis (or axes) that is kept, as in `channel_stats`.
        nan_policy : {"propagate", "omit", "raise"}, default "propagate"
            What a NaN does, as in `channel_stats`.
        where : array_like of bool, optional
            Only values where it is True count, as in `channel_stats`.
        weights : array_like, optional
            How often a value counts, as in `channel_stats`.
        nodata : scalar or array_like, optional
            A value that stands for no value, as in `channel_stats`.
        method : {"compensated", "exact"}, optional
            As in `channel_stats`; that of these statistics if not given.

        Returns
        -------
        ChannelStats
            Of all the data together; these statistics stay as they are.

        Raises
        ------
        ValueError, TypeError
            As in `channel_stats` and `merge`.

        Examples
        --------
        >>> import fastbn
        >>> fastbn.channel_stats([[1.0], [3.0]]).update([[8.0]]).mean
        array([4.])
        """
        from .statistics import channel_stats  # which makes values of this class

        return self + channel_stats(
            x,
            channel_axis,
            nan_policy=nan_policy,
            where=where,
            weights=weights,
            nodata=nodata,
            method=self.method if method is None else method,
        )

    # Names and subsets

    @property
    def names(self) -> tuple[str, ...] | None:
        """Channel names, or None."""
        return self._names

    def with_names(self, names: Iterable[str] | None) -> "ChannelStats":
        """Return the same statistics with other channel names.

        Parameters
        ----------
        names : iterable of str, or None
            One different name per channel, for statistics with one channel axis.

        Returns
        -------
        ChannelStats
            Of the same data.

        Raises
        ------
        ValueError
            If the number of names is not the number of channels, or a name comes twice.
        TypeError
            If a name is no string.

        Examples
        --------
        >>> import fastbn
        >>> fastbn.channel_stats([[1.0, 2.0]]).with_names(["red", "green"]).select("green").mean
        array(2.)
        """
        state = self._state if self._exact is None else self._exact
        named = _records.checked_names(names, self.shape)
        return ChannelStats(state, self._least, self._greatest, named, self._tally)

    def select(self, index: Any) -> "ChannelStats":
        """Return the statistics of some of the channels.

        Parameters
        ----------
        index : int, slice, array, name or list of names
            An index of NumPy into the per-channel vectors, or names of channels.

        Returns
        -------
        ChannelStats
            In the shape that NumPy gives, with the names of the channels that are left.

        Raises
        ------
        KeyError
            If there is no channel of such a name.
        IndexError
            If an index is out of range.
        ValueError
            If a named channel is selected twice.

        Examples
        --------
        >>> import fastbn
        >>> fastbn.channel_stats([[1.0, 2.0, 3.0]]).select([0, 2]).mean
        array([1., 3.])
        """
        index = _records.as_index(index, self._names)
        where = index if isinstance(index, tuple) else (index,)
        least = np.array(self._least[where])
        names = _records.chosen_names(self._names, index, least.shape)
        greatest = np.array(self._greatest[where])
        tally = self._tally and self._tally.map(lambda part: np.array(part[where]))
        if self._exact is None:
            return ChannelStats(np.array(self._state[(slice(None), *where)]), least, greatest, names, tally)
        flat = np.arange(self._least.size).reshape(self.shape)[where]
        return ChannelStats(self._exact.select(np.asarray(flat).reshape(-1)), least, greatest, names, tally)

    # To and from files

    @in_default_environment
    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold: numbers, lists, and strings for what is not finite.

        Returns
        -------
        dict
            Of which `from_dict` makes the same statistics, bit by bit.

        See Also
        --------
        save : Write it to a file.

        Examples
        --------
        >>> import fastbn
        >>> stats = fastbn.channel_stats([[0.1], [0.2]])
        >>> fastbn.ChannelStats.from_dict(stats.to_dict()) == stats
        True
        """
        return _records.to_dict(self._state, self._least, self._greatest, self._names, self._exact, self._tally)

    @classmethod
    @in_default_environment
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Return the statistics that `to_dict` described.

        Parameters
        ----------
        d : mapping
            As `to_dict` returns it.

        Returns
        -------
        ChannelStats
            The same, bit by bit.

        Raises
        ------
        ValueError
            If `d` is something else, is damaged, or comes from a later version of the format.

        See Also
        --------
        load : Read it from a file.

        Examples
        --------
        >>> import fastbn
        >>> record = fastbn.channel_stats([[1.0], [3.0]]).to_dict()
        >>> fastbn.ChannelStats.from_dict(record).mean
        array([2.])
        """
        return cls(*_records.from_dict(d))

    # Looks

    @in_default_environment
    def _key(self) -> tuple[Any, ...]:
        filled = self._counts > 0
        ends = (np.where(filled, end, end.dtype.type(0)) for end in (self._least, self._greatest))
        state = (_records.canonical(self._state).tobytes(),) if self._exact is None else self._exact.key()
        extremes = (_records.canonical(end).tobytes() for end in ends)
        tally = () if self._tally is None else tuple(part.tobytes() for part in self._tally)
        return self.shape, self._least.dtype.str, self._names, self.method, state, *extremes, *tally

    @in_default_environment
    def __repr__(self) -> str:
        return _display.table(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw mean, standard deviation and range per channel (needs matplotlib).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on; ``ax.figure.savefig(path)`` keeps it.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import fastbn
        >>> ax = fastbn.channel_stats([[1.0, 2.0], [3.0, 5.0]]).plot()
        >>> ax.get_xlabel()
        'channel'
        """
        return _display.draw(self, ax)


def side_by_side(parts: list[ChannelStats]) -> ChannelStats:
    """Statistics of the channels of all parts, flat, one part after the other."""
    ends = [(part._counts.reshape(-1), part._least.reshape(-1), part._greatest.reshape(-1)) for part in parts]
    least, greatest = _merging.concatenated_extremes(ends)
    tallies = zip(*(part._tallied.map(np.ravel) for part in parts), strict=True)
    tally = Tally(*(np.concatenate(vectors) for vectors in tallies))
    exact = [part._exact for part in parts if part._exact is not None]
    if len(exact) == len(parts):
        return ChannelStats(ExactState.concatenated(exact), least, greatest, None, tally)
    state = np.concatenate([part._state.reshape(5, -1) for part in parts], axis=1)
    return ChannelStats(state, least, greatest, None, tally)
