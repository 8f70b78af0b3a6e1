"""What attributes say of other variables, by the CF conventions, and of times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._packing import text_of

# Attributes that name other variables (for xarray: `CF_RELATED_DATA`).
RELATING = (
    "coordinates", "bounds", "climatology", "grid_mapping", "geometry", "node_coordinates", "node_count",
    "part_node_count", "interior_ring", "cell_measures", "formula_terms",
)  # fmt: skip


def is_time(attributes: Mapping[str, Any]) -> bool:
    """Whether numbers are counted from a date."""
    return " since " in text_of(attributes.get("units"))


def related(every: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Names of variables that others, or groups, say describe them, given the attributes of all by name."""
    for name, attributes in every.items():
        for word in " ".join(text_of(attributes.get(relation)) for relation in RELATING).split():
            found = word.rstrip(":")
            group = name
            while group and not found.startswith("/"):  # the nearest group that has such a one
                group = group.rpartition("/")[0]
                if (place := f"{group}/{found}".lstrip("/")) in every:
                    yield place
                    break
            else:
                yield found.lstrip("/")
