"""The scikit-learn estimators as objects: what scikit-learn expects of them, files, processes, memory, errors."""

import copy
import pickle
import re
import tracemalloc

import numpy as np
import pytest

import fastbn

pytest.importorskip("sklearn")

import sklearn
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler as TheirStandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastbn.sklearn import MinMaxScaler, StandardScaler

pytestmark = pytest.mark.host

MIB = 2**20
FLAGS = (True, False)
BOTH = (StandardScaler, MinMaxScaler)
EVERY = [StandardScaler(copy=c, with_mean=m, with_std=s) for c in FLAGS for m in FLAGS for s in FLAGS]
EVERY += [MinMaxScaler(onto, copy=c, clip=clip) for onto in ((0, 1), (-3, 0.5)) for c in FLAGS for clip in FLAGS]
EVERY += [cls(channel_axis=-1) for cls in BOTH]


def failing(estimator):
    """One check transforms an array and then parts of it, which has other values after work in place."""
    changes = isinstance(estimator, MinMaxScaler) or estimator.with_mean or estimator.with_std
    if estimator.copy or not changes:
        return {}
    return {"check_methods_sample_order_invariance": "it fails for scikit-learn's scalers with copy=False as well"}


def checks():
    """Those of scikit-learn for every estimator, numbered: some releases have one twice."""
    for estimator in EVERY:
        told = {"expected_failed_checks": failing(estimator), "mark": "xfail"}
        for number, case in enumerate(estimator_checks_generator(estimator, **told)):
            _, check = values = getattr(case, "values", case)
            name = f"{estimator}-{number}-{check.func.__name__}"
            yield pytest.param(*values, marks=getattr(case, "marks", ()), id=re.sub(r"\s+", "", name))


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def table(shape=(60, 3), dtype=np.float64):
    return np.random.default_rng(0).normal(3, 2, shape).astype(dtype)


# Copies


@pytest.mark.parametrize("cls", BOTH)
def test_copies_of_the_object(cls):
    x = table()
    scaler = cls(copy=False, channel_axis=-1).fit(x)
    for other in (pickle.loads(pickle.dumps(scaler)), copy.deepcopy(scaler)):
        assert other.get_params() == scaler.get_params()
        assert other.stats_ == scaler.stats_
        assert other.transform(x.copy()).tobytes() == scaler.transform(x.copy()).tobytes()
    fresh = clone(scaler)
    assert fresh.get_params() == scaler.get_params()
    assert not hasattr(fresh, "stats_")
    assert not hasattr(fresh, "scale_")
    assert "MinMaxScaler" in repr(fresh) or "StandardScaler" in repr(fresh)
    assert pickle.dumps(scaler).count(b"fastbn.sklearn") == 1


def test_what_was_learned_can_be_saved(tmp_path):
    scaler = StandardScaler().fit(table())
    scaler.stats_.save(tmp_path / "stats.json")
    other = StandardScaler()
    other.stats_ = fastbn.ChannelStats.load(tmp_path / "stats.json")
    other.n_features_in_ = 3
    assert other.transform(table()).tobytes() == scaler.transform(table()).tobytes()


@pytest.mark.parametrize("cls", BOTH)
def test_attributes_are_for_reading(cls):
    scaler = cls().fit(table())
    with pytest.raises(AttributeError):
        scaler.scale_ = np.ones(3)
    scale = scaler.scale_.copy()
    scaler.scale_[:] = 7
    assert np.array_equal(scaler.scale_, scale)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_in_place_on_request(cls, order, dtype):
    x = np.array(table(), dtype, order=order)
    before = x.copy()
    expected = cls().fit_transform(x)
    assert np.array_equal(x, before)
    scaler = cls(copy=False)
    assert scaler.fit_transform(x) is x
    assert x.tobytes() == expected.tobytes()
    back = scaler.inverse_transform(x)
    assert back is x
    assert np.allclose(x, before, rtol=0, atol=0.01 if dtype == np.float16 else 1e-5)
    assert scaler.transform(x) is x


@pytest.mark.parametrize("cls", BOTH)
def test_not_in_place_where_results_do_not_fit(cls, tmp_path):
    read_only = table()
    read_only.flags.writeable = False
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(60, 3))
    mapped[:] = table()
    for x in (
        read_only,
        np.arange(12).reshape(4, 3),
        table().astype(">f4"),
        np.memmap(tmp_path / "x", "f4", "r", 0, (60, 3)),
    ):
        before = x.copy()
        y = cls(copy=False).fit_transform(x)
        assert not np.shares_memory(y, x)
        assert np.array_equal(x, before)
        assert y.dtype.isnative
    assert np.shares_memory(cls(copy=False).fit_transform(mapped), mapped)


def test_transform_may_be_told_to_copy():
    x = table()
    scaler = StandardScaler().fit(x)
    assert scaler.transform(x, copy=False) is x
    assert scaler.set_params(copy=False).transform(x, copy=True) is not x
    assert scaler.inverse_transform(x, copy=True) is not x
    assert scaler.inverse_transform(x) is x


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("layout", ["C", "F", "images", "integers", "reversed", "with gaps"])
def test_one_new_array(cls, layout):
    shape = (2**18, 16) if layout != "images" else (64, 16, 64, 64)
    x = np.ones(shape, np.int32 if layout == "integers" else np.float32, order="F" if layout == "F" else "C")
    x[::2] = 3
    if layout == "with gaps":
        x[::3] = np.nan
    x = x[::-1, ::-1] if layout == "reversed" else x
    scaler = cls()
    size = x.size * (8 if layout == "integers" else 4)
    for method in (scaler.fit, scaler.fit_transform, scaler.transform, scaler.inverse_transform):
        tracemalloc.start()
        y = method(x)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < (0 if y is scaler else size) + 8 * MIB
    for method in (cls(copy=False).fit_transform,) if layout != "integers" else ():
        tracemalloc.start()
        method(x)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * MIB


# Subclasses


@pytest.mark.parametrize("cls", BOTH)
def test_what_a_subclass_does_is_done_by_fit_transform(cls):
    class Doubled(cls):
        def transform(self, x):
            return super().transform(x) * 2

    class Counted(cls):
        def fit(self, x, y=None):
            self.rows_ = len(x)
            return super().fit(x, y)

    x = table()
    assert np.array_equal(Doubled().fit_transform(x), cls().fit_transform(x) * 2)
    counted = Counted()
    assert counted.fit_transform(x).tobytes() == cls().fit_transform(x).tobytes()
    assert counted.rows_ == 60
    patched = cls()
    patched.transform = lambda _: "patched"
    assert patched.fit_transform(x) == "patched"
    if cls is StandardScaler:
        weights = np.arange(60.0)
        expected = cls().fit_transform(x, sample_weight=weights) * 2
        assert np.array_equal(Doubled().fit_transform(x, sample_weight=weights), expected)


@pytest.mark.parametrize("cls", BOTH)
def test_a_subclass_may_have_other_parameters(cls):
    class Labelled(cls):
        def __init__(self, *, labels, copy=True, channel_axis=1):
            super().__init__(copy=copy, channel_axis=channel_axis)
            self.labels = labels

    x = table()
    fitted = [Labelled(labels=np.arange(3)).fit(part) for part in (x[:20], x[20:])]
    assert fitted[0].merge(fitted[1]).n_samples_seen_ == 60
    assert np.array_equal(clone(fitted[0]).labels, [0, 1, 2])
    with pytest.raises(ValueError, match="merge: got labels="):
        fitted[0].merge(Labelled(labels=np.zeros(3)).fit(x))


# Among others


@pytest.mark.parametrize("cls", BOTH)
def test_pipelines_and_searches(cls):
    x, y = table(), np.arange(60) % 2
    search = GridSearchCV(
        make_pipeline(cls(), LogisticRegression()), {f"{cls.__name__.lower()}__copy": [True, False]}, n_jobs=2, cv=3
    )
    assert search.fit(x, y).predict(x).shape == (60,)
    union = FeatureUnion([("standard", StandardScaler()), ("minmax", MinMaxScaler())], n_jobs=2)
    expected = np.hstack([StandardScaler().fit_transform(x), MinMaxScaler().fit_transform(x)])
    assert union.fit_transform(x).tobytes() == expected.tobytes()
    columns = ColumnTransformer([("scaled", cls(), [2, 0])], remainder="passthrough")
    assert np.array_equal(columns.fit_transform(x), np.c_[cls().fit_transform(x[:, [2, 0]]), x[:, 1]])


def test_replaces_a_step_of_a_pipeline():
    x, y = table(), np.arange(60) % 2
    models = [make_pipeline(cls(), LogisticRegression()).fit(x, y) for cls in (StandardScaler, TheirStandardScaler)]
    assert np.allclose(*(model.decision_function(x) for model in models))


def test_weights_are_routed():
    x, y, weights = table(), np.arange(60) % 2, np.arange(60.0)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True).set_partial_fit_request(sample_weight=True)
        model = make_pipeline(scaler, LogisticRegression().set_fit_request(sample_weight=False))
        model.fit(x, y, sample_weight=weights)
        assert model[0].stats_ == StandardScaler().fit(x, sample_weight=weights).stats_
        assert clone(scaler).get_metadata_routing().fit.requests == {"sample_weight": True}


@pytest.mark.parametrize("how", [{"backend": "loky"}, {"backend": "threading"}])
@pytest.mark.parametrize("cls", BOTH)
def test_parts_are_fitted_elsewhere_and_merged(cls, how):
    parts = np.array_split(table((3000, 5)), 4)
    fitted = Parallel(n_jobs=2, **how)(delayed(cls().fit)(part) for part in parts)
    merged = fitted[0].merge(*fitted[1:])
    here = [cls().fit(part) for part in parts]
    assert merged.stats_ == here[0].merge(*here[1:]).stats_
    results = Parallel(n_jobs=2, **how)(delayed(merged.transform)(part) for part in parts)
    assert np.concatenate(results).tobytes() == merged.transform(np.concatenate(parts)).tobytes()
