"""What the scikit-learn estimators have in common: reading X, learning its statistics, names, and merging."""

from numbers import Integral, Number
from typing import Any, Self

import numpy as np

from .._channel_stats import ChannelStats
from .._environment import in_default_environment
from .._layout import Axes, split_axes
from .._optional import needed
from ..statistics import channel_stats

with needed("sklearn"):
    from sklearn import get_config
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
    from sklearn.utils._set_output import _get_output_config
    from sklearn.utils.validation import FLOAT_DTYPES, check_array, check_is_fitted, validate_data

_FEW = 1 << 14  # values for which NumPy and its array of answers take less time than a call


class ChannelScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer that learns the statistics of channels.

    `stats_` is all that it learns, beside the number of channels and their names; other attributes show it.
    """

    stats_: ChannelStats
    n_features_in_: int
    copy: bool
    channel_axis: Any

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012 - scikit-learn's name and form
        "copy": ["boolean"],
        "channel_axis": [Integral, tuple, None],
    }
    _usual_types: dict[str, type] = {"copy": bool, "channel_axis": int}  # noqa: RUF012

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # Fitting

    def _learn(self, X: Any, sample_weight: Any, known: ChannelStats | None) -> np.ndarray:
        """Add the statistics of X to those known; returns X as an array. Nothing changes if there is an error."""
        self._check_parameters()
        values = self._read(X)
        axes = split_axes(values.shape, self.channel_axis)
        if known is not None:
            self._check_channels(axes)
        weights = None if sample_weight is None else _weights_of_rows(sample_weight, values, axes)
        batch = channel_stats(values, self.channel_axis, nan_policy="omit", weights=weights)
        if weights is not None and not weights.all():
            self._check_finite(values)  # the statistics do not see what has weight 0
        _refuse_infinite(batch, values.dtype)
        self._check_names(X, reset=known is None)
        names = getattr(self, "feature_names_in_", None)
        if names is not None and _in_columns(axes, values) and len(set(names)) == axes.channels:
            batch = batch.with_names(names)
        self.stats_ = batch if known is None else known + batch
        self.n_features_in_ = axes.channels
        return values

    def _check_parameters(self) -> None:
        """As scikit-learn does, which takes a third of the time of a small call, where a type is not the usual one."""
        usual = all(type(getattr(self, name)) is kind for name, kind in self._usual_types.items())
        if not usual and not get_config()["skip_parameter_validation"]:
            self._validate_params()

    def _check_names(self, X: Any, reset: bool) -> None:
        """Remember or compare the names of a frame's columns; an array has none, which matters if there were some."""
        if type(X) is not np.ndarray or hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)

    def _check_channels(self, axes: Axes) -> None:
        if axes.channels != self.n_features_in_:
            raise ValueError(
                f"X has {axes.channels} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input."
            )

    def _does_as_written(self, cls: type) -> bool:
        """Whether `fit` and `transform` are those of the class, and not of a subclass or set on this object."""
        methods = ((getattr(self, name), getattr(cls, name)) for name in ("fit", "transform"))
        return all(getattr(method, "__func__", None) is written for method, written in methods)

    # Applying

    @in_default_environment
    def _read(self, X: Any) -> np.ndarray:
        """X as an array of numbers; what is one already is taken as it is, for the checks cost more than the work."""
        if isinstance(X, np.ma.MaskedArray):
            X = np.ma.filled(X.astype(np.result_type(X.dtype, np.float16)), np.nan)
        elif type(X) is np.memmap:
            X = np.asarray(X)
        if type(X) is np.ndarray and X.dtype.kind in "biuf" and X.dtype.itemsize <= 8 and X.ndim > 1 and X.size:
            return X
        array: np.ndarray = check_array(
            X, estimator=self, input_name="X", dtype=FLOAT_DTYPES, ensure_all_finite=False, allow_nd=True
        )
        if array.size == 0:
            raise ValueError(f"X: got shape {array.shape}; wants a value or more in every channel")
        return array

    def _open(self, X: Any) -> np.ndarray:
        """X to be mapped, as an array; checked against what was learned."""
        check_is_fitted(self, "stats_")
        values = self._read(X)
        self._check_channels(split_axes(values.shape, self.channel_axis))
        if values.dtype.kind == "f":
            self._check_finite(values)
        return values

    def _check_finite(self, values: np.ndarray) -> None:
        """Statistics are taken at the speed of memory, faster than NumPy's sums; a few values are looked at sooner."""
        if get_config()["assume_finite"] or (values.size <= _FEW and not np.isinf(values).any()):
            return
        _refuse_infinite(channel_stats(values, self.channel_axis, nan_policy="omit"), values.dtype)

    def _check_container(self, values: np.ndarray) -> None:
        """Refuse to put into a frame what has no columns that are channels."""
        if _in_columns(split_axes(values.shape, self.channel_axis), values):
            return
        container = _get_output_config("transform", self)["dense"]
        if container != "default":
            raise ValueError(
                f"X: got shape {values.shape} with channel_axis={self.channel_axis} for an output of {container}; "
                "wants a table whose columns are the channels, or set_output(transform='default')"
            )

    # Merging

    def merge(self, *others: Self) -> Self:
        """Return a scaler fitted to all the data that this one and others were fitted to.

        Parameters
        ----------
        *others : scaler of the same class
            Fitted, with the same parameters, number of channels and feature names.

        Returns
        -------
        scaler of the same class
            A new one; this one and the others stay as they are.

        Raises
        ------
        NotFittedError
            If one of them is not fitted.
        ValueError
            If parameters, channels or feature names differ.
        TypeError
            If one of `others` is of another class.

        Examples
        --------
        >>> from fastbn.sklearn import StandardScaler
        >>> monday, tuesday = StandardScaler().fit([[1.0], [2.0]]), StandardScaler().fit([[6.0]])
        >>> monday.merge(tuesday).mean_
        array([3.])
        """
        check_is_fitted(self, "stats_")
        for other in others:
            self._check_mergeable(other)
        merged: Self = clone(self)
        merged.stats_ = self.stats_.merge(*(other.stats_ for other in others))
        merged.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            merged.feature_names_in_ = self.feature_names_in_
        return merged

    def _check_mergeable(self, other: Any) -> None:
        if type(other) is not type(self):
            raise TypeError(f"merge: got {type(other).__name__}; wants {type(self).__name__}")
        check_is_fitted(other, "stats_")
        for name, value in self.get_params(deep=False).items():
            if not np.array_equal(getattr(other, name), value):  # which takes parameters that are arrays, too
                raise ValueError(f"merge: got {name}={getattr(other, name)!r}; wants {value!r}, as in the first")
        names, others = (list(getattr(scaler, "feature_names_in_", ())) for scaler in (self, other))
        if names != others:
            raise ValueError(f"merge: got the feature names {others}; wants {names}, as in the first")


def output_dtype(values: np.ndarray) -> np.dtype:
    """Of what is transformed: that of floats, float64 for integers."""
    return values.dtype.newbyteorder("=") if values.dtype.kind == "f" else np.dtype(np.float64)


def room(values: np.ndarray, copy: bool) -> np.ndarray | None:
    """Where a result goes: into the data, if no copy is wanted and they can hold it; else (None) into new memory."""
    held = values.flags.writeable and values.dtype == output_dtype(values)
    return values if held and not copy else None


def unchanged(values: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """What neither subtracts nor divides: a copy, or the data themselves."""
    return np.array(values, dtype=output_dtype(values), order="K") if out is None else out


def _in_columns(axes: Axes, values: np.ndarray) -> bool:
    return values.ndim == 2 and axes.kept == (1,)


def _weights_of_rows(sample_weight: Any, values: np.ndarray, axes: Axes) -> np.ndarray:
    """Weights along the first axis, as they broadcast to the data."""
    if 0 in axes.kept:
        raise ValueError(f"sample_weight: got weights of samples, but axis 0 of shape {values.shape} has the channels")
    if isinstance(sample_weight, Number):
        sample_weight = np.full(len(values), sample_weight)
    weights: np.ndarray = check_array(sample_weight, ensure_2d=False, dtype="numeric", input_name="sample_weight")
    if weights.shape != (len(values),):
        raise ValueError(f"sample_weight: got shape {weights.shape}; wants ({len(values)},), one weight per sample")
    if (weights < 0).any():
        raise ValueError(f"sample_weight: got {weights.min()}; wants finite numbers >= 0")
    if not weights.any():
        raise ValueError("sample_weight: got weights that are all zero; wants at least one non-zero weight")
    return weights.reshape(-1, *(1,) * (values.ndim - 1))


def _refuse_infinite(stats: ChannelStats, dtype: np.dtype) -> None:
    """As scikit-learn does, in its words."""
    # A mean of finite numbers is finite; that of no numbers is not, and neither is one that has overflowed.
    if dtype.kind != "f" or np.isfinite(stats.mean).all():
        return
    infinite = np.isinf(stats.min).any() or np.isinf(stats.max).any()
    if infinite and not get_config()["assume_finite"]:
        raise ValueError(f"Input X contains infinity or a value too large for {dtype!r}.")
