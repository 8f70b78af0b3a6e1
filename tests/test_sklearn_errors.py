"""The scikit-learn estimators refuse what makes no sense, say why, and change nothing then."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn

from fastbn.sklearn import MinMaxScaler, StandardScaler

pytestmark = pytest.mark.host

BOTH = (StandardScaler, MinMaxScaler)


def table():
    return np.random.default_rng(0).normal(3, 2, (60, 3))


def test_merging_refuses_what_differs():
    x = table()
    scaler = StandardScaler().fit(x)
    for other, words in (
        (StandardScaler(with_mean=False).fit(x), "merge: got with_mean=False; wants True"),
        (StandardScaler(channel_axis=0).fit(x), "merge: got channel_axis=0; wants 1"),
        (StandardScaler().fit(x[:, :2]), r"merge: got statistics of channel shape \(2,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            scaler.merge(other)
    with pytest.raises(TypeError, match="merge: got MinMaxScaler; wants StandardScaler"):
        scaler.merge(MinMaxScaler().fit(x))
    for fitted, other in ((scaler, StandardScaler()), (StandardScaler(), scaler)):
        with pytest.raises(sklearn.exceptions.NotFittedError):
            fitted.merge(other)
    assert scaler.merge().stats_ == scaler.stats_


@pytest.mark.parametrize("cls", BOTH)
def test_infinities_are_refused_before_anything_is_written(cls):
    x = table()
    scaler = cls(copy=False).fit(x)
    stats = scaler.stats_
    bad = table()
    bad[7, 1], bad[8, 1] = -np.inf, np.nan
    before = bad.copy()
    for method in (scaler.fit, scaler.partial_fit, scaler.fit_transform, scaler.transform, scaler.inverse_transform):
        with pytest.raises(ValueError, match="Input X contains infinity or a value too large for dtype"):
            method(bad)
        assert np.array_equal(bad, before, equal_nan=True)
        assert scaler.stats_ == stats
    with sklearn.config_context(assume_finite=True):
        assert cls().fit(bad).transform(bad).shape == bad.shape
        assert cls().fit(table()).transform(bad).shape == bad.shape


@pytest.mark.parametrize("cls", BOTH)
def test_a_failed_fit_changes_nothing(cls):
    scaler = cls().fit(table())
    stats = scaler.stats_
    for bad in (
        np.empty((0, 3)),
        np.empty((3, 0)),
        np.ones(3),
        [["a"]],
        np.ones((2, 2), complex),
        np.ones((2, 0, 3)),
        5,
    ):
        with pytest.raises((ValueError, TypeError)):
            scaler.fit(bad)
        assert scaler.stats_ == stats
        assert scaler.n_features_in_ == 3


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0, 0], "sample_weight: got weights that are all zero"),
        ([1, -1], "^sample_weight: got -1; wants finite numbers >= 0"),
        ([1, np.nan], "sample_weight contains NaN"),
        ([1, np.inf], "sample_weight contains infinity"),
        ([1, 1, 1], r"sample_weight: got shape \(3,\); wants \(2,\)"),
        ([[1], [1]], r"sample_weight: got shape \(2, 1\); wants \(2,\)"),
        (-1.0, "^sample_weight: got -1.0"),
        (["a", "b"], "numeric"),
    ],
)
def test_weights_that_are_none(weights, words):
    for method in (StandardScaler().fit, StandardScaler().partial_fit, StandardScaler().fit_transform):
        with pytest.raises(ValueError, match=words):
            method(np.ones((2, 1)), sample_weight=weights)


def test_infinities_without_weight_are_refused_as_well():
    bad, weights = table(), np.ones(60)
    bad[7, 1], weights[7] = np.inf, 0
    for method in (StandardScaler().fit, StandardScaler().partial_fit, StandardScaler().fit_transform):
        with pytest.raises(ValueError, match="Input X contains infinity"):
            method(bad, sample_weight=weights)


def test_weights_where_samples_are_channels():
    with pytest.raises(ValueError, match="sample_weight: got weights of samples, but axis 0"):
        StandardScaler(channel_axis=0).fit(table(), sample_weight=np.ones(60))


@pytest.mark.parametrize(
    ("scaler", "words"),
    [
        (StandardScaler(copy=3), "'copy' parameter of StandardScaler must be"),
        (StandardScaler(with_std=None), "'with_std' parameter"),
        (StandardScaler(channel_axis=1.5), "'channel_axis' parameter"),
        (StandardScaler(channel_axis=7), "channel_axis: got 7"),
        (MinMaxScaler("ab"), "'feature_range' parameter of MinMaxScaler must be"),
        (MinMaxScaler((2, 1)), r"feature_range: got \(2, 1\)"),
        (MinMaxScaler((0, np.inf)), "feature_range: got"),
        (MinMaxScaler((0, 1, 2)), "feature_range: got"),
    ],
)
def test_parameters_are_checked_in_fit(scaler, words):
    for method in (scaler.fit, scaler.partial_fit, scaler.fit_transform):
        with pytest.raises(ValueError, match=words):
            method(table())


def test_parameters_are_not_checked_where_that_is_not_wanted():
    with sklearn.config_context(skip_parameter_validation=True):
        assert StandardScaler(copy=1).fit(table()).stats_ == StandardScaler().fit(table()).stats_


def test_parameters_hold_at_once():
    x = table()
    scaler = MinMaxScaler().fit(x)
    assert scaler.set_params(feature_range=(0, 10)).transform(x).max() == 10
    with pytest.raises(ValueError, match="feature_range: got"):
        scaler.set_params(feature_range=(3, 1)).transform(x)
    standard = StandardScaler(with_std=False).fit(x)
    assert standard.scale_ is standard.var_ is None
    assert standard.set_params(with_std=True).transform(x).tobytes() == StandardScaler().fit_transform(x).tobytes()


def test_sparse_data_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for cls in BOTH:
        with pytest.raises(TypeError, match="dense data is required"):
            cls().fit(sparse.csr_array(np.eye(3)))
