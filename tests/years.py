"""A data set of several files, for the tests of the command line."""

from pathlib import Path

import numpy as np

import fastbn

YEARS = {"1990.npy": 40, "1991.npy": 7, "deep/1992.npy": 90}


def make_climate():
    """A directory of years, which have different lengths and the same three channels; returns the arrays."""
    rng = np.random.default_rng(5)
    arrays = {}
    for name, length in YEARS.items():
        path = Path("climate") / name
        path.parent.mkdir(exist_ok=True)
        arrays[name] = rng.normal([280, 3, -50], [9, 1, 20], (length, 3)).astype("f4")
        np.save(path, arrays[name])
    Path("climate/notes.txt").write_text("not an array")
    Path("climate/.hidden.npy").write_bytes(b"not an array")
    return arrays


def whole(arrays):
    return np.concatenate([arrays[name] for name in YEARS])


def saved_stats(arrays):
    fastbn.channel_stats(whole(arrays)).save("all.json")
    return "all.json"


def names_below(directory):
    return sorted(str(path.relative_to(directory)) for path in Path(directory).rglob("*") if path.is_file())


def contents(directory):
    return {name: (Path(directory) / name).read_bytes() for name in names_below(directory)}
