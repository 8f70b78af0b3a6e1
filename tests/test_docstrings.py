"""Docstrings of public names: complete by numpydoc's rules, with errors, examples, formulas and their sources."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import Validator, validate

import fastbn
from test_examples import MODULES, NEEDED

pytestmark = pytest.mark.host

DOCS = Path(__file__).parent.parent / "docs"

#: What numpydoc asks for and this package does not do.
WAIVED = {
    "ES01": "a summary that says all is followed by nothing",
    "SS05": "summaries may name what comes back, and nouns in the plural are taken for verbs: Gradients of ...",
    "YD01": "a context manager yields nothing to whoever writes `with`",
}
#: Members are beside each other, and properties are shown by the examples of their class.
WAIVED_FOR_MEMBERS, WAIVED_FOR_PROPERTIES = {"SA01"}, {"SA01", "EX01"}
#: Methods for other modules of this package, which the reference leaves out.
PLUMBING = {"example", "moments", "pending", "with_states"}
TAKES_ANYTHING = {"fastbn.BatchNorm.train"}  # for true or false

#: Modules all of whose functions compute by formulas that somebody published.
FORMULAS = {f"fastbn.{name}" for name in ("statistics", "quantiles", "normalization", "robust")}
FORMULAS |= {f"fastbn.{name}" for name in ("batchnorm", "relatives", "layernorm")}
NUMBERS = {
    fastbn.ChannelStats: ("mean", "min", "max", "var", "std"),
    fastbn.ChannelQuantiles: ("values", "quantile"),
}


class Name(NamedTuple):
    """A public name, or a member of a public class."""

    path: str
    value: Any
    member: bool = False

    @property
    def text(self):
        return inspect.getdoc(self.value) or ""

    @property
    def sections(self):
        return NumpyDocString(self.text)

    def said(self, section):
        return "\n".join(str(line) for line in self.sections[section])


def names(module):
    """Functions and classes of a module that are not those of `fastbn`, which has most of them."""
    pytest.importorskip(NEEDED.get(module, "numpy"))
    found = importlib.import_module(module)
    for key in found.__all__:
        value = getattr(found, key)
        if callable(value) and (module == "fastbn" or getattr(fastbn, key, None) is not value):
            yield Name(f"{module}.{key}", value)


def members(name):
    """Methods and properties of a class that this package wrote, its bases in other libraries aside."""
    for key in dir(name.value):
        member = inspect.getattr_static(name.value, key)
        code = getattr(member, "fget", member)
        written = getattr(inspect.unwrap(getattr(code, "__func__", code)), "__module__", None) or ""
        if written.startswith("fastbn") and not key.startswith("_") and key not in PLUMBING:
            yield Name(f"{name.path}.{key}", member if isinstance(member, property) else getattr(name.value, key), True)


def fields(cls):
    """Attributes that are no properties: those of named tuples and slots."""
    slots = (key for key in dir(cls) if inspect.ismemberdescriptor(inspect.getattr_static(cls, key)))
    own = (key for key in slots if getattr(cls, key).__objclass__.__module__.startswith("fastbn"))
    return {key for key in (*getattr(cls, "_fields", ()), *own) if not key.startswith("_")}


def documented(module):
    """All that has a docstring of its own."""
    for name in names(module):
        yield name
        if inspect.isclass(name.value):
            yield from members(name)


def functions(module):
    return (name for name in documented(module) if inspect.isroutine(name.value))


def test_what_is_looked_at():
    """The collection is not empty where it matters, and leaves out what others wrote."""
    paths = {name.path for name in documented("fastbn")}
    assert {"fastbn.zscore", "fastbn.ChannelStats.save", "fastbn.ChannelStats.mean", "fastbn.BatchNorm.train"} <= paths
    assert (
        not {"fastbn.BackendInfo.count", "fastbn.BackendUnavailable.add_note", "fastbn.BatchNormGradients.dx"} & paths
    )
    assert fields(fastbn.BackendInfo) == {"name", "available", "reason"}
    assert {name.path for name in names("fastbn.streaming")} == {"fastbn.streaming.Part"}


@pytest.mark.parametrize("module", MODULES)
def test_numpydoc_finds_nothing(module, monkeypatch):
    # Lines are for reports alone. From Python 3.13 on, those of a class that is public elsewhere are looked for there.
    monkeypatch.setattr(Validator, "source_file_def_line", None)
    found = []
    for name in documented(module):
        waived = set(WAIVED)
        if name.member:
            waived |= WAIVED_FOR_PROPERTIES if isinstance(name.value, property) else WAIVED_FOR_MEMBERS
        if inspect.isclass(name.value) and re.search(r"\bmade by\b", name.text, re.IGNORECASE):
            waived.add("PR01")  # by functions: what `__init__` takes is not for users
        found += [f"{name.path}: {code} {text}" for code, text in validate(name.path)["errors"] if code not in waived]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", MODULES)
def test_every_field_is_described(module):
    for name in names(module):
        if inspect.isclass(name.value):
            described = {entry.name for part in ("Parameters", "Attributes") for entry in name.sections[part]}
            assert fields(name.value) <= {word.strip() for names in described for word in names.split(",")}, name.path


@pytest.mark.parametrize("module", MODULES)
def test_defaults_are_those_of_the_signature(module):
    for name in documented(module):
        if isinstance(name.value, property) or not name.sections["Parameters"]:
            continue
        taken = inspect.signature(name.value).parameters
        for entry in name.sections["Parameters"]:
            said = re.search(r"default (.+)", entry.type)
            for key in entry.name.split(", ") if said else ():
                default = taken[key].default
                written = {str(default), repr(default), getattr(default, "__name__", ""), f'"{default}"'}
                assert said[1] in written or ast.literal_eval(said[1]) == default, f"{name.path}: {key}"


@pytest.mark.parametrize("module", MODULES)
def test_what_can_raise_says_so(module):
    """What takes an argument can refuse it, and what has a `raise` can come to it."""
    silent = []
    for name in documented(module):
        code = name.value.__init__ if inspect.isclass(name.value) else name.value
        if isinstance(name.value, property) or not inspect.isfunction(inspect.unwrap(getattr(code, "__func__", code))):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(code))))
        raises = any(isinstance(node, ast.Raise) for node in ast.walk(tree))
        takes = inspect.isroutine(name.value) and set(inspect.signature(name.value).parameters) - {"self"}
        if (raises or takes) and name.path not in TAKES_ANYTHING and not name.sections["Raises"]:
            silent.append(name.path)
    assert not silent


@pytest.mark.parametrize("module", sorted(FORMULAS))
def test_formulas_are_written_and_have_sources(module):
    for key in importlib.import_module(module).__all__:
        name = Name(f"fastbn.{key}", getattr(fastbn, key))
        if inspect.isroutine(name.value):
            assert re.search(r"``[^`]*\s[-+*/=]\s[^`]*``", name.said("Summary") + name.said("Notes")), name.path
            cited = re.findall(r"^\.\. \[(\d)\] ", name.said("References"), re.MULTILINE)
            assert cited, name.path
            assert all(f"[{number}]_" in name.said("Notes") for number in cited), name.path


@pytest.mark.parametrize("module", ["fastbn.dask", "fastbn.xarray"])
def test_functions_of_other_arrays_lead_to_formulas(module):
    for name in functions(module):
        of_arrays = f"fastbn.{name.path.rpartition('.')[2]}"
        if of_arrays in {f"fastbn.{key}" for key in fastbn.__all__}:
            assert of_arrays in name.said("See Also"), name.path


@pytest.mark.parametrize("module", sorted(FORMULAS))
def test_results_have_shapes_and_units(module):
    for key in importlib.import_module(module).__all__:
        value = getattr(fastbn, key)
        if inspect.isroutine(value):
            said = Name(key, value).said("Returns")
            assert "shape" in said, key
            assert "units" in said, key


def test_numbers_of_statistics_have_units():
    for cls, keys in NUMBERS.items():
        for key in keys:
            assert "units" in inspect.getdoc(getattr(cls, key)), key


# The reference


class Entry(NamedTuple):
    """A line of the reference: what it documents, and how much of it."""

    value: Any
    options: dict[str, str]


def reference():
    """What its pages document in full, in `autosummary` with pages of its own and in other directives."""
    for page in (DOCS / "reference.md", *sorted((DOCS / "reference").glob("*.md"))):
        module, directive, options = "", "", {}
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := re.fullmatch(r"\.\. (\w+)::\s*([\w.]*).*", line):
                directive, argument = match.groups()
                module, options = argument if directive == "currentmodule" else module, {}
                if directive in ("autoclass", "autoexception"):
                    yield Entry(resolved(argument), options)
            elif match := re.fullmatch(r"   :([\w-]+):\s*(.*)", line):
                options[match[1]] = match[2]
            elif directive == "autosummary" and "toctree" in options and re.fullmatch(r"   [\w.]+", line):
                yield Entry(resolved(f"{module}.{line.strip()}"), options)


def resolved(path):
    module, _, key = path.rpartition(".")
    return getattr(importlib.import_module(module), key)


@pytest.fixture
def entries():
    for module in NEEDED.values():
        pytest.importorskip(module)
    return list(reference())


def test_the_reference_has_every_public_name_once(entries):
    public = [name.value for module in MODULES for name in names(module)]
    assert {id(entry.value) for entry in entries} == {id(value) for value in public}
    assert len(entries) == len({id(entry.value) for entry in entries})
    assert "fastbn.__version__" in (DOCS / "reference.md").read_text(encoding="utf-8")


def test_the_reference_has_every_method(entries):
    for cls, options in entries:
        if not inspect.isclass(cls):
            continue
        every = {name.path.rpartition(".")[2] for name in members(Name(cls.__name__, cls))}
        named = set(re.findall(r"\w+", options.get("members", "")))
        shown = named or ({*every} if "members" in options else set())
        if not named and "inherited-members" not in options:
            shown &= set(vars(cls))
        attributes = {
            word.strip()
            for entry in NumpyDocString(inspect.getdoc(cls))["Attributes"]
            for word in entry.name.split(",")
        }
        assert every <= shown | attributes, cls
        assert PLUMBING & set(dir(cls)) <= set(re.findall(r"\w+", options.get("exclude-members", ""))), cls
