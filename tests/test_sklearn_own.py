"""scikit-learn's own tests of StandardScaler and MinMaxScaler, run on fastbn's.

The module that has them is read a second time, with our classes in the place of scikit-learn's: in the names that its
functions use, and in the instances that its parameters are. What does not hold for ours is listed, with the reason; an
entry that holds after all is a failure.
"""

import importlib.util
import inspect
import re

import pytest

preprocessing = pytest.importorskip("sklearn.preprocessing")
pytest.importorskip("sklearn.preprocessing.tests", reason="scikit-learn is installed without its tests")

import fastbn.sklearn  # noqa: E402 - after what it needs

OURS = {"StandardScaler": fastbn.sklearn.StandardScaler, "MinMaxScaler": fastbn.sklearn.MinMaxScaler}
SPARSE = "sparse data are refused, with a TypeError; there is no accuracy or speed to gain from dense kernels"
LOOSER = "scikit-learn takes small real spread for none (docs/scikit-learn.md); here a variance of exactly 0 is none"
CALLBACKS = "callbacks, in scikit-learn since 1.9, follow iterations; a scaler has none"
NOT_DECLARED = "array_api"  # support for it, which scikit-learn has behind a switch: not a word in ours' tags
#: Function and what its parameters are called -> the reason, and the error.
EXCEPTIONS = {
    r"test_standard_scaler_sample_weight\[sparse_cs[cr]-.*": (SPARSE, TypeError),
    r"test_standard_scaler_(dtype|constant_features|near_constant_features)\[.*cs[cr]_(array|matrix).*\]": (
        SPARSE,
        TypeError,
    ),
    r"test_scaler_n_samples_seen_with_nan\[cs[cr]_(array|matrix)-.*-False\]": (SPARSE, TypeError),
    r"test_standard_scaler_near_constant_features\[None-float64-.*\]": (LOOSER, AssertionError),
    r"test_standard_scaler_partial_fit_numerical_stability\[.*": (SPARSE, TypeError),
    r"test_partial_fit_sparse_input\[.*": (SPARSE, TypeError),
    r"test_scaler_without_centering\[.*": (SPARSE, TypeError),
    r"test_scaler_return_identity\[.*": (SPARSE, TypeError),
    r"test_scaler_int\[.*": (SPARSE, TypeError),
    r"test_scaler_without_copy\[.*": (SPARSE, TypeError),
    r"test_scale_sparse_with_mean_raise_exception\[.*": (SPARSE, TypeError),
    r"test_standard_scaler_sparse_partial_fit_finite_variance\[.*": (SPARSE, TypeError),
    r"test_standard_scaler_callback_support\[.*": (CALLBACKS, AttributeError),
}


def second_reading():
    """The test module of the installed scikit-learn, which takes our classes for scikit-learn's."""
    spec = importlib.util.find_spec("sklearn.preprocessing.tests.test_data")
    module = importlib.util.module_from_spec(spec)
    theirs = {name: getattr(preprocessing, name) for name in OURS}
    try:
        vars(preprocessing).update(OURS)
        spec.loader.exec_module(module)
    finally:
        vars(preprocessing).update(theirs)
    return module


def concerned(module):
    """Test functions that name one of the classes, or are given one, or an instance of one."""
    for name, function in vars(module).items():
        if name.startswith("test_") and callable(function) and NOT_DECLARED not in name:
            marks = [ours_alone(mark) for mark in getattr(function, "pytestmark", [])]
            given = [value for mark in marks if mark.name == "parametrize" for value in mark.args[1]]
            if set(OURS) & {*inspect.unwrap(function).__code__.co_names} or any(map(is_ours, given)):
                function.pytestmark = marks
                yield name, function


def ours_alone(mark):
    """Of parameters that are scalers, those that are ours; in a list, which can be read more than once."""
    if mark.name != "parametrize":
        return mark
    names, values = mark.args[0], list(mark.args[1])
    return pytest.mark.parametrize(names, list(filter(is_ours, values)) or values, **mark.kwargs).mark


def is_ours(value):
    return any(value is cls or type(value) is cls for cls in OURS.values())


MODULE = second_reading()
FUNCTIONS = dict(concerned(MODULE))
globals().update(FUNCTIONS)  # where pytest finds them, with their parameters


@pytest.fixture(autouse=True)
def exceptions(request):
    """Expect the failures that are listed, and no success there."""
    for pattern, (reason, error) in EXCEPTIONS.items():
        if re.fullmatch(pattern, request.node.name):
            request.applymarker(pytest.mark.xfail(reason=reason, raises=error, strict=True))


def test_both_classes_are_tested_by_many():
    assert len(FUNCTIONS) > 30
    assert {"test_minmax_scaler_clip", "test_standard_scaler_partial_fit", "test_fit_cold_start"} <= set(FUNCTIONS)
    assert {name: getattr(MODULE, name) for name in OURS} == OURS
    assert preprocessing.StandardScaler is not fastbn.sklearn.StandardScaler


@pytest.mark.parametrize("pattern", EXCEPTIONS)
def test_exceptions_are_of_functions_that_are_there(pattern):
    if EXCEPTIONS[pattern][0] == CALLBACKS and not hasattr(preprocessing.StandardScaler, "set_callbacks"):
        pytest.skip("scikit-learn before 1.9")
    assert any(re.match(pattern.split(r"\[")[0] + "$", name) for name in FUNCTIONS)
