"""What the CF conventions call attributes that say something about values."""

from __future__ import annotations

#: What described the values that were normalized, or how they were packed into a file: wrong for those that come out.
OF_VALUES = frozenset({
    "units", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned", "valid_min", "valid_max",
    "valid_range", "actual_range", "flag_values", "flag_masks", "flag_meanings",
})  # fmt: skip
