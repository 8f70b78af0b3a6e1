"""Which functions make which variant: the one table from which every backend builds its kernels.

A binding says: in module M, the free name N is function F of module K.
"""

from .. import _algebra as algebra
from . import accumulate, operands, pivots, states

PLAIN = {"head": operands.head_plain, "tail": operands.tail_plain}
WIDE = {"head": operands.head_wide, "tail": operands.tail_wide}
EXACT = {
    "pivot_head": pivots.pivot_none,
    "pivot_tail": pivots.pivot_none,
    "start": pivots.start_none,
    "carry": pivots.carry_none,
    "bias": pivots.bias_narrow,
}
NEAR = {
    "pivot_head": pivots.pivot_near,
    "pivot_tail": pivots.pivot_none,
    "start": pivots.start_near,
    "carry": pivots.carry_near,
    "bias": pivots.bias_near,
}
LEAST = NEAR | {
    "pivot_head": pivots.pivot_least,
    "pivot_tail": pivots.pivot_least_tail,
    "carry": pivots.carry_none,
}
MOMENTS = {
    "close_tile": states.close_tile_moments,
    "join": states.join_moments,
    "close_channels": states.close_channels_moments,
}
TOTALS = {
    "close_tile": states.close_tile_totals,
    "join": states.join_totals,
    "close_channels": states.close_channels_totals,
}

#: Reductions by the arithmetic that a dtype needs (``_arrays.py``).
REDUCTIONS = {
    "narrow": TOTALS | EXACT | {"accumulate": accumulate.accumulate_narrow},
    "single": MOMENTS | NEAR | {"accumulate": accumulate.accumulate_single},
    "double": MOMENTS | NEAR | {"accumulate": accumulate.accumulate_double},
    "wide": MOMENTS | LEAST | {"accumulate": accumulate.accumulate_wide},
}

#: What a map computes, and how it reads its input.
TRANSFORMS = {
    "affine": {"transform": algebra.affine},
    "affine_words": {"transform": algebra.affine_words},
    "rescale": {"transform": algebra.rescale},
}
#: The same for 64-bit integers.
WIDE_TRANSFORMS = TRANSFORMS | {"affine_words": {"transform": algebra.affine_wide}}


def map_bindings(transform, arithmetic):
    """Label and bindings of a map."""
    if arithmetic == "wide":
        return f"{transform}-wide", WIDE_TRANSFORMS[transform] | WIDE
    return f"{transform}-plain", TRANSFORMS[transform] | PLAIN
