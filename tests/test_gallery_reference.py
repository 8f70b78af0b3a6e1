"""The right answers on the pages of the gallery are right, and errors are those of what was returned."""

import math
from fractions import Fraction

import numpy as np
import pytest

pytestmark = pytest.mark.host
pytest.importorskip("matplotlib")
pytest.importorskip("pandas")


@pytest.fixture
def reference(from_gallery):
    return from_gallery("pages.reference")


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i8"])
def test_moments_are_those_of_fractions(reference, dtype):
    rng = np.random.default_rng(0)
    x = (100 + 20 * rng.normal(size=(8, 5))).astype(dtype)
    exact = [Fraction(value) for value in x.ravel().tolist()]
    mean = sum(exact) / len(exact)
    var = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert reference.exact_moments(x) == (float(mean), float(var))


def test_moments_do_not_cancel(reference):
    x = 1e8 + np.array([-1.0, 1.0]) * 2.0**-20
    assert reference.exact_moments(x) == (1e8, 2.0**-40)


def test_errors_are_relative_and_absolute_to_zero(reference):
    table = reference.answers("std", 2.0, {"one": 2.0, "two": 3.0})
    assert table.loc[("std", "one"), "error"] == "0.0e+00"
    assert table.loc[("std", "two"), "error"] == "5.0e-01"
    assert reference.answers("std", 0.0, {"one": 0.25})["error"].item() == "2.5e-01"
    assert reference.answers("std", 1.0, {"one": math.nan})["error"].item() == "nan"
