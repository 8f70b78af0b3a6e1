"""Which functions make which variant: the one table from which every backend builds its kernels.

A binding says: in module M, the free name N is function F of module K.
"""

import functools
import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .. import _algebra as algebra
from . import coefficients, lanes, machine, maps, operands, pivots, states, steps, walks
from .sizes import DEPTH

#: The functions that backends call, by module.
ENTRIES = {
    walks: ("walk_rows", "walk_columns", "combine", "absorb", "conclude"),
    maps: ("map_rows", "map_columns"),
    coefficients: ("standardize", "destandardize", "rescale", "unscale", "update_running"),
}


class Made(NamedTuple):
    """A function that is itself a variant: of a module, under a label, with bindings of its own."""

    module: ModuleType
    label: str
    bindings: Mapping[str, Any]
    name: str


def _walk(function: Callable[..., Any], bound: str, step: Callable[..., Any], depth: int) -> Made:
    label = f"{step.__name__}-{depth}"
    return Made(lanes, label, {bound: step, "DEPTH": depth}, function.__name__)


def _byte_sums() -> dict[str, Any]:
    deep, one = (Made(lanes, f"bytes-{n}", {"DEPTH": n}, lanes.accumulate_bytes.__name__) for n in (DEPTH, 1))
    return {"quick_deep": deep, "quick_single": one, "careful_deep": deep, "careful_single": one}


def _surveys(nearest: Callable[..., Any]) -> dict[str, Any]:
    return {
        "nearest": nearest,
        "survey_deep": _walk(lanes.survey, "nearest", nearest, DEPTH),
        "survey_single": _walk(lanes.survey, "nearest", nearest, 1),
    }


def _sums(quick: Callable[..., Any], careful: Callable[..., Any]) -> dict[str, Any]:
    return {
        "quick_deep": _walk(lanes.accumulate, "step", quick, DEPTH),
        "quick_single": _walk(lanes.accumulate, "step", quick, 1),
        "careful_deep": _walk(lanes.accumulate, "step", careful, DEPTH),
        "careful_single": _walk(lanes.accumulate, "step", careful, 1),
    }


#: What compiled code takes in place of a formula that is written for Python numbers and vectors.
COMPILED: dict[Any, Any] = {algebra.two_prod: machine.two_prod, np.where: machine.select, np.sqrt: math.sqrt}

PLAIN: dict[str, Any] = {"head": operands.head_plain, "tail": operands.tail_plain}
WIDE = {"head": operands.head_wide, "tail": operands.tail_wide}
MOMENTS: dict[str, Any] = {
    "close_tile": states.close_tile_moments,
    "join": states.join_moments,
    "close_channels": states.close_channels_moments,
}
TOTALS: dict[str, Any] = {
    "close_tile": states.close_tile_totals,
    "join": states.join_totals,
    "close_channels": states.close_channels_totals,
}
NEAR: dict[str, Any] = {
    "pivot_head": pivots.pivot_near,
    "pivot_tail": pivots.pivot_none,
    "start_quick": pivots.start_none,
    "start_careful": pivots.start_above,
    "bias": pivots.bias_above,
}
INTEGERS: dict[str, Any] = _surveys(pivots.nearest_unknown) | {"sure": pivots.sure_always}
FLOATS = _surveys(machine.nearer)

NARROW = TOTALS | NEAR | INTEGERS | {"pivot_head": pivots.pivot_none, "bias": pivots.bias_narrow}

#: Reductions by the arithmetic that a dtype needs (``_arrays.py``).
REDUCTIONS: dict[str, dict[str, Any]] = {
    "byte": NARROW | _byte_sums(),
    "narrow": NARROW | _sums(steps.plain, steps.plain),
    "integer": MOMENTS | NEAR | INTEGERS | _sums(steps.plain, steps.plain),
    "wide": MOMENTS
    | NEAR
    | INTEGERS
    | _sums(steps.wide, steps.wide)
    | {
        "pivot_head": pivots.pivot_least,
        "pivot_tail": pivots.pivot_least_tail,
        "start_quick": pivots.start_above,
        "join": states.join_wide,
    },
    "single": MOMENTS | NEAR | FLOATS | _sums(steps.plain, steps.general) | {"sure": pivots.sure_single},
    "double": MOMENTS
    | NEAR
    | FLOATS
    | _sums(steps.carried, steps.general)
    | {"start_quick": pivots.start_above, "sure": pivots.sure_double},
}

#: What a map computes, and how it reads its input.
TRANSFORMS: dict[str, dict[str, Any]] = {
    "affine": {"transform": algebra.affine},
    "affine_words": {"transform": algebra.affine_words},
    "rescale": {"transform": algebra.rescale},
}
#: The same for 64-bit integers.
WIDE_TRANSFORMS = TRANSFORMS | {name: {"transform": algebra.affine_wide} for name in ("affine", "affine_words")}


#: Where a map puts its results: into an array of their own, or in place of the input.
PLACES: dict[str, dict[str, Any]] = {"apart": {"put": operands.put_apart}, "over": {"put": operands.put_over}}


@functools.cache
def map_bindings(transform, arithmetic, place):
    """Label and bindings of a map."""
    if arithmetic == "wide":
        return f"{transform}-wide-{place}", WIDE_TRANSFORMS[transform] | WIDE | PLACES[place]
    return f"{transform}-plain-{place}", TRANSFORMS[transform] | PLAIN | PLACES[place]
