"""Which functions make which variant of the kernels of a grid: the table that the CUDA backend compiles from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import machine
from ..operands import tail_plain
from ..reductions import REDUCTIONS
from ..variants import PAIR_TRANSFORMS, TRANSFORMS, WIDE_TRANSFORMS, Made
from . import close, deposits, integers, narrow, pairs, rules, steps

Bindings = dict[str, Any]
VECTOR = 16  # bytes of the widest loads and stores


def _extremes(read: Callable[..., Any], low: Any, high: Any, *, wide: bool = False) -> Bindings:
    words = (rules.head_of_wide, rules.tail_of_wide) if wide else (rules.head_of, rules.tail_none)
    return {"number": read, "NOTHING_LEAST": low, "NOTHING_GREATEST": high, "head": words[0], "tail_of": words[1]}


def _ends(kind: type) -> tuple[Any, Any]:
    if np.dtype(kind).kind == "f":
        return kind(np.inf), kind(-np.inf)
    return kind(np.iinfo(kind).max), kind(np.iinfo(kind).min)


#: How values are read and compared, by the dtype that kernels read.
READS: dict[str, Bindings] = {
    **{code: _extremes(rules.read_short, *_ends(np.int32)) for code in ("i1", "u1", "i2", "u2")},
    **{code: _extremes(rules.read_integer, *_ends(np.int64)) for code in ("i4", "u4")},
    "i8": _extremes(rules.read_as_it_is, *_ends(np.int64), wide=True),
    "u8": _extremes(rules.read_as_it_is, *_ends(np.uint64), wide=True),
    "f2": _extremes(rules.read_half, *_ends(np.float32)),
    "f4": _extremes(rules.read_as_it_is, *_ends(np.float32)),
    "f8": _extremes(rules.read_as_it_is, *_ends(np.float64)),
}
_UNSCALED: Bindings = {
    "ATTEMPTS": 1,
    "scale_for": rules.scale_none,
    "align": rules.align_none,
    "WEIGHTED": 0,
    "ROUNDS": 0,
    "NOTHING": steps.NOTHING,
    "widen": rules.as_they_are,
}
_MOMENTS: Bindings = _UNSCALED | {
    "centre_of": rules.centre_none,
    "pack": rules.pack_moments,
    "conclude": close.conclude_moments,
}
_OF_LIMBS = (
    "FRACTION",
    "HIDDEN",
    "MAGNITUDE",
    "EXPONENT_BIAS",
    "SUM_OFFSET",
    "SQUARE_OFFSET",
    "SQUARE_WORDS",
    "ROWS_OF_STATE",
)
_FLOATS: Bindings = {"finite": rules.finite_value, "irregular": rules.irregular_value}
_INTEGERS: Bindings = {"finite": rules.finite_always, "irregular": rules.irregular_value}
_WHOLE: Bindings = (
    _MOMENTS | _INTEGERS | {"step": steps.whole, "NOTHING": steps.NOTHING_WHOLE, "pack": rules.pack_whole}
)
#: Reductions of moments, by the arithmetic that a dtype needs (``_arrays.py``) ...
MOMENTS: dict[str, Bindings] = {
    "byte": _WHOLE,
    "short": _WHOLE,
    "half": _MOMENTS | _FLOATS | {"step": steps.half},
    "integer": _MOMENTS | _INTEGERS | {"step": steps.double},
    "wide": _MOMENTS | _INTEGERS | {"step": steps.wide},
    "single": _MOMENTS | _FLOATS | {"step": steps.single},
    "double": _MOMENTS
    | _FLOATS
    | {"step": steps.double, "ATTEMPTS": 2, "scale_for": rules.scale_double, "align": rules.align_scales},
}
_NARROW: Bindings = (
    _MOMENTS
    | _FLOATS
    | {"centre_of": narrow.centre, "NOTHING": narrow.NOTHING, "widen": narrow.widen, "pack": narrow.pack}
)
#: ... of some of them, where float64 is slow, in float32 ...
NARROW_MOMENTS: dict[str, Bindings] = {
    "half": _NARROW | {"step": narrow.half},
    "single": _NARROW
    | {
        "step": narrow.single,
        "ATTEMPTS": 2,
        "scale_for": narrow.scale,
        "align": rules.align_scales,
    },
}
#: ... by what counts ...
COUNTS: dict[str, Bindings] = {
    "all": {"counts": rules.counts_all},
    "numbers": {"counts": rules.counts_numbers},
    "marked": {"counts": rules.counts_marked},
}
_PAIRS: Bindings = _UNSCALED | {
    "centre_of": rules.centre_mean,
    "pack": rules.as_they_are,
    "finite": rules.finite_always,
    "irregular": rules.irregular_value,
}


def moments_bindings(arithmetic: str, storage: np.dtype, counts: str) -> tuple[str, Bindings]:
    """Label and bindings of a reduction of moments."""
    code = storage.str[1:]
    return f"{arithmetic}-{code}-{counts}", READS[code] | MOMENTS[arithmetic] | COUNTS[counts]


def narrow_bindings(arithmetic: str, storage: np.dtype, counts: str) -> tuple[str, Bindings]:
    """The same in float32."""
    code, bound = storage.str[1:], NARROW_MOMENTS[arithmetic]
    rounds = {"ROUNDS": narrow.TOGETHER // values_of(storage)}
    return f"narrow-{arithmetic}-{code}-{counts}", READS[code] | bound | COUNTS[counts] | rounds


def values_of(*dtypes: np.dtype) -> int:
    """How many values a thread has under way at once: 16 bytes of the widest."""
    return VECTOR // max(dtype.itemsize for dtype in dtypes)


#: Names that the fold of slots is bound to: reductions that agree in them share it.
CLOSING = ("centre_of", "align", "WEIGHTED", "conclude", *_OF_LIMBS)


def exact_bindings(arithmetic: str, storage: np.dtype, counts: str) -> tuple[str, Bindings]:
    """Of exact sums: the words of a state, and the bits of a number, are those of ``reductions.py``."""
    code = storage.str[1:]
    read = READS[code] | (_FLOATS if storage.kind == "f" else _INTEGERS) | COUNTS[counts] | _UNSCALED
    like = "single" if arithmetic == "half" else arithmetic
    numbers = {name: value for name, value in REDUCTIONS["exact"][like].items() if name in _OF_LIMBS}
    deposit = deposits.deposit_float if storage.kind == "f" else deposits.deposit_integer
    bound = {
        "pattern": machine.sum_pattern if arithmetic == "double" else machine.single_pattern,
        "deposit_number": deposits.deposit_wide if arithmetic == "wide" else deposit,
        "centre_of": rules.centre_none,
        "ROWS": numbers["ROWS_OF_STATE"],
    }
    return f"exact-{arithmetic}-{code}-{counts}", read | numbers | bound


def gradients_bindings(storage: np.dtype) -> tuple[str, Bindings]:
    """Of sums of gradients and of their products with differences from the mean."""
    code = storage.str[1:]
    step = Made(pairs, code, {name: READS[code][name] for name in ("head", "tail_of")}, "gradient")
    bound = {"step": step, "conclude": close.conclude_gradients}
    return f"gradients-{code}", READS[code] | _PAIRS | COUNTS["all"] | bound


def weighted_bindings(storage: np.dtype) -> tuple[str, Bindings]:
    """Of weighted moments."""
    code = storage.str[1:]
    step = Made(pairs, code, {name: READS[code][name] for name in ("head", "tail_of")}, "weighted")
    bound = {
        "step": step,
        "conclude": close.conclude_weighted,
        "centre_of": rules.centre_found if READS[code]["tail_of"] is rules.tail_none else rules.centre_whole,
        "WEIGHTED": 1,
        "finite": rules.finite_value,
    }
    return f"weighted-{code}", READS[code] | _PAIRS | COUNTS["marked"] | bound


#: What a map reads ...
_HEADS: Bindings = {"head": rules.head_of, "tail": tail_plain}
_WIDE: Bindings = {"head": rules.head_of_wide, "tail": rules.tail_of_pair}
_PAIR: Bindings = {"head": rules.head_of, "tail": rules.other_of}
#: ... and what becomes of results, by the dtype that it writes.
DELIVERS: dict[str, Callable[..., Any]] = {
    "f2": rules.to_half,
    "f4": rules.to_single,
    "f8": rules.head_of,
}


def map_bindings(transform: str, arithmetic: str, output: np.dtype) -> tuple[str, Bindings]:
    """Label and bindings of a map."""
    if transform in PAIR_TRANSFORMS:
        kind, bound = "pair", PAIR_TRANSFORMS[transform] | _PAIR
    elif arithmetic == "wide":
        kind, bound = "wide", WIDE_TRANSFORMS[transform] | _WIDE
    else:
        kind, bound = "plain", TRANSFORMS[transform] | _HEADS
    return f"{transform}-{kind}-{output.str[1:]}", bound | {"deliver": DELIVERS[output.str[1:]]}


def _to_integers(code: str) -> Bindings:
    ends, whole = np.iinfo(code), np.uint64 if code == "u8" else np.int64
    bound = {
        "as_whole": np.uint64 if code == "u8" else np.int64,
        "FLOOR": float(ends.min),
        "BEYOND": float(int(ends.max) + 1),
        "LEAST": whole(ends.min),
        "GREATEST": whole(ends.max),
    }
    return {"convert": Made(integers, code, bound, "to_integer")}


#: What becomes of a number on the way into a copy or out of it, by the dtype that is written: integers from float64 are
#: rounded and stop at their ends.
CONVERSIONS: dict[str, Bindings] = {
    **{code: {"convert": function} for code, function in DELIVERS.items()},
    "same": {"convert": rules.read_as_it_is},
    **{code: _to_integers(code) for code in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")},
}
#: What an array says about which values count.
KEEPS: dict[str, Bindings] = {
    "true": {"keeps": rules.keeps_true},
    "false": {"keeps": rules.keeps_false},
    "numbers": {"keeps": rules.keeps_numbers},
}


def number_of(storage: np.dtype) -> Bindings:
    """How a number is read where it is compared: float16, which would be by a function of CUDA C++, as float32."""
    return {"number": READS[storage.str[1:]]["number"]}
