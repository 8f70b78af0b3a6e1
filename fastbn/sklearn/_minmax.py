"""Min-max scaling as a scikit-learn estimator."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .._environment import in_default_environment
from .._layout import ChannelAxis
from .._scalars import check_feature_range
from .._scaling import rescaling
from ..normalization import minmax_scale, minmax_unscale
from ._base import ChannelScaler, output_dtype, room

Floats = npt.NDArray[np.float64]


class MinMaxScaler(ChannelScaler):
    """Map the range of every channel onto an interval.

    A drop-in replacement for ``sklearn.preprocessing.MinMaxScaler``.

    Parameters
    ----------
    feature_range : (float, float), default (0, 1)
        ``(lo, hi)`` with ``lo < hi``. A channel's minimum becomes `lo` and its maximum `hi`, exactly.
    copy : bool, default True
        False: transform in place, where X is a writeable array of float16, float32 or float64.
    clip : bool, default False
        Clip what lies outside the fitted range.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) of X that is *kept*: the columns of a table, the channels of NCHW images.

    Attributes
    ----------
    stats_ : ChannelStats
        What was learned; all other attributes are read from it.
    data_min_, data_max_, data_range_ : ndarray of float64
        Minimum, maximum, and their difference, in the units of X.
    scale_, min_ : ndarray of float64
        Slope and offset of the map, for reading: ``X * scale_ + min_`` may leave the interval by a rounding.
    n_samples_seen_ : int
        Values per channel, NaN too: the rows of tables.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : ndarray of str
        Names of the columns of the frame that was fitted, if it was one.

    See Also
    --------
    StandardScaler : Subtract the mean and divide by the standard deviation.
    fastbn.minmax_scale : The function, with formula and source.

    Notes
    -----
    NaN are missing values: they do not count, and stay NaN. The result for floats has their dtype, that for integers
    is float64. A constant channel has the slope of a range of 1, as in scikit-learn. Parameters say how the statistics
    are used, so that those set after fitting hold at once.

    Examples
    --------
    >>> from fastbn.sklearn import MinMaxScaler
    >>> scaler = MinMaxScaler().fit([[10.0], [20.0]])
    >>> scaler.transform([[15.0], [30.0]])
    array([[0.5],
           [2. ]])
    """

    __module__ = "fastbn.sklearn"

    _parameter_constraints = ChannelScaler._parameter_constraints | {
        "feature_range": [tuple, list],
        "clip": ["boolean"],
    }
    _usual_types = ChannelScaler._usual_types | {"feature_range": tuple, "clip": bool}

    def __init__(
        self,
        feature_range: tuple[float, float] = (0, 1),
        *,
        copy: bool = True,
        clip: bool = False,
        channel_axis: ChannelAxis = 1,
    ) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip
        self.channel_axis = channel_axis

    @property
    @in_default_environment
    def data_min_(self) -> Floats:
        """Minimum, in the units of X."""
        return self.stats_.min.astype(np.float64)

    @property
    @in_default_environment
    def data_max_(self) -> Floats:
        """Maximum, in the units of X."""
        return self.stats_.max.astype(np.float64)

    @property
    @in_default_environment
    def data_range_(self) -> Floats:
        """Maximum less minimum, in the units of X."""
        with np.errstate(over="ignore"):
            return self.data_max_ - self.data_min_

    @property
    @in_default_environment
    def scale_(self) -> Floats:
        """Slope of the map, for reading: ``X * scale_ + min_`` may leave the interval by a rounding."""
        lo, hi = check_feature_range(self.feature_range)
        width = self.data_range_
        with np.errstate(over="ignore"):
            return np.asarray((hi - lo) / np.where(width == 0.0, 1.0, width))

    @property
    @in_default_environment
    def min_(self) -> Floats:
        """Offset of the map, for reading, in the units of `feature_range`."""
        lo, _ = check_feature_range(self.feature_range)
        with np.errstate(all="ignore"):
            return np.asarray(lo - self.data_min_ * self.scale_)

    @property
    def n_samples_seen_(self) -> int:
        """Values per channel, NaN too: the rows of tables."""
        stats = self.stats_
        return int((stats.count + stats.n_missing).reshape(-1)[0])

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the statistics of X, and forget others.

        Parameters
        ----------
        X : array_like or frame
            Numbers of two or more dimensions; NaN are missing values.
        y : None
            Not used.

        Returns
        -------
        MinMaxScaler
            Itself.

        Raises
        ------
        ValueError
            If X has an infinity, has fewer than two dimensions or is empty, or `feature_range` is none; this scaler
            stays as it was then.
        TypeError
            If X is sparse or no numbers.

        Examples
        --------
        >>> from fastbn.sklearn import MinMaxScaler
        >>> MinMaxScaler().fit([[1.0, 10.0], [3.0, 30.0]]).data_range_
        array([ 2., 20.])
        """
        self._learn(X, None, None)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add the statistics of X to what was learned.

        Parameters
        ----------
        X : array_like or frame
            Numbers, of as many channels as before.
        y : None
            Not used.

        Returns
        -------
        MinMaxScaler
            Itself.

        Raises
        ------
        ValueError, TypeError
            As in `fit`.

        Examples
        --------
        >>> from fastbn.sklearn import MinMaxScaler
        >>> scaler = MinMaxScaler()
        >>> for part in ([[1.0], [2.0]], [[6.0]]):
        ...     scaler = scaler.partial_fit(part)
        >>> scaler.data_max_
        array([6.])
        """
        self._learn(X, None, getattr(self, "stats_", None))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """``fit(X).transform(X)``, with one look at whether X is fit for it.

        Parameters
        ----------
        X : array_like or frame
            As in `fit`.
        y : None
            Not used.

        Returns
        -------
        ndarray or frame
            As in `transform`.

        Raises
        ------
        ValueError, TypeError
            As in `fit`.

        Examples
        --------
        >>> from fastbn.sklearn import MinMaxScaler
        >>> MinMaxScaler().fit_transform([[1.0, 10.0], [3.0, 30.0]])
        array([[0., 0.],
               [1., 1.]])
        """
        if not self._does_as_written(MinMaxScaler):
            return self.fit(X, y).transform(X)
        return self._rescaled(self._learn(X, None, None))

    def transform(self, X: Any) -> Any:
        """Map the fitted ranges onto the interval.

        Parameters
        ----------
        X : array_like or frame
            Of as many channels as was fitted.

        Returns
        -------
        ndarray or frame
            Of the shape of X, in the units of `feature_range`: as `minmax_scale` returns it, or as `set_output` says.

        Raises
        ------
        NotFittedError
            Before anything was fitted.
        ValueError, TypeError
            As in `fit`, and if channels or feature names are not those that were fitted.

        Examples
        --------
        >>> from fastbn.sklearn import MinMaxScaler
        >>> MinMaxScaler().fit([[1.0], [3.0]]).transform([[2.0]])
        array([[0.5]])
        """
        values = self._open(X)
        self._check_names(X, reset=False)
        return self._rescaled(values)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Undo `transform`.

        Parameters
        ----------
        X : array_like or frame
            What `transform` returned.

        Returns
        -------
        ndarray
            Of the shape of X, in the units of the data that were fitted: as `minmax_unscale` returns it.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As in `transform`.

        Examples
        --------
        >>> from fastbn.sklearn import MinMaxScaler
        >>> MinMaxScaler().fit([[1.0], [3.0]]).inverse_transform([[0.5]])
        array([[2.]])
        """
        values = self._open(X)
        return minmax_unscale(
            values,
            rescaling(self.stats_),
            self.channel_axis,
            feature_range=self.feature_range,
            out=room(values, self.copy),
            dtype=output_dtype(values),
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_feature_range(self.feature_range)

    def _rescaled(self, values: np.ndarray) -> Any:
        self._check_container(values)
        return minmax_scale(
            values,
            self.channel_axis,
            feature_range=self.feature_range,
            clip=self.clip,
            stats=rescaling(self.stats_),
            out=room(values, self.copy),
            dtype=output_dtype(values),
        )
