"""HDF5 files: every data set of numbers is a variable, whose values may be packed as in NetCDF.

One channel each, unless ``--channel-axis`` or ``--channel-dim`` (names of dimension scales, or labels) keep axes. Data
sets that are dimension scales, scalars, or of true and false are variables only where they are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._choice import Choice
from ._hdf5_source import Hdf5Source, open_hdf5
from ._hdf5_walk import Entry, is_scale, is_truth


def open_source(path: Path, choice: Choice) -> Hdf5Source:
    """Open the data sets of an HDF5 file."""
    return open_hdf5(path, "HDF5", choice, data_variables)


def data_variables(numbers: Sequence[Entry], _: Sequence[Entry]) -> list[Entry]:
    """Arrays that are no coordinates."""
    arrays = [entry for entry in numbers if entry.object.shape]
    return [entry for entry in arrays if not is_scale(entry.object) and not is_truth(entry.object)]
