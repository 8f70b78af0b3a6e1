"""NetCDF files: NetCDF 4, which is HDF5 with conventions, and the classic format, written as NetCDF 4.

Every variable of numbers is one channel, unless ``--channel-dim`` or ``--channel-axis`` keep axes. Not among them, if
they are not named, are coordinates and what else describes other variables by the CF conventions, times, and scalars.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._choice import Choice
from .._errors import JobError
from .._fields import Source
from ._hdf5 import data_variables
from ._hdf5_source import open_hdf5
from ._hdf5_walk import Entry
from ._relations import is_time, related


def open_source(path: Path, choice: Choice) -> Source:
    """Open the variables of a NetCDF file."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"CDF\x05":
        raise JobError(f"{path}: the CDF-5 format is not read: nccopy -k nc4 makes NetCDF 4 of it")
    if head[:3] == b"CDF":
        from ._netcdf_classic import open_classic

        return open_classic(path, choice)
    return open_hdf5(path, "NetCDF", choice, _data_variables)


def _data_variables(numbers: Sequence[Entry], entries: Sequence[Entry]) -> list[Entry]:
    """Arrays that describe no other ones."""
    every = {entry.name: entry.object.attrs for entry in entries if entry.object is not None}
    describing = set(related(every))
    return [
        entry
        for entry in data_variables(numbers, entries)
        if entry.name not in describing and not is_time(entry.object.attrs)
    ]
