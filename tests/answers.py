"""Everything fastbn computes of an array, as bytes, and one digest over all hostile arrays: what backends agree on.

As a script it prints the digest of the backend in use.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np

import fastbn
from generators import CASES, FLOATS, INTEGERS, channels
from layouts import LAYOUTS
from rational import MAPS

SPECIAL = (np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0)


def answers(x, channel_axis=1):
    """Name -> result, for every function, output dtype and vector of statistics."""
    with np.errstate(all="ignore"):
        stats = fastbn.channel_stats(x, channel_axis)
        found = {name: getattr(stats, name) for name in ("count", "mean", "min", "max")}
        found |= {f"var({ddof})": stats.var(ddof) for ddof in (0, 1)}
        found |= {"state": np.frombuffer(repr(stats.to_dict()).encode(), np.uint8)}
        exact = fastbn.channel_stats(x, channel_axis, method="exact")
        found |= {"exact state": np.frombuffer(repr(exact.to_dict()).encode(), np.uint8)}
        found |= {f"exact {name}": value for name, value in (("var", exact.var(1)), ("std", exact.std()))}
        several = x.size > stats.count.size  # else there is no training
        found |= {name: function(x, channel_axis) for name, function in MAPS.items() if several or name != "batch_norm"}
        for dtype in FLOATS:
            found[f"zscore {dtype}"] = fastbn.zscore(x, channel_axis, dtype=dtype, eps=1e-3)
            found[f"minmax {dtype}"] = fastbn.minmax_scale(x, channel_axis, dtype=dtype, clip=True)
        shape = stats.shape
        mean, var = np.full(shape, -np.nan), np.ones(shape)
        if several:
            gamma, beta = np.full(shape, -1.5), np.full(shape, 0.25)
            found["trained"] = fastbn.batch_norm(
                x, gamma, beta, running_mean=mean, running_var=var, channel_axis=channel_axis
            )
            found |= {"running_mean": mean, "running_var": var}
            gradient = fastbn.zscore(x, channel_axis, eps=1.0)[::-1] if x.ndim else x
            if gradient.dtype.kind == "f":
                found |= fastbn.batch_norm_backward(gradient, x, stats, gamma, channel_axis=channel_axis)._asdict()
        ends = np.full(shape, np.inf)
        flat = fastbn.ChannelStats.from_moments(stats.count, ends, ends, min=ends, max=ends)
        found["infinite"] = fastbn.minmax_unscale(x, flat, channel_axis)
    return {name: np.ascontiguousarray(value).tobytes() for name, value in found.items()}


def arrays():
    """Yield hostile arrays with their channel axis: every family and dtype, in layouts that take turns."""
    layouts = itertools.cycle(LAYOUTS.items())
    for name, dtype in CASES:
        for layout, arrange in itertools.islice(layouts, 3):
            arranged = arrange(channels(name, dtype))
            yield f"{name} {dtype} {layout}", arranged.x, arranged.axis
    rng = np.random.default_rng(0)
    for dtype, shape in itertools.product(
        (*FLOATS, *INTEGERS), ((9, 7), (300, 3), (5, 20, 17), (3, 2, 700), (40000, 5))
    ):
        x = rng.integers(0, 2 if dtype == "bool" else 120, shape).astype(dtype)
        yield f"small numbers {dtype} {shape}", x, 1
        if dtype in FLOATS:
            x = rng.normal(5, 1, shape).astype(dtype)
            x.reshape(-1)[rng.integers(0, x.size, 2)] = rng.choice(SPECIAL, 2)
            yield f"special values {dtype} {shape}", x, 1


def digest():
    """One number for all answers of the backend in use."""
    total = hashlib.sha256()
    for name, x, channel_axis in arrays():
        total.update(name.encode())
        for key, value in answers(x, channel_axis).items():
            total.update(key.encode() + value)
    return total.hexdigest()


if __name__ == "__main__":
    print(digest())
