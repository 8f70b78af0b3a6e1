"""Other libraries: none is imported unasked, a missing one is named, and each public function knows its kinds."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

import fastbn
from fastbn import _kinds

EXTRAS = {"dask": "dask", "sklearn": "scikit-learn", "xarray": "xarray"}
TAKES_NO_ARRAY = {
    "backends", "get_accumulators", "get_num_threads", "set_accumulators", "set_backend", "set_num_threads",
    "show_config", "stream_from_host", "use_backend",
}  # fmt: skip


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_table_names_what_is_imported_on_request():
    assert set(fastbn._INTEGRATIONS) == set(EXTRAS)
    assert set(fastbn._INTEGRATIONS) <= set(dir(fastbn))


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_library_is_named_with_the_extra(name):
    """As if it were not installed: `None` in `sys.modules` is what Python takes for that."""
    said = python(
        f"import sys; sys.modules[{name!r}] = None\n"
        "import fastbn\n"
        f"try: fastbn.{name}\n"
        "except ImportError as error: print(error)"
    )
    assert f"pip install 'fastbn[{name}]'" in said
    assert name in said.partition("needs")[2]


@pytest.mark.parametrize("name", EXTRAS)
def test_modules_come_on_first_use(name):
    pytest.importorskip(name)
    said = python(
        f"import sys, fastbn; print({name!r} in sys.modules); fastbn.{name}; print('fastbn.{name}' in sys.modules)"
    )
    assert said.split() == ["False", "True"]


def test_other_attributes_are_errors():
    with pytest.raises(AttributeError, match="module 'fastbn' has no attribute 'pandas'"):
        _ = fastbn.pandas


def test_arrays_of_numpy_import_no_library():
    """Calls with arrays and lists leave everybody's library alone."""
    brought = python(
        "import sys, numpy as np, fastbn\n"
        "x = np.ones((4, 3)); fastbn.zscore(x); fastbn.channel_stats(x.tolist())\n"
        "fastbn.zscore(np.ma.MaskedArray(x)); fastbn.normalize(x.view(np.memmap), fastbn.channel_stats(x))\n"
        "print(*sys.modules)"
    ).split()
    assert not {"dask", "xarray", "pandas", "polars", "torch", "sklearn", "fastbn._host_arrays"} & set(brought)


@pytest.mark.parametrize("name", sorted(set(fastbn.__all__) - TAKES_NO_ARRAY))
def test_every_function_of_arrays_asks_for_the_kind(name):
    function = getattr(fastbn, name)
    if not inspect.isfunction(function):
        return
    wrapped = getattr(function, "__wrapped__", None)
    assert wrapped is not None, name
    assert inspect.signature(function) == inspect.signature(wrapped)


def test_kinds_are_found_by_name_in_subclasses_too(monkeypatch):
    seen = []

    class Array:
        pass

    class Mine(Array):
        pass

    Array.__module__ = "somebody.deep"
    monkeypatch.setitem(_kinds._KINDS, ("somebody", "Array"), "_frames")
    monkeypatch.setattr("fastbn._frames.HANDLERS", {"zscore": lambda *args, **kwargs: seen.append((args, kwargs))})
    mine = Mine()
    assert fastbn.zscore(mine, 2, eps=1.0) is None
    assert fastbn.zscore(x=mine) is None
    assert seen == [((mine, 2), {"eps": 1.0}), ((), {"x": mine})]


def test_what_is_no_array_gets_the_error_it_always_got():
    with pytest.raises(TypeError, match="dtype"):
        fastbn.zscore(object())
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        fastbn.zscore()


def test_frames_of_dask_are_not_read():
    frames = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"to_dask_array"):
        fastbn.zscore(frames.from_pandas(pd.DataFrame({"a": np.ones(3)}), npartitions=2))


def test_variables_of_xarray_are_not_read():
    xr = pytest.importorskip("xarray")
    with pytest.raises(TypeError, match=r"x: got a xarray\.Variable; wants a DataArray, or the array alone: x\.data"):
        fastbn.zscore(xr.Variable(("a", "b"), np.ones((3, 2))))
