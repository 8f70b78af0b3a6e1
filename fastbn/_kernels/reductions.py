"""Which functions make which reduction: methods, and the arithmetic that dtypes need.

*compensated* and *exact* are the two methods of moments; *gradients* and *weighted* sum over pairs. The two methods of
moments have a second form, *omitting*, for data of which some values do not count.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import (
    exact,
    exact_steps,
    extremes,
    floors,
    folds,
    gaps,
    gradients,
    halves,
    lanes,
    limbs,
    machine,
    marks,
    operands,
    passes,
    pivots,
    rows,
    sizes,
    states,
    steps,
    tiles,
    whole,
)
from .sizes import DEPTH, WHOLE_DEPTH
from .variants import Made


def _by_depth(
    name: str, function: Callable[..., Any], label: str, bound: dict[str, Any], many: int = DEPTH
) -> dict[str, Any]:
    """A tile kernel for ``many`` rows at a time, and for one."""
    return {
        f"{name}_{ending}": Made(lanes, f"{label}-{depth}", bound | {"DEPTH": depth}, function.__name__)
        for ending, depth in (("deep", many), ("single", 1))
    }


def _surveys(
    nearest: Callable[..., Any], order: Callable[..., Any] = operands.order_plain, many: int = DEPTH
) -> dict[str, Any]:
    bound = {"nearest": nearest, "order": order}
    return bound | _by_depth("survey", lanes.survey, f"{nearest.__name__}-{order.__name__}", bound, many)


def _whole(function: Callable[..., Any]) -> dict[str, Any]:
    """Of integers so short that a lane's sums need one word."""
    name, many = function.__name__, WHOLE_DEPTH
    sums = _by_depth("quick", function, name, {}, many) | _by_depth("careful", function, name, {}, many)
    return (
        _surveys(pivots.nearest_unknown, many=many)
        | sums
        | {name: getattr(whole, name) for name in _OF_LANES}
        | {"DEPTH": many}
    )


#: Rows where they are, and those of float16, by way of float64.
STORED = {"rows": rows.rows_stored, "spacing": rows.spacing_stored}
WIDENED = {"rows": rows.rows_widened, "spacing": rows.spacing_widened}


def _sums(
    quick: Callable[..., Any],
    careful: Callable[..., Any],
    function: Callable[..., Any] = lanes.accumulate,
    read: dict[str, Any] = STORED,
) -> dict[str, Any]:
    return {
        name: made
        for ending, step in (("quick", quick), ("careful", careful))
        for name, made in _by_depth(
            ending, function, f"{step.__name__}-{read['rows'].__name__}", read | {"step": step}
        ).items()
    }


MOMENTS: dict[str, Any] = {
    "close_tile": states.close_tile_moments,
    "join_banks": states.join_moments,
    "close_channels": states.close_channels_moments,
}
TOTALS: dict[str, Any] = {
    "close_tile": states.close_tile_totals,
    "join_banks": states.join_totals,
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

_PASSES = ("expected", "suspicious", "remember", "start_extremes", "survey", "fold_extremes", "accumulate")
COMPLETE: dict[str, Any] = {
    "absent": marks.absent_never,
    "ATTEMPTS": 1,
    "DEPTH": DEPTH,
    "head": operands.head_plain,
} | {name: getattr(passes, name) for name in (*_PASSES, "start_slots")}
NARROW = TOTALS | NEAR | INTEGERS | {"pivot_head": pivots.pivot_none, "bias": pivots.bias_narrow}
#: float16 is read as its bits, whose order is that of integers.
HALVES: dict[str, Any] = _surveys(pivots.nearest_unknown, halves.ordered) | {"head": operands.head_half}

_OF_LANES = "start_lanes", "restart_lanes", "gather"
_OF_METHOD = (*_OF_LANES, "keep_lanes", "fold_totals", "settle", "pick", "join_slots", "put_slots")
COMPENSATED: dict[str, Any] = (
    COMPLETE
    | {
        "start_complete": tiles.start_slots,
        "ROWS_OF_STATE": 8,
        "WORDS_OF_LANE": 6,
        "TOTALS": sizes.TOTALS,
        "OTHERS": sizes.OTHERS,
    }
    | {name: getattr(tiles, name) for name in (*_OF_METHOD, "join")}
)
#: The compensated method by the arithmetic that a dtype needs (``_arrays.py``).
_COMPENSATED: dict[str, dict[str, Any]] = {
    "byte": NARROW | _whole(lanes.accumulate_bytes),
    "short": NARROW | _whole(lanes.accumulate_shorts),
    "narrow": NARROW | _sums(steps.plain, steps.plain),
    "half": NARROW | HALVES | _sums(steps.half, steps.half, read=WIDENED),
    "integer": MOMENTS | NEAR | INTEGERS | _sums(steps.plain, steps.plain),
    "wide": MOMENTS
    | NEAR
    | INTEGERS
    | _sums(steps.wide, steps.wide)
    | {
        "pivot_head": pivots.pivot_least,
        "pivot_tail": pivots.pivot_least_tail,
        "start_quick": pivots.start_above,
        "join_banks": states.join_wide,
    },
    "single": MOMENTS | NEAR | FLOATS | _sums(steps.plain, steps.general) | {"sure": pivots.sure_single},
    "double": MOMENTS
    | NEAR
    | FLOATS
    | _sums(steps.carried, steps.general)
    | {"start_quick": pivots.start_above, "sure": pivots.sure_double},
}


#: Words of an exact state by arithmetic.
EXACT_WORDS = {name: sizes.LONG if name == "double" else sizes.SHORT for name in _COMPENSATED}


def _words(words: sizes.Words, words_of_lane: int) -> dict[str, Any]:
    return {
        "ROWS_OF_STATE": words.rows,
        "SQUARE_WORDS": sizes.SUM_WORDS + words.sum_count,
        "SUM_OFFSET": sizes.SUM_POINT - sizes.WORD_BITS * words.sum_first,
        "SQUARE_OFFSET": sizes.SQUARE_POINT - sizes.WORD_BITS * words.square_first,
        "WORDS_OF_LANE": words_of_lane,
    }


def _float(bits: int, fraction: int) -> dict[str, int]:
    bias = 2 ** (bits - 2 - fraction) - 1 + fraction
    return {"FRACTION": fraction, "HIDDEN": 1 << fraction, "MAGNITUDE": 2 ** (bits - 1) - 1, "EXPONENT_BIAS": bias}


EXACT: dict[str, Any] = (
    COMPLETE
    | {
        "start_complete": exact.start_slots,
        "TOTALS": sizes.EXACT_TOTALS,
        "OTHERS": sizes.EXACT_OTHERS,
    }
    | {
        name: getattr(module, function)
        for module, name, function in (
            *((exact, name, name) for name in _OF_METHOD),
            (exact, "close_tile", "close_tile"),
            (limbs, "join", "join_limbs"),
            (limbs, "close_channels", "close_limbs"),
        )
    }
)
EXACT_INTEGERS: dict[str, Any] = (
    EXACT
    | INTEGERS
    | {
        "pick": exact.pick_none,
        "is_stray": floors.stray_never,
        "floor_quick": floors.floor_none,
        "floor_careful": floors.floor_none,
        "first_start": floors.values_none,
        "square_start": pivots.bias_narrow,
        "rest_start": floors.rest_none,
        "carry_start": floors.carry_careful,
    }
    | _words(sizes.SHORT, 6)
)
EXACT_FLOATS: dict[str, Any] = (
    EXACT
    | FLOATS
    | {
        "is_stray": floors.stray_below,
        "square_start": pivots.bias_above,
        "carry_start": floors.carry_careful,
    }
)


#: The exact method by arithmetic.
_EXACT: dict[str, dict[str, Any]] = {
    "byte": EXACT_INTEGERS | _whole(lanes.accumulate_bytes),
    "short": EXACT_INTEGERS | _whole(lanes.accumulate_shorts),
    "narrow": EXACT_INTEGERS | _sums(exact_steps.exact_plain, exact_steps.exact_plain, lanes.accumulate_exact),
    "half": EXACT_INTEGERS
    | HALVES
    | _sums(exact_steps.exact_plain, exact_steps.exact_plain, lanes.accumulate_exact, WIDENED),
    "integer": EXACT_INTEGERS
    | _sums(exact_steps.exact_plain, exact_steps.exact_plain, lanes.accumulate_exact)
    | {"square_start": floors.squares_integer},
    "wide": EXACT_INTEGERS
    | _sums(exact_steps.exact_wide, exact_steps.exact_wide, lanes.accumulate_exact)
    | {
        "first_start": floors.values_wide,
        "square_start": floors.squares_wide,
        "rest_start": floors.rest_wide,
        "carry_start": floors.carry_always,
    }
    | _words(sizes.SHORT, 9),
    "single": EXACT_FLOATS
    | _sums(exact_steps.exact_single, exact_steps.exact_single_careful, lanes.accumulate_exact)
    | {
        "floor_quick": floors.floor_single_quick,
        "floor_careful": floors.floor_single_careful,
        "first_start": floors.values_single,
        "rest_start": floors.rest_none,
    }
    | _words(sizes.SHORT, 6)
    | _float(32, 23),
    "double": EXACT_FLOATS
    | _sums(exact_steps.exact_double, exact_steps.exact_double_careful, lanes.accumulate_exact)
    | {
        "floor_quick": floors.floor_double_quick,
        "floor_careful": floors.floor_double_careful,
        "first_start": floors.values_double,
        "rest_start": floors.rest_double,
    }
    | _words(sizes.LONG, 9)
    | _float(64, 52),
}

#: The sums of the backward pass.
_GRADIENTS: dict[str, Any] = (
    COMPENSATED
    | NEAR
    | INTEGERS
    | {
        "ROWS_OF_STATE": 10,
        "close_tile": states.close_tile_totals,
        "join_banks": states.join_totals,
    }
    | {name: getattr(gradients, name) for name in (*_OF_LANES, "settle", "close_channels")}
)


def _pairs(step: Callable[..., Any]) -> dict[str, Any]:
    return _GRADIENTS | _sums(step, step, lanes.accumulate_pairs)


#: The sums of weighted data, of which something was subtracted before.
_WEIGHTED = _pairs(steps.weighted) | {"pivot_head": pivots.pivot_none}

#: Where some values do not count: what is read by arithmetic (NaN is absent, so up to 32 bits integers are floats).
OMITTING: dict[str, tuple[np.dtype, ...]] = {
    "narrow": (np.dtype(np.float32),),
    "integer": (np.dtype(np.float64),),
    "wide": (np.dtype(np.int64), np.dtype(np.uint64)),
    "single": (np.dtype(np.float32),),
    "double": (np.dtype(np.float64),),
}


def _gap_surveys(nearest: Callable[..., Any], absent: Callable[..., Any]) -> dict[str, Any]:
    label, bound = f"{nearest.__name__}-{absent.__name__}", {"nearest": nearest, "absent": absent}
    return _by_depth("survey_gaps", lanes.survey_gaps, label, bound)


def _omitting(bindings: dict[str, Any], arithmetic: str) -> dict[str, Any]:
    """A reduction in which some values do not count."""
    wide = arithmetic == "wide"
    absent = marks.absent_marked if wide else marks.absent_nan
    pivot = bindings.get("pivot_head")
    filler = marks.filler_zero if pivot is None else marks.filler_least if wide else pivot
    return (
        bindings
        | _gap_surveys(bindings["nearest"], absent)
        | {name: getattr(gaps, name) for name in (*_PASSES[1:], "start_slots")}
        | {
            "ATTEMPTS": 1 if wide else 2,
            "expected": gaps.expected_always if wide else gaps.expected_after,
            "absent": absent,
            "filler": filler,
            "vacate": marks.vacate_integers if wide else marks.vacate_floats,
        }
    )


_COMPENSATED = {name: COMPENSATED | bindings for name, bindings in _COMPENSATED.items()}
#: Reductions by method and arithmetic ...
REDUCTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "compensated": _COMPENSATED,
    "exact": _EXACT,
    "gradients": {"single": _pairs(steps.short_product), "double": _pairs(steps.product)},
    "weighted": {"double": _WEIGHTED},
    "compensated_omitting": {name: _omitting(_COMPENSATED[name], name) for name in OMITTING},
    "exact_omitting": {name: _omitting(_EXACT[name], name) for name in OMITTING},
}
#: ... the modules whose functions they bind for the walks, in the order in which they need each other ...
METHOD_MODULES = {
    "compensated": (extremes, folds, tiles, passes),
    "exact": (extremes, folds, limbs, floors, exact, passes),
    "gradients": (extremes, folds, tiles, gradients, passes),
    "weighted": (extremes, folds, tiles, gradients, passes),
    "compensated_omitting": (extremes, folds, tiles, passes, gaps),
    "exact_omitting": (extremes, folds, limbs, floors, exact, passes, gaps),
}
#: ... and the dtype of the words of their states.
STATE_DTYPES = {
    "compensated": np.dtype(np.float64),
    "exact": np.dtype(np.int64),
    "gradients": np.dtype(np.float64),
    "weighted": np.dtype(np.float64),
    "compensated_omitting": np.dtype(np.float64),
    "exact_omitting": np.dtype(np.int64),
}


def reduction_variants(inputs: list[tuple[str, np.dtype]]) -> Iterator[tuple[str, str, np.dtype]]:
    """Every reduction there is: method, arithmetic, dtype of the input."""
    omitted = [(arithmetic, dtype) for arithmetic, dtypes in OMITTING.items() for dtype in dtypes]
    for method, by_arithmetic in REDUCTIONS.items():
        for arithmetic, dtype in omitted if method.endswith("omitting") else inputs:
            if arithmetic in by_arithmetic:
                yield method, arithmetic, dtype
