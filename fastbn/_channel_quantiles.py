"""The value that quantiles are: immutable, lossless in a file, and mergeable where they hold a histogram.

Long for its documentation: the work is done in `_histogram`, `_order`, `_quantile_records` and `_display`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from . import _display, _histogram, _order, _quantile_records, _records
from ._backends import MOMENT_ROWS, Moments
from ._environment import in_default_environment
from ._quantile_records import Contents
from ._scalars import check_quantiles
from ._value import Value

Floats = npt.NDArray[np.float64]


class ChannelQuantiles(Value):
    """Quantiles of every channel of some data: immutable and picklable.

    Made by `channel_quantiles`, `ChannelQuantiles.from_dict` or `ChannelQuantiles.load`. Those of bool, 8- and 16-bit
    integers hold the histogram of every channel: they can be merged, and asked for any other quantile. Equality
    (``==``) is equality of every bit, names included.

    See Also
    --------
    channel_quantiles : Compute them, with formula and source.
    robust_scale : Normalize with them.
    ChannelStats : The same of mean and variance.

    Examples
    --------
    >>> import numpy as np, fastbn
    >>> monday, tuesday = np.array([[1], [2]], np.uint8), np.array([[6]], np.uint8)
    >>> week = fastbn.channel_quantiles(monday, 0.5) + fastbn.channel_quantiles(tuesday, 0.5)
    >>> week.values, week.quantile(0.75)
    (array([2.]), array([4.]))
    """

    __module__ = "fastbn.quantiles"  # its public place, for pickles and documentation
    __slots__ = ("_contents",)

    _contents: Contents

    def __init__(self, contents: Contents) -> None:
        for array in (contents.values, contents.counted, contents.missing, *(contents.histogram or ())[2:]):
            array.setflags(write=False)
        self._fill(_contents=contents)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._contents,)

    # What it says

    @property
    def q(self) -> float | tuple[float, ...]:
        """The quantiles that were asked for, in [0, 1]."""
        return self._contents.q

    @property
    def values(self) -> Floats:
        """Quantiles (float64, in the units of the data), ``(len(q), *shape)``, or ``shape`` for a single `q`.

        NaN where nothing was counted, or a NaN was.
        """
        values = self._contents.values
        return np.array(values[0] if isinstance(self.q, float) else values)

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """Values counted (int64, of the channels' shape)."""
        return np.array(self._contents.counted)

    @property
    def n_missing(self) -> npt.NDArray[np.int64]:
        """Values skipped (int64): NaN, masked or nodata."""
        return np.array(self._contents.missing)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every per-channel vector."""
        return self._contents.counted.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the data."""
        return self._contents.dtype

    @in_default_environment
    def quantile(self, q: float | Iterable[float]) -> Floats:
        """Other quantiles of the same data.

        Parameters
        ----------
        q : float or sequence of float
            In [0, 1].

        Returns
        -------
        ndarray of float64
            Shaped as `values`, in the units of the data.

        Raises
        ------
        ValueError
            If a number is not in [0, 1], or is none of `self.q` and there is no histogram, because the data are
            neither bool nor 8- or 16-bit integers.
        TypeError
            If `q` is no number.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> found = fastbn.channel_quantiles(np.arange(101, dtype=np.int16), 0.5, None)
        >>> found.quantile([0.1, 0.9])
        array([10., 90.])
        """
        wanted = check_quantiles(q)
        several = wanted if isinstance(wanted, tuple) else (wanted,)
        if self._contents.histogram is not None:
            values = from_histogram(self._contents.histogram, self._contents.counted, several)
        else:
            held = list(np.atleast_1d(self.q))
            for value in several:
                if value not in held:
                    raise ValueError(
                        f"q: got {value}; these quantiles of {self.dtype} data hold {', '.join(map(str, held))} and no "
                        "histogram: ask channel_quantiles for all you need"
                    )
            values = self._contents.values[[held.index(value) for value in several]]
        return values if isinstance(wanted, tuple) else np.asarray(values[0])

    def moments(self, beside: np.ndarray) -> Moments:  # noqa: ARG002 - they are always on the host
        """What backends take for the extremes: the first and the last quantile."""
        count = self._contents.counted.reshape(-1)
        state = np.zeros((MOMENT_ROWS, count.size))
        state[0] = count
        return Moments(state, *(self._contents.values[i].reshape(-1).copy() for i in (0, -1)))

    # Merging

    @in_default_environment
    def merge(self, *others: "ChannelQuantiles") -> "ChannelQuantiles":
        """Quantiles of the union of the data: exactly, because histograms are added.

        Parameters
        ----------
        *others : ChannelQuantiles
            Of the same shape, dtype of data and `q`.

        Returns
        -------
        ChannelQuantiles
            The same in whatever order.

        Raises
        ------
        ValueError
            If shapes, dtypes, `q` or names differ, or there are no histograms, because the data are neither bool nor
            8- or 16-bit integers.
        TypeError
            If one of `others` is no ChannelQuantiles.

        Examples
        --------
        >>> import numpy as np, fastbn
        >>> a, b, c = (fastbn.channel_quantiles(np.array([v], np.uint8), 0.5, None) for v in (1, 2, 6))
        >>> a.merge(b, c).values
        array(2.)
        """
        for other in others:
            if not isinstance(other, ChannelQuantiles):
                raise TypeError(f"merge: got {type(other).__name__}; wants ChannelQuantiles")
            for what in ("shape", "dtype", "q"):
                if getattr(other, what) != getattr(self, what):
                    raise ValueError(f"merge: got {what} {getattr(other, what)}; wants {getattr(self, what)}")
        parts = [part._contents for part in (self, *others)]
        histograms = [part.histogram for part in parts if part.histogram is not None]
        if not histograms:
            raise ValueError(
                f"merge: got quantiles of {self.dtype} data, which hold no histogram; wants those of bool, 8- or "
                "16-bit integers: concatenate the data, or convert them (float data can be rounded to int16)"
            )
        names = _records.common_names([part.names for part in parts])
        missing = np.asarray(np.sum([part.missing for part in parts], axis=0, dtype=np.int64))
        return counted(_histogram.merged(histograms), self.q, self.shape, self.dtype, missing, names)

    def __add__(self, other: object) -> "ChannelQuantiles":
        return self.merge(other) if isinstance(other, ChannelQuantiles) else NotImplemented

    def __radd__(self, other: object) -> "ChannelQuantiles":
        return self if isinstance(other, int) and other == 0 else NotImplemented  # sum() starts with 0

    # Names and subsets

    @property
    def names(self) -> tuple[str, ...] | None:
        """Channel names, or None."""
        return self._contents.names

    def with_names(self, names: Iterable[str] | None) -> "ChannelQuantiles":
        """Return the same quantiles with other channel names.

        Parameters
        ----------
        names : iterable of str, or None
            One different name per channel, for quantiles with one channel axis.

        Returns
        -------
        ChannelQuantiles
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
        >>> found = fastbn.channel_quantiles([[1.0, 2.0]], 0.5).with_names(["red", "green"])
        >>> found.select("green").values
        array(2.)
        """
        return ChannelQuantiles(self._contents._replace(names=_records.checked_names(names, self.shape)))

    def select(self, index: Any) -> "ChannelQuantiles":
        """Return the quantiles of some of the channels.

        Parameters
        ----------
        index : int, slice, array, name or list of names
            An index of NumPy into the per-channel vectors, or names of channels.

        Returns
        -------
        ChannelQuantiles
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
        >>> fastbn.channel_quantiles([[1.0, 2.0, 3.0]], 0.5).select([0, 2]).values
        array([1., 3.])
        """
        held = self._contents
        index = _records.as_index(index, held.names)
        chosen = np.asarray(np.arange(held.counted.size).reshape(self.shape)[index])
        count, missing = (np.array(column.reshape(-1)[chosen]) for column in (held.counted, held.missing))
        values = np.array(held.values.reshape(len(held.values), -1)[:, chosen])
        histogram = held.histogram and held.histogram.select(chosen.reshape(-1))
        names = _records.chosen_names(held.names, index, count.shape)
        return ChannelQuantiles(Contents(held.q, values, count, missing, held.dtype, names, histogram))

    # To and from files

    @in_default_environment
    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold: numbers, lists, and strings for what is not finite.

        Returns
        -------
        dict
            Of which `from_dict` makes the same quantiles, bit by bit.

        See Also
        --------
        save : Write it to a file.

        Examples
        --------
        >>> import fastbn
        >>> found = fastbn.channel_quantiles([[0.1], [0.2]], 0.3)
        >>> fastbn.ChannelQuantiles.from_dict(found.to_dict()) == found
        True
        """
        return _quantile_records.to_dict(self._contents)

    @classmethod
    @in_default_environment
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Return the quantiles that `to_dict` described.

        Parameters
        ----------
        d : mapping
            As `to_dict` returns it.

        Returns
        -------
        ChannelQuantiles
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
        >>> record = fastbn.channel_quantiles([[1.0], [3.0]], 0.5).to_dict()
        >>> fastbn.ChannelQuantiles.from_dict(record).values
        array([2.])
        """
        read = cls(_quantile_records.from_dict(d))
        if read._contents.histogram is not None and not np.array_equal(read.quantile(read.q), read.values, True):
            raise ValueError("damaged quantiles: values: are not those of the histogram")
        return read

    # Looks

    @in_default_environment
    def _key(self) -> tuple[Any, ...]:
        held = self._contents
        arrays = (_records.canonical(held.values), held.counted, held.missing, *(held.histogram or ())[2:])
        return held.q, self.shape, held.dtype.str, held.names, *(array.tobytes() for array in arrays)

    @in_default_environment
    def __repr__(self) -> str:
        values = self._contents.values.reshape(len(self._contents.values), -1)
        heads = [str(value) for value in np.atleast_1d(self.q)]
        columns = [("count", self.count), *zip(heads, values, strict=True)]
        return _display.listing(self, self.dtype, "", columns)


def from_histogram(histogram: _histogram.Histogram, count: np.ndarray, q: tuple[float, ...]) -> Floats:
    """Quantiles (quantiles, *channels) of histograms."""
    wanted, flat = np.array(q), count.reshape(-1)
    ranks = _order.places(wanted, flat)
    around = [histogram.located(rank)[0] for rank in (ranks.previous, ranks.following)]
    ordered = _order.Ordered(flat, around[0], around[1], np.zeros(flat.shape, np.bool_))
    return _order.quantiles_of(ordered, wanted).reshape(len(q), *count.shape)


def counted(
    histogram: _histogram.Histogram,
    q: float | tuple[float, ...],
    shape: tuple[int, ...],
    dtype: np.dtype,
    missing: np.ndarray,
    names: tuple[str, ...] | None,
) -> ChannelQuantiles:
    """The value that a histogram makes."""
    count = histogram.total().reshape(shape)
    values = from_histogram(histogram, count, q if isinstance(q, tuple) else (q,))
    return ChannelQuantiles(Contents(q, values, count, missing, dtype, names, histogram))


def quantiles_side_by_side(parts: list[ChannelQuantiles]) -> ChannelQuantiles:
    """Quantiles of the channels of all parts, flat, one part after the other; all of the same `q`.

    Those of data of different dtypes are quantiles of float64 data, which have no histogram.
    """
    pieces = [part._contents for part in parts]
    values, count, missing = (
        np.concatenate([getattr(piece, name).reshape(*rows, -1) for piece in pieces], axis=-1)
        for name, rows in (("values", (len(pieces[0].values),)), ("counted", ()), ("missing", ()))
    )
    dtypes = {piece.dtype for piece in pieces}
    dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.float64)
    histograms = [piece.histogram for piece in pieces if piece.histogram is not None and dtype == piece.dtype]
    histogram = _histogram.side_by_side(histograms) if histograms else None
    return ChannelQuantiles(Contents(pieces[0].q, values, count, missing, dtype, None, histogram))
