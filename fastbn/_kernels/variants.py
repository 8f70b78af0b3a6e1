"""Which functions make which variant: the one table from which every backend builds its kernels.

A binding says: in module M, the free name N is function F of module K.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import _algebra as algebra
from . import (
    coefficients,
    halves,
    machine,
    maps,
    operands,
    rows,
    walks,
)

#: The functions that backends call, by module.
ENTRIES = {
    walks: ("walk_rows", "walk_columns", "combine", "absorb", "conclude"),
    maps: ("map_rows", "map_columns"),
    coefficients: ("standardize", "destandardize", "rescale", "unscale", "update_running", "differentiate"),
    halves: ("widen", "narrow"),
}


class Made(NamedTuple):
    """A function that is itself a variant: of a module, under a label, with bindings of its own."""

    module: ModuleType
    label: str
    bindings: Mapping[str, Any]
    name: str


#: What compiled code takes in place of a formula that is written for Python numbers and vectors.
COMPILED: dict[Any, Any] = {algebra.two_prod: machine.two_prod, np.where: machine.select, np.sqrt: math.sqrt}

#: How numbers are read: as they are, 64-bit integers, float16, pairs.
READS: dict[str, dict[str, Any]] = {
    "plain": {"row": rows.row_stored, "head": operands.head_plain, "tail": operands.tail_plain},
    "wide": {"row": rows.row_stored, "head": operands.head_wide, "tail": operands.tail_wide},
    "half": {"row": rows.row_widened, "head": operands.head_plain, "tail": operands.tail_plain},
    "pair": {"row": rows.row_stored, "head": operands.head_plain, "tail": operands.tail_other},
}

#: What pairs are computed with, in place.
PAIRS: dict[str, np.dtype] = {
    "single": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}

#: Where a map puts its results: into an array of their own, or in place of an input.
PLACES: dict[str, dict[str, Any]] = {
    "apart": {"place": rows.place_apart, "deliver": rows.leave},
    "over": {"place": rows.place_over, "deliver": rows.leave},
    "other": {"place": rows.place_other, "deliver": rows.leave},
}
HALF_PLACES: dict[str, dict[str, Any]] = {
    "apart": {"place": rows.place_beside, "deliver": rows.narrow_apart},
    "over": {"place": rows.place_beside, "deliver": rows.narrow_over},
}
#: What a map computes ...
TRANSFORMS: dict[str, dict[str, Any]] = {
    "affine": {"transform": algebra.affine},
    "affine_words": {"transform": algebra.affine_words},
    "rescale": {"transform": algebra.rescale},
}
#: ... for 64-bit integers ...
WIDE_TRANSFORMS: dict[str, dict[str, Any]] = {
    "affine": {"transform": algebra.affine_wide},
    "affine_words": {"transform": algebra.affine_wide},
    "rescale": {"transform": algebra.rescale_wide},
}
#: ... and of pairs.
PAIR_TRANSFORMS = {"gradient": {"transform": algebra.gradient}}


def map_variants(
    inputs: list[tuple[str, np.dtype]], outputs: list[np.dtype]
) -> Iterator[tuple[str, str, np.dtype, np.dtype, str]]:
    """Every map there is: transform, arithmetic, dtype of the input, dtype of the output, place."""
    for arithmetic, dtype in inputs:
        for transform in TRANSFORMS:
            for output in outputs:
                yield transform, arithmetic, dtype, output, "apart"
            if dtype in outputs:
                yield transform, arithmetic, dtype, dtype, "over"
    for transform, arithmetic, place in itertools.product(PAIR_TRANSFORMS, PAIRS, PLACES):
        dtype = PAIRS[arithmetic]
        yield transform, arithmetic, dtype, dtype, place


@functools.cache
def map_bindings(transform: str, arithmetic: str, output: np.dtype, place: str) -> tuple[str, dict[str, Any]]:
    """Label and bindings of a map."""
    kind = "pair" if transform in PAIR_TRANSFORMS else arithmetic if arithmetic in READS else "plain"
    formula = (PAIR_TRANSFORMS | (WIDE_TRANSFORMS if kind == "wide" else TRANSFORMS))[transform]
    places, label = (HALF_PLACES, f"half-{place}") if output == np.float16 else (PLACES, place)
    strip = {"STRIP": rows.STRIP if kind == "half" or output == np.float16 else rows.WHOLE}
    return f"{transform}-{kind}-{label}", formula | READS[kind] | places[place] | strip
