"""Zarr stores of both formats, in directories: one array, or a group whose arrays are the variables of a data set.

What is missing follows xarray. A chunk that is not there is full of the array's `fill_value`, and these are numbers as
good as others; but in Zarr 2, xarray says by it what `_FillValue` says elsewhere, and so it is in an array whose axes
xarray has named. Outputs are floats whose fill value is NaN, in the same chunks and shards; arrays that are not
normalized are copied, byte by byte.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import StorePath

from .._choice import Choice, chosen
from .._errors import JobError, describe
from .._fields import Field, Place, Source, Tile, Values
from .._files import sync_tree
from .._tiles import Index, cut, extent
from . import reading
from ._packing import Packing, history, packing_of
from ._zarr_bounds import bounds_of
from ._zarr_metadata import (
    Grid,
    dimensions,
    grid_of,
    is_numeric,
    numbers_of,
    output_attributes,
    output_metadata,
    refuse_pickles,
)
from ._zarr_store import Chunks, Document, Node, Tree, copy_chunks, look, write_document

COPIES = 2  # what is decoded beside what is read; what is encoded beside what is written
SMALL = 2**24  # bytes of a chunk that sticks out of its array, which are not counted
AT_ONCE = 2**12  # chunks that the library is asked for together: it takes up to 4 kB for each


@dataclass(frozen=True)
class Variable:
    """An array whose numbers are read."""

    node: Node
    grid: Grid
    packing: Packing
    array: Any  # of the zarr library


class ZarrSource(Source):
    """The arrays of a Zarr store."""

    format = "Zarr"
    directory = True
    resumable = True

    def __init__(self, path: Path, tree: Tree, variables: Sequence[Variable], fields: tuple[Field, ...]) -> None:
        self.path = path
        self.fields = fields
        self.tree = tree
        self.variables = tuple(variables)
        self.copies = max((_copies(variable) for variable in variables), default=COPIES)

    def read(self, tile: Tile) -> list[Values]:
        (place,) = tile
        variable = self.variables[place.field]
        data = np.empty(extent(place.at), variable.grid.dtype)
        # Filters divide and cast as the metadata have it.
        with np.errstate(all="ignore"), reading(self.path, "Zarr"):
            for there, here in _pieces(variable, place):
                data[here] = variable.array[there]
            return [variable.packing.unpacked(data)]

    def sink(self, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> ZarrSink:
        return ZarrSink(self, scratch, dtypes, done)

    @property
    def identity(self) -> Any:
        return self.tree.identity

    def close(self) -> None:
        """Nothing is held open."""


class ZarrSink:
    """A Zarr store that is being written, chunk by chunk."""

    def __init__(self, source: ZarrSource, scratch: Path, dtypes: Sequence[np.dtype[Any]], done: int) -> None:
        self._path = source.path
        self._variables = source.variables
        self._scratch = scratch
        self._synced: set[str] = set()
        made = {
            variable.node.name: variable.node._replace(
                metadata=output_metadata(variable.node.metadata, dtype), attributes=output_attributes(variable.node)
            )
            for variable, dtype in zip(source.variables, dtypes, strict=True)
        }
        nodes = [_with_history(made.get(node.name, node), list(made)) for node in source.tree.nodes]
        for node in nodes:
            _write_metadata(scratch, node, nodes)
            if node.array and node.name not in made and not done:
                copy_chunks(source.path / node.name, scratch / node.name)
        self._arrays = [
            _opened(made[variable.node.name], Chunks(scratch / variable.node.name)) for variable in source.variables
        ]

    def write(self, tile: Tile, values: Sequence[Values]) -> None:
        (place,), (value,) = tile, values
        variable, array = self._variables[place.field], self._arrays[place.field]
        try:
            for there, here in _pieces(variable, place):
                array[there] = value.data[here]
        except OSError:
            raise
        except Exception as error:
            raise JobError(f"{self._path}: its codecs do not take {value.data.dtype}: {describe(error)}") from error

    def sync(self) -> None:
        sync_tree(self._scratch, self._synced)

    def close(self) -> None:
        """Every chunk is there already."""


def open_source(path: Path, choice: Choice) -> ZarrSource:
    """Open the array, or the arrays, of a Zarr store."""
    tree = look(path)
    for node in tree.nodes:
        refuse_pickles(path / node.name, node)
    if not tree.nodes:
        raise JobError(f"{path}: not a Zarr store")
    if tree.nodes[0].array:
        choice.only(path, "a Zarr array", "channel_axis", "channel_dim")
        found, default = [tree.nodes[0]], 1
    else:
        choice.only(path, "a Zarr group", "channel_axis", "channel_dim", "variables")
        found, default = _chosen(path, tree.nodes, choice), None
    variables, fields = [], []
    for node in found:
        name = path / node.name
        held = grid_of(name, node)
        meaning = packing_of(str(name), numbers_of(_declared(node), held.dtype), held.dtype)
        kept = choice.kept(name, dimensions(node), default)
        order = tuple(range(len(held.shape)))
        fields.append(Field(node.name or None, held.shape, meaning.dtype, kept, order, held.blocks, meaning.nodata))
        with reading(name, "Zarr"):
            bounds = bounds_of(name, node.metadata, held)
            store = Chunks(name, read_only=True, most=bounds.file, part=bounds.part)
            _opened(node, store)  # its own codecs check their options
            array = _opened(node._replace(metadata=bounds.metadata), store)
            variables.append(Variable(node, held, meaning, array))
    return ZarrSource(path, tree, variables, tuple(fields))


def _chosen(path: Path, nodes: Sequence[Node], choice: Choice) -> list[Node]:
    """The arrays of a group that are variables: those asked for, or all of numbers but the coordinates."""
    arrays = {node.name: node for node in nodes if node.array}
    if choice.variables is not None:
        return [arrays[name] for name in chosen(path, "variables", choice.variables, list(arrays))]
    coordinates = {name for node in nodes for name in _coordinates(node)}
    found = [node for node in arrays.values() if is_numeric(node) and node.name not in coordinates]
    if not found:
        raise JobError(f"{path}: a Zarr group without variables: its arrays are {', '.join(arrays) or 'none'}")
    return found


def _coordinates(node: Node) -> Iterator[str]:
    """Arrays that are coordinates because of this one: itself, or those that its attributes name."""
    if node.array and dimensions(node) == (node.name.removeprefix(node.prefix),):
        yield node.name
    prefix = node.prefix if node.array or not node.name else f"{node.name}/"
    for key in ("coordinates", "bounds", "climatology", "grid_mapping"):
        named = node.attributes.get(key)
        if isinstance(named, str):
            yield from (prefix + name.rstrip(":") for name in named.split())


def _declared(node: Node) -> Document:
    """The attributes that say what an array's numbers mean."""
    fill = node.metadata.get("fill_value")
    if node.metadata.get("zarr_format") == 2 and "_ARRAY_DIMENSIONS" in node.attributes and fill is not None:
        words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        return node.attributes | {"_FillValue": words.get(fill, fill) if isinstance(fill, str) else fill}
    return node.attributes


def _with_history(node: Node, changed: Sequence[str]) -> Node:
    """A data set of the CF conventions says what was done to it."""
    if node.name or node.array or not {"history", "Conventions"} & node.attributes.keys():
        return node
    return node._replace(attributes=node.attributes | {"history": history(node.attributes.get("history"), changed)})


def _opened(node: Node, store: Chunks) -> Any:
    """The array of the zarr library, of metadata that were checked."""
    metadata = node.metadata | {"attributes": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that codecs of numcodecs are not in the specification
        return zarr.Array.from_dict(StorePath(store, ""), metadata)


def _copies(variable: Variable) -> int:
    """Arrays of the size of a tile that reading takes: a chunk that sticks out of its array is decoded as a whole."""
    grid = variable.grid
    whole = math.prod(grid.blocks)
    if whole * grid.dtype.itemsize <= SMALL:
        return COPIES
    inside = math.prod(max(1, min(pair)) for pair in zip(grid.blocks, grid.shape, strict=True))
    return -(-COPIES * whole // inside)


def _pieces(variable: Variable, place: Place) -> Iterator[tuple[Index, Index]]:
    """A tile, some chunks at a time: where they are in the array, and where in the tile."""
    shape = extent(place.at)
    blocks = variable.grid.blocks
    limit = max(1, AT_ONCE // variable.grid.inner) * math.prod(blocks)
    for here in cut(shape, range(len(shape)), limit, blocks):
        starts = zip(place.at, here, strict=True)
        yield tuple(slice(at.start + part.start, at.start + part.stop) for at, part in starts), here


def _write_metadata(scratch: Path, node: Node, nodes: Sequence[Node]) -> None:
    folder = scratch / node.name
    if node.metadata["zarr_format"] == 3:
        document = _document_v3(node)
        if node.consolidated:
            below = {name: _document_v3(other) for name, other in _below(node, nodes)}
            consolidated = {"kind": "inline", "must_understand": False, "metadata": below}
            document["consolidated_metadata"] = consolidated
        write_document(folder / "zarr.json", document)
        return
    for name, document in _documents_v2(node):
        write_document(folder / name, document)
    if node.consolidated:
        below = dict(_documents_v2(node))
        for path, other in _below(node, nodes):
            below |= {f"{path}/{name}": document for name, document in _documents_v2(other)}
        write_document(folder / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": below})


def _below(node: Node, nodes: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """What is in a group, by names that start there."""
    prefix = f"{node.name}/" if node.name else ""
    for other in nodes:
        if other.name != node.name and other.name.startswith(prefix):
            yield other.name.removeprefix(prefix), other


def _document_v3(node: Node) -> Document:
    return node.metadata | {"attributes": node.attributes}


def _documents_v2(node: Node) -> Iterator[tuple[str, Document]]:
    yield ".zarray" if node.array else ".zgroup", node.metadata
    yield ".zattrs", node.attributes
