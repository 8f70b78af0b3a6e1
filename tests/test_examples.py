"""The examples of docstrings print what they show."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

import fastbn
from test_package import public_modules

MODULES = [name for name in public_modules() if not name.startswith("fastbn.cli")]
NEEDED = {"fastbn.dask": "dask", "fastbn.sklearn": "sklearn", "fastbn.xarray": "xarray"}


MISSING = [f'"{info.name}"' for info in fastbn.backends() if not info.available]


def examples(name):
    """Those of a module and of what it offers, behind its decorators, whose backends are there."""
    yield from (test for test in every_example(name) if not any(backend in test.docstring for backend in MISSING))


def every_example(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder()
    yield doctest.DocTestParser().get_doctest(module.__doc__, {}, name, module.__file__, 0)
    for key in module.__all__:
        value = inspect.unwrap(getattr(module, key))
        bases = inspect.getmro(value) if inspect.isclass(value) else [value] * inspect.isfunction(value)
        for base in bases:
            if base.__module__.startswith("fastbn"):  # whose methods are inherited under the public name
                found = finder.find(base, f"{name}.{key}", module=False, globs={})
                yield from (test for test in found if not test.name.rpartition(".")[2].startswith("_"))


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """What examples set for the process ends with them."""
    monkeypatch.setattr(fastbn._backends, "_process_choice", [])
    monkeypatch.setattr(fastbn._threads, "_settings", {})


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name):
    pytest.importorskip(NEEDED.get(name, "numpy"))
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    for example in examples(name):
        runner.run(example, out=said.append)
    assert not said, "".join(said)


def test_most_functions_have_one():
    shown = {test.name for name in MODULES if name not in NEEDED for test in examples(name) if test.examples}
    assert {"fastbn.zscore", "fastbn.channel_stats", "fastbn.batch_norm", "fastbn.layer_norm"} <= shown
    assert len(shown) > 40
