"""Names of dimensions: which axes they are, and what is said about an array, aligned with it by name."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

Names = Hashable | Iterable[Hashable] | None


class Arranged(NamedTuple):
    """An array whose kept axes lie in the order in which they are named."""

    given: xr.DataArray  # as it came
    array: xr.DataArray  # the same, maybe transposed: a view
    dims: tuple[Hashable, ...]  # kept, in the order of the per-channel vectors

    @property
    def axes(self) -> int | tuple[int, ...] | None:
        """As `channel_axis`."""
        axes = tuple(self.array.dims.index(dim) for dim in self.dims)
        return (axes or None) if len(axes) != 1 else axes[0]

    @property
    def channels(self) -> tuple[int, ...]:
        """Shape of the per-channel vectors."""
        return tuple(self.array.sizes[dim] for dim in self.dims)


def as_names(names: Names, argument: str) -> tuple[Hashable, ...]:
    """One name, several, or none, as a tuple."""
    if names is None:
        return ()
    if isinstance(names, set | frozenset | Iterator):
        why = "can be read only once" if isinstance(names, Iterator) else "has no order"
        raise TypeError(f"{argument}: got a {type(names).__name__}, which {why}; wants a name or a tuple of names")
    if isinstance(names, str) or not isinstance(names, Iterable):
        return (names,)
    return tuple(names)


def single(name: Any) -> Any:
    """Refuse several names, or none, where one is wanted."""
    if len(as_names(name, "channel_dim")) != 1:
        raise TypeError(f"channel_dim: got {name!r}; wants one dimension")
    return name


def among(names: Names, dims: tuple[Hashable, ...], argument: str) -> tuple[Hashable, ...]:
    """Names, all of which have to be different dimensions of something."""
    wanted = (names,) if isinstance(names, Hashable) and names in dims else as_names(names, argument)
    for name in wanted:
        if name not in dims:
            raise ValueError(f"{argument}: got {name!r}; wants dimensions among {dims}")
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"{argument}: got {wanted}, which names a dimension twice")
    return wanted


def arranged(x: xr.DataArray, names: Names, argument: str, sample_dim: Hashable | None = None) -> Arranged:
    """Order axes as named: the kept ones among themselves, that of the samples (if named) first."""
    if len(set(x.dims)) < x.ndim:
        raise ValueError(f"x: got dimensions {x.dims}; wants a different name for each")
    if isinstance(x.variable, xr.IndexVariable):  # results are data: of any dtype, and may be written to
        x = xr.DataArray(x.variable.to_base_variable(), x.coords, name=x.name)
    dims = among(names, x.dims, argument)
    if sample_dim is None:
        kept = iter(dims)
        order = tuple(next(kept) if dim in dims else dim for dim in x.dims)
    else:
        first = among(sample_dim, x.dims, "sample_dim")
        if len(first) != 1:
            raise TypeError(f"sample_dim: got {sample_dim!r}; wants one dimension")
        order = (*first, *(dim for dim in x.dims if dim not in first))
    return Arranged(x, x if order == x.dims else x.transpose(*order), dims)


def channel_names(x: Arranged) -> tuple[str, ...] | None:
    """The labels of the channels, if they have different ones along one dimension."""
    if len(x.dims) != 1 or x.dims[0] not in x.array.xindexes:
        return None
    labels = x.array.coords[x.dims[0]].values
    if labels.dtype.kind in "mM":  # as pandas writes them, equal times have equal names, whatever their unit
        labels = x.array.indexes[x.dims[0]]
    names = tuple(str(label) for label in labels)
    return names if len(set(names)) == len(names) else None


# Arguments


def in_memory(name: str, value: Any) -> xr.DataArray:
    """Refuse to write to what is not NumPy's; what a file has is read, for what is written is kept with it then."""
    if not isinstance(value, xr.DataArray):
        raise TypeError(f"{name}: got {type(value).__name__}; wants a DataArray")
    if value.chunks is None:
        value.load()
    if not isinstance(value.data, np.ndarray):
        raise TypeError(f"{name}: got a DataArray of {type(value.data).__name__}; wants one of NumPy data")
    return value


def aligned(arguments: Mapping[str, Any], x: Arranged) -> dict[str, Any]:
    """Arguments as functions of arrays take them."""
    return {name: _ALIGN.get(name, _as_it_is)(name, value, x) for name, value in arguments.items()}


def _as_it_is(name: str, value: Any, x: Arranged) -> Any:  # noqa: ARG001 - the signature of the others
    return value


def _matched(name: str, value: xr.DataArray, x: Arranged, dims: tuple[Hashable, ...]) -> xr.DataArray:
    """Refuse a labelled array that has other dimensions than these, or other labels along them."""
    if not set(value.dims) <= set(dims):
        raise ValueError(f"{name}: got dimensions {value.dims}; wants some of {dims}")
    try:
        xr.align(x.array, value, join="exact", copy=False)
    except ValueError as error:
        raise ValueError(f"{name}: got other coordinates or sizes than the data have: {error}") from None
    return value


def _labelled(name: str, value: Any) -> xr.DataArray | None:
    if isinstance(value, xr.Dataset):
        raise TypeError(f"{name}: got a Dataset beside a DataArray; wants a DataArray or a plain array")
    if isinstance(value, xr.Variable):
        return xr.DataArray(value)
    return value if isinstance(value, xr.DataArray) else None


def _beside(name: str, value: Any, x: Arranged) -> Any:
    """What broadcasts to the data: as a view with an axis of length 1 for each dimension that it has not."""
    labelled = _labelled(name, value)
    if labelled is not None:
        return _matched(name, labelled, x, x.array.dims).variable.set_dims(x.array.dims).data
    if value is None or x.array is x.given:
        return value
    data = value if hasattr(value, "ndim") else np.asarray(value)
    if data.ndim > x.given.ndim:
        raise ValueError(f"{name}: got shape {data.shape}; wants one that broadcasts to {x.given.shape}")
    return xr.Variable(x.given.dims[x.given.ndim - data.ndim :], data).set_dims(x.array.dims).data


def _per_channel(name: str, value: Any, x: Arranged) -> Any:
    """A vector: the same along each kept dimension that it has not."""
    labelled = _labelled(name, value)
    if labelled is None:
        return value
    vector = _matched(name, labelled, x, x.dims)
    return xr.Variable(vector.dims, vector.data).set_dims(x.dims, x.channels).data


def _updated(name: str, value: Any, x: Arranged) -> Any:
    """A vector that is written to: a view of the very memory."""
    labelled = _labelled(name, value)
    if labelled is None:
        return value
    if set(labelled.dims) != set(x.dims):
        raise ValueError(f"{name}: got dimensions {labelled.dims}; wants {x.dims}")
    return in_memory(name, _matched(name, labelled, x, x.dims)).transpose(*x.dims).data


def _written(name: str, value: Any, x: Arranged) -> Any:
    """The result's memory, in the order of the axes."""
    if value is None:
        return None
    if set(value.dims) != set(x.array.dims):
        raise ValueError(f"{name}: got dimensions {value.dims}; wants {x.array.dims}")
    out = _matched(name, value, x, x.array.dims)
    return x.array.data if out.data is x.given.data else out.transpose(*x.array.dims).data


def _checked(name: str, value: Any, x: Arranged) -> Any:
    """Refuse statistics of channels with other names."""
    names, theirs = channel_names(x), getattr(value, "names", None)
    if names is not None and theirs is not None and tuple(theirs) != names:
        raise ValueError(
            f"{name}: got statistics of the channels {_short(theirs)}; wants {_short(names)}, the labels along "
            f"{x.dims[0]!r}: choose with stats.select(names), or forget with stats.with_names(None)"
        )
    return value


def _short(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


_ALIGN = {
    "where": _beside,
    "weights": _beside,
    "x": _beside,
    "gamma": _per_channel,
    "beta": _per_channel,
    "nodata": _per_channel,
    "running_mean": _updated,
    "running_var": _updated,
    "stats": _checked,
    "out": _written,
}
#: What may differ from variable to variable of a Dataset: then it is a mapping.
PER_VARIABLE = frozenset(_ALIGN)
