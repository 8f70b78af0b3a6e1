"""Functions of arrays, called on labelled ones: on one, or on every variable of a Dataset."""

import importlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import xarray as xr

from .._cf import OF_VALUES
from .._channel_quantiles import ChannelQuantiles
from .._channel_stats import ChannelStats
from .._gradients import BatchNormGradients
from .._scalars import check_choice
from ._labels import PER_VARIABLE, Arranged, Names, aligned, among, arranged, channel_names, in_memory

Function = TypeVar("Function", bound=Callable[..., Any])

_OTHERS = ("raise", "ignore")


def public(function: Function) -> Function:
    """Give a function its public place, for pickles and documentation."""
    function.__module__ = "fastbn.xarray"
    return function


class Call(NamedTuple):
    """A function of arrays, what it is told, and the dimensions that it keeps (or, `layer_norm`, normalizes over)."""

    function: Callable[..., Any]
    names: Names
    arguments: Mapping[str, Any]
    argument: str = "channel_dim"  # what the user knows the names by ...
    keyword: str = "channel_axis"  # ... and the function the axes
    sample_dim: Hashable | None = None
    data: str = "x"  # what the user knows the data by

    def arranged(self, x: xr.DataArray) -> Arranged:
        """The array as the function takes it."""
        if self.arguments.get("out") is not None:
            in_memory("out", self.arguments["out"])  # before there are views: it may be the data
        return arranged(x, self.names, self.argument, self.sample_dim)

    def __call__(self, x: Arranged) -> Any:
        return self.function(x.array.data, **{self.keyword: x.axes}, **aligned(self.arguments, x))

    def of_variable(self, name: Hashable) -> Self:
        """What is told about one variable of a Dataset."""
        return self._replace(
            arguments={
                key: _entry(key, value, name) if key in PER_VARIABLE else value for key, value in self.arguments.items()
            }
        )


def _entry(argument: str, value: Any, name: Hashable) -> Any:
    if not isinstance(value, Mapping):
        return value
    if name not in value:
        raise ValueError(f"{argument}: got nothing for {name!r}; wants an entry for each variable")
    return value[name]


# Variables of a Dataset


def _variables(call: Call, x: xr.Dataset, others: str) -> Iterator[tuple[Hashable, Call, xr.DataArray]]:
    """Those that have the dimensions and hold numbers; the rest is refused, or ignored."""
    check_choice("others", others, _OTHERS)
    if isinstance(call.arguments.get("stats"), xr.Dataset):
        raise TypeError("stats: got a Dataset; wants statistics by names of variables, as channel_stats returns them")
    if call.arguments.get("out") is not None:
        raise TypeError(f"out: got {type(call.arguments['out']).__name__} for a Dataset; wants None")
    dims = among(call.names, tuple(x.dims), call.argument)
    reasons = {name: _unfit(variable, dims) for name, variable in x.data_vars.items()}
    refused = [f"{name!r} ({reason})" for name, reason in reasons.items() if reason]
    if refused and others == "raise":
        raise ValueError(
            f"{call.data}: got variables without a dimension that is named, or without numbers: {', '.join(refused)}; "
            "wants others, or others='ignore'"
        )
    for name, variable in x.data_vars.items():
        if not reasons[name]:
            yield name, call.of_variable(name), variable


def _unfit(variable: xr.DataArray, dims: tuple[Hashable, ...]) -> str:
    """Why a variable cannot be handled."""
    missing = [repr(dim) for dim in dims if dim not in variable.dims]
    if missing:
        return f"no dimension {', '.join(missing)}"
    usable = variable.dtype.kind in "biuf" and variable.dtype.itemsize <= 8
    return "" if usable else f"dtype {variable.dtype}"


def each(
    call: Call, x: xr.Dataset, others: str, one: Callable[[Hashable, Call, xr.DataArray], Any]
) -> dict[Hashable, Any]:
    """What `one` gives for each variable; its errors say for which."""
    results = {}
    for name, of_variable, variable in _variables(call, x, others):
        try:
            results[name] = one(name, of_variable, variable)
        except (TypeError, ValueError) as error:
            error.add_note(f"in variable {name!r}")
            raise
    return results


def refuse_other_kinds(name: str, x: Any) -> None:
    """Refuse what has no names."""
    if not isinstance(x, xr.DataArray | xr.Dataset):
        raise TypeError(f"{name}: got {type(x).__name__}; wants a DataArray or a Dataset")


# Maps


def mapped(call: Call, x: Any, others: str = "raise", units: Any = None) -> Any:
    """What a map gives, labelled as its data: alone, or with statistics."""
    refuse_other_kinds(call.data, x)
    if isinstance(x, xr.DataArray):
        if isinstance(units, Mapping):
            raise TypeError(f"units: got {type(units).__name__} for a DataArray; wants a string")
        result, stats = _mapped(call, x, units)
    else:
        found = each(
            call, x, others, lambda name, call, variable: _mapped(call, variable, _entry("units", units, name))
        )
        result = x.assign({name: y.variable for name, (y, _) in found.items()})
        stats = {name: of_variable for name, (_, of_variable) in found.items()}
    return (result, stats) if call.arguments.get("return_stats") else result


def _mapped(call: Call, x: xr.DataArray, units: Any) -> tuple[Any, Any]:
    case = call.arranged(x)
    y, stats = call(case), None
    if call.arguments.get("return_stats"):
        y, stats = y[0], _named(y[1], case)
    attributes = described(x.attrs)
    if units is not None:
        attributes["units"] = units
    return _labelled(y, case, attributes, call.arguments.get("out")), stats


def described(attributes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Attributes that hold for other values as well."""
    return {key: value for key, value in attributes.items() if key not in OF_VALUES}


def _labelled(y: Any, case: Arranged, attributes: dict[Any, Any], out: Any) -> Any:
    """A result with the labels of its data. How these were packed into a file says nothing about it."""
    result = case.array.copy(deep=False, data=y).transpose(*case.given.dims) if out is None else out
    result.attrs = attributes
    result.encoding = {}
    return result


def gradients(call: Call, dy: xr.DataArray) -> BatchNormGradients:
    """Gradients: that of the data labelled as what came in, the others as the channels."""
    case = call.arranged(dy)
    dx, *vectors = call(case)
    labelled: list[Any] = [xr.DataArray(vector, coordinates(dy, case.dims), case.dims) for vector in vectors]
    return BatchNormGradients(_labelled(dx, case, described(dy.attrs), call.arguments.get("out")), *labelled)


# Statistics


def statistics(call: Call, x: Any, others: str = "raise") -> Any:
    """Statistics of an array, or by name of the variables of a Dataset, of which Dask computes all at once."""
    refuse_other_kinds(call.data, x)
    if isinstance(x, xr.DataArray):
        case = call.arranged(x)
        return _named(call(case), case)
    found = each(call, x, others, lambda _, call, variable: _started(call, variable))
    computed = _computed([stats for _, stats in found.values()])
    return {name: _named(stats, case) for (name, (case, _)), stats in zip(found.items(), computed, strict=True)}


def _started(call: Call, x: xr.DataArray) -> tuple[Arranged, Any]:
    case = call.arranged(x)
    return case, lazily(call, case)


def _computed(values: list[Any]) -> Sequence[Any]:
    """What is lazy among the values in one go, so that what they share is computed once."""
    if all(isinstance(value, ChannelStats | ChannelQuantiles) for value in values):
        return values
    from dask.base import compute  # Dask has been imported, for some of the data are its

    computed: tuple[Any, ...] = compute(*values)
    return computed


def lazily(call: Call, case: Arranged) -> Any:
    """The same of Dask arrays, when it is asked for; of others at once."""
    if case.array.chunks is None or type(case.array.data).__module__.partition(".")[0] != "dask":
        return call(case)  # `chunks` first, for `data` reads what a file has
    of_dask = importlib.import_module("fastbn.dask")
    return call._replace(function=getattr(of_dask, call.function.__name__, call.function))(case)


def _named(stats: Any, case: Arranged) -> Any:
    """Statistics with the labels of the channels as names, if they have none."""
    if not isinstance(stats, ChannelStats | ChannelQuantiles) or stats.names is not None:
        return stats
    names = channel_names(case)
    return stats if names is None else stats.with_names(names)


def coordinates(x: xr.DataArray | xr.Dataset, dims: tuple[Hashable, ...]) -> xr.Coordinates:
    """Those along no other dimension."""
    return x.coords.to_dataset().drop_dims([dim for dim in x.dims if dim not in dims], errors="ignore").coords
