"""Arrays with their cuts into chunks, for the tests of Dask arrays."""

import itertools

import numpy as np
from hypothesis import strategies as st

import fastbn

FLOATS = ["float16", "float32", "float64"]
DTYPES = [*FLOATS, "bool", "uint8", "int16", "int32", "uint64"]


def values(shape, dtype, seed):
    """Numbers of a dtype: close to each other, far from 0."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.normal(280.0, 0.5, shape)).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.4
    low, high = (int(end) for end in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    return rng.integers(low, high, shape, dtype, endpoint=True)


@st.composite
def cuts(draw, size):
    """Sizes of chunks along an axis, some of them 0."""
    ends = sorted(draw(st.lists(st.integers(0, size), max_size=3)))
    return tuple(b - a for a, b in itertools.pairwise([0, *ends, size]))


@st.composite
def cases(draw, dtypes=DTYPES, least=1, smallest=0):
    """An array, its chunks, and kept axes."""
    shape = tuple(draw(st.lists(st.integers(smallest, 5), min_size=least, max_size=4)))
    x = values(shape, draw(st.sampled_from(dtypes)), draw(st.integers(0, 2**32)))
    chunks = tuple(draw(cuts(n)) for n in shape)
    kept = draw(st.none() | st.lists(st.integers(0, len(shape) - 1), unique=True, max_size=len(shape)).map(tuple))
    return x, chunks, kept


@st.composite
def beside(draw, shape):
    """A shape that broadcasts to another one."""
    sizes = [draw(st.sampled_from([1, n])) for n in shape]
    return tuple(sizes[draw(st.integers(0, len(sizes))) :])


def spaced(x, channel_axis):
    """``max(abs(x), abs(mean))`` in spacings of its dtype: what errors of inverse maps are measured in."""
    stats = fastbn.channel_stats(x, channel_axis)
    return np.spacing(np.maximum(abs(stats.min), abs(stats.max)).max().astype(x.dtype))


def threads_of(block):
    """How many threads a task may use, as an array: in a module that other processes can import."""
    return np.array([[fastbn.get_num_threads()]])
