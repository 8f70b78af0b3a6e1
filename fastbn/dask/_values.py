"""Values that are not computed yet, as Dask collections: what `dask.compute` takes."""

from typing import Any, Generic, Self, TypeVar

import numpy as np

from .._optional import needed
from ._joining import joined

with needed("dask"):
    import dask.array as da
    from dask.base import DaskMethodsMixin, compute, tokenize

Computed = TypeVar("Computed")


class Lazy(DaskMethodsMixin, Generic[Computed]):
    """A value of every channel of a Dask array that merges."""

    def __init__(self, states: Any, dtype: np.dtype) -> None:
        self.states = states  # a Dask array in the chunks of the channels, whose blocks are such values
        self._dtype = dtype

    def with_states(self, states: Any) -> Self:
        """Return the same of other blocks."""
        raise NotImplementedError

    def example(self, shape: tuple[int, ...]) -> Computed:
        """Return the value of no data with so many channels."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every per-channel vector; NaN where Dask does not know it."""
        return tuple(self.states.shape)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the data."""
        return self._dtype

    def compute(self, **options: Any) -> Computed:
        """Compute it, for all channels.

        Parameters
        ----------
        **options
            As `dask.compute` takes them: ``scheduler="processes"``.

        Returns
        -------
        ChannelStats or ChannelQuantiles
            Whichever this is the lazy form of.

        Raises
        ------
        ValueError
            For a NaN with ``nan_policy="raise"``.

        Examples
        --------
        >>> import dask.array as da, fastbn.dask
        >>> fastbn.dask.channel_stats(da.ones((4, 3), chunks=2)).compute(scheduler="synchronous").count
        array([4, 4, 4])
        """
        (value,) = compute(self, traverse=False, **options)
        return value  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: shape {self.shape}, {self._dtype} data>"

    # What Dask asks a collection for

    __dask_optimize__ = staticmethod(da.Array.__dask_optimize__)
    __dask_scheduler__ = staticmethod(da.Array.__dask_scheduler__)

    def __dask_graph__(self) -> Any:
        return self.states.__dask_graph__()

    def __dask_keys__(self) -> Any:
        return self.states.__dask_keys__()

    def __dask_layers__(self) -> Any:
        return self.states.__dask_layers__()

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, tokenize(self.states)

    def __dask_postcompute__(self) -> Any:
        return _finished, (self.states.ndim,)

    def __dask_postpersist__(self) -> Any:
        rebuild, arguments = self.states.__dask_postpersist__()
        return _rebuilt, (self.with_states, rebuild, arguments)

    def __dask_exprs__(self) -> Any:
        """What Dask optimizes, where its arrays are expressions."""
        expression = getattr(self.states, "expr", None)
        return None if expression is None else (expression,)

    def __dask_rebuild_from_exprs__(self, expressions: Any) -> Self:
        return self.with_states(type(self.states)(*expressions))


def _finished(results: Any, rank: int) -> Any:
    """All channels, from blocks in a list for every axis, and perhaps in one more."""
    results = _lists(results)
    depth, inner = 0, results
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    for _ in range(depth - rank):
        results = results[0]
    return joined(results)


def _lists(results: Any) -> Any:
    """Lists for what some versions of Dask give as tuples."""
    return [_lists(part) for part in results] if isinstance(results, list | tuple) else results


def _rebuilt(graph: Any, make: Any, rebuild: Any, arguments: Any, **renamed: Any) -> Any:
    return make(rebuild(graph, *arguments, **renamed))
