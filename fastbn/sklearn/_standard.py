"""Z-scores as a scikit-learn estimator."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .._environment import in_default_environment
from .._layout import ChannelAxis
from .._scaling import standardizing
from ..normalization import denormalize, normalize
from ._base import ChannelScaler, output_dtype, room, unchanged

Floats = npt.NDArray[np.float64]


class StandardScaler(ChannelScaler):
    """Subtract the mean of every channel and divide by its standard deviation.

    A drop-in replacement for ``sklearn.preprocessing.StandardScaler`` with dense data.

    Parameters
    ----------
    copy : bool, default True
        False: transform in place, where X is a writeable array of float16, float32 or float64.
    with_mean : bool, default True
        Subtract the mean.
    with_std : bool, default True
        Divide by the standard deviation, the square root of the biased variance.
    channel_axis : int, tuple of int, or None, default 1
        The axis (or axes) of X that is *kept*: the columns of a table, the channels of NCHW images.

    Attributes
    ----------
    stats_ : ChannelStats
        What was learned; all other attributes are read from it.
    mean_ : ndarray of float64, or None
        Mean, in the units of X; None if neither `with_mean` nor `with_std`.
    var_ : ndarray of float64, or None
        Biased variance, in the square of these units; None if not `with_std`.
    scale_ : ndarray of float64, or None
        The square root of the variance, 1 where that is exactly 0; None if not `with_std`.
    n_samples_seen_ : int, float or ndarray
        Values counted per channel: one number if all channels have the same; a sum of weights if there were some.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : ndarray of str
        Names of the columns of the frame that was fitted, if it was one.

    See Also
    --------
    MinMaxScaler : Map ranges onto an interval.
    fastbn.zscore : The function, with formula and source.

    Notes
    -----
    NaN are missing values: they do not count, and stay NaN. The result for floats has their dtype, that for integers
    is float64. Parameters say how the statistics are used, so that those set after fitting hold at once.

    scikit-learn also takes a channel for constant if its variance is within ``n eps var + (n mean eps)^2``, a bound for
    the errors of its own sums, where real spread may lie. Here, only a variance of exactly 0 is none.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbn.sklearn import StandardScaler
    >>> scaler = StandardScaler().fit([[0.0, 5.0], [2.0, 5.0]])
    >>> scaler.mean_, scaler.scale_
    (array([1., 5.]), array([1., 1.]))
    >>> scaler.transform(np.array([[3.0, 6.0]], dtype=np.float32))
    array([[2., 1.]], dtype=float32)
    """

    __module__ = "fastbn.sklearn"  # its public place, for pickles and documentation

    _parameter_constraints = ChannelScaler._parameter_constraints | {"with_mean": ["boolean"], "with_std": ["boolean"]}
    _usual_types = ChannelScaler._usual_types | {"with_mean": bool, "with_std": bool}

    def __init__(
        self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True, channel_axis: ChannelAxis = 1
    ) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std
        self.channel_axis = channel_axis

    @property
    def mean_(self) -> Floats | None:
        """Mean, in the units of X; None if neither `with_mean` nor `with_std`."""
        mean = self.stats_.mean
        return mean if self.with_mean or self.with_std else None

    @property
    def var_(self) -> Floats | None:
        """Biased variance, in the square of these units; None if not `with_std`."""
        stats = self.stats_
        return stats.var() if self.with_std else None

    @property
    @in_default_environment
    def scale_(self) -> Floats | None:
        """The square root of the variance, 1 where that is exactly 0; None if not `with_std`."""
        stats = self.stats_
        return np.where(stats.var() == 0.0, 1.0, stats.std()) if self.with_std else None

    @property
    def n_samples_seen_(self) -> Any:
        """Values counted per channel, one number if all have the same; a sum of weights if there were some."""
        count, weight = self.stats_.count, self.stats_.weight
        seen = count if np.array_equal(count, weight) else weight
        first = seen.reshape(-1)[0]
        return first if (seen == first).all() else seen

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the statistics of X, and forget others.

        Parameters
        ----------
        X : array_like or frame
            Numbers of two or more dimensions; NaN are missing values.
        y : None
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            How often each sample counts: finite numbers >= 0, not all of them 0.

        Returns
        -------
        StandardScaler
            Itself.

        Raises
        ------
        ValueError
            If X has an infinity, has fewer than two dimensions or is empty, or the weights do not fit; this scaler
            stays as it was then.
        TypeError
            If X is sparse or no numbers.

        Examples
        --------
        >>> from fastbn.sklearn import StandardScaler
        >>> StandardScaler().fit([[1.0, 10.0], [3.0, 30.0]], sample_weight=[3, 1]).mean_
        array([ 1.5, 15. ])
        """
        self._learn(X, sample_weight, None)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add the statistics of X to what was learned.

        Parameters
        ----------
        X : array_like or frame
            Numbers, of as many channels as before.
        y : None
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            As in `fit`.

        Returns
        -------
        StandardScaler
            Itself.

        Raises
        ------
        ValueError, TypeError
            As in `fit`.

        Examples
        --------
        >>> from fastbn.sklearn import StandardScaler
        >>> scaler = StandardScaler()
        >>> for part in ([[1.0], [2.0]], [[6.0]]):
        ...     scaler = scaler.partial_fit(part)
        >>> scaler.mean_
        array([3.])
        """
        self._learn(X, sample_weight, getattr(self, "stats_", None))
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """``fit(X, sample_weight=sample_weight).transform(X)``, with one look at whether X is fit for it.

        Parameters
        ----------
        X : array_like or frame
            As in `fit`.
        y : None
            Not used.
        sample_weight : array_like of shape (n_samples,), optional
            As in `fit`.

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
        >>> from fastbn.sklearn import StandardScaler
        >>> StandardScaler().fit_transform([[1.0, 10.0], [3.0, 30.0]])
        array([[-1., -1.],
               [ 1.,  1.]])
        """
        if not self._does_as_written(StandardScaler):
            weights = {} if sample_weight is None else {"sample_weight": sample_weight}
            return self.fit(X, y, **weights).transform(X)
        return self._standardized(self._learn(X, sample_weight, None), self.copy)

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Subtract the means and divide by the standard deviations.

        Parameters
        ----------
        X : array_like or frame
            Of as many channels as was fitted.
        copy : bool, optional
            As the parameter `copy`, which it overrides.

        Returns
        -------
        ndarray or frame
            Z-scores of the shape of X, without units: as `normalize` returns them, or as `set_output` says.

        Raises
        ------
        NotFittedError
            Before anything was fitted.
        ValueError, TypeError
            As in `fit`, and if channels or feature names are not those that were fitted.

        Examples
        --------
        >>> from fastbn.sklearn import StandardScaler
        >>> StandardScaler().fit([[1.0], [3.0]]).transform([[4.0]])
        array([[2.]])
        """
        values = self._open(X)
        self._check_names(X, reset=False)
        return self._standardized(values, self.copy if copy is None else copy)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> np.ndarray:
        """Undo `transform`.

        Parameters
        ----------
        X : array_like or frame
            What `transform` returned.
        copy : bool, optional
            As the parameter `copy`, which it overrides.

        Returns
        -------
        ndarray
            Of the shape of X, in the units of the data that were fitted: as `denormalize` returns it.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As in `transform`.

        Examples
        --------
        >>> from fastbn.sklearn import StandardScaler
        >>> StandardScaler().fit([[1.0], [3.0]]).inverse_transform([[2.0]])
        array([[4.]])
        """
        values = self._open(X)
        out = room(values, self.copy if copy is None else copy)
        if not self.with_mean and not self.with_std:
            return unchanged(values, out)
        stats = standardizing(self.stats_, self.with_mean, self.with_std)
        return denormalize(values, stats, self.channel_axis, out=out, dtype=output_dtype(values))

    def _standardized(self, values: np.ndarray, copy: bool) -> np.ndarray:
        self._check_container(values)
        out = room(values, copy)
        if not self.with_mean and not self.with_std:
            return unchanged(values, out)
        stats = standardizing(self.stats_, self.with_mean, self.with_std)
        return normalize(values, stats, self.channel_axis, out=out, dtype=output_dtype(values))
