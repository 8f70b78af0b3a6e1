"""All functions on the kind of Dask arrays that `array.query-planning` chooses; run as a script with that choice."""

import sys

import dask
import dask.array as da
import numpy as np

import fastbn
import fastbn.dask


def main(planned: bool) -> None:
    assert ("_array_expr" in da.Array.__module__) == planned
    dask.config.set(scheduler="synchronous")
    a = np.random.default_rng(0).normal(280.0, 0.5, (40, 6, 8))
    g = np.random.default_rng(1).normal(size=a.shape)
    for kept in (1, (0, 2), None):
        for chunks in ((7, 4, 3), a.shape):
            compare(a, g, kept, chunks)
    relatives(a, g)
    b = (10 * a - 2700).astype(np.uint8)
    x = da.from_array(b, chunks=(7, 4, 3))
    assert fastbn.channel_quantiles(x, 0.5) == fastbn.channel_quantiles(b, 0.5)
    assert (fastbn.robust_scale(x).compute() == fastbn.robust_scale(b)).all()
    x = da.from_array(a, chunks=(7, 4, 3))
    assert fastbn.channel_quantiles(x, 0.5, where=x > 280) == fastbn.channel_quantiles(a, 0.5, where=a > 280)
    assert (fastbn.robust_scale(x).compute() == fastbn.robust_scale(a)).all()
    for value, options in ((np.nan, {"nan_policy": "raise"}), (3.0, {"on_constant": "raise"})):
        bad = a.copy()
        bad[:, 5] = value
        try:
            fastbn.zscore(da.from_array(bad, chunks=(7, 4, 3)), **options).compute()
        except ValueError as error:
            assert "x: channel (5,)" in str(error)  # noqa: PT017 - a script
        else:
            raise AssertionError(options)


def compare(a: np.ndarray, g: np.ndarray, kept: object, chunks: object) -> None:
    x, dy = (da.from_array(array, chunks=chunks) for array in (a, g))
    whole = fastbn.channel_stats(a, kept, method="exact")
    assert fastbn.channel_stats(x, kept, method="exact") == whole
    y, stats = fastbn.zscore(x, kept, method="exact", return_stats=True)
    assert dask.compute(stats)[0] == whole
    assert stats.persist().compute() == whole
    assert dask.optimize(stats)[0].compute() == whole
    assert (stats.mean.compute() == whole.mean).all()
    assert (stats.std(1).compute() == whole.std(1)).all()
    found, found_stats = dask.compute(y, stats)
    assert found_stats == whole
    assert (found == fastbn.zscore(a, kept, method="exact")).all()
    assert (fastbn.normalize(x, whole, kept).compute() == fastbn.normalize(a, whole, kept)).all()
    assert (fastbn.minmax_scale(x, kept).compute() == fastbn.minmax_scale(a, kept)).all()
    weights = np.arange(8)
    weighted = fastbn.channel_stats(x, kept, weights=weights, where=a > 280)
    np.testing.assert_allclose(weighted.mean, fastbn.channel_stats(a, kept, weights=weights, where=a > 280).mean)
    for lazy, array in zip(
        fastbn.batch_norm_backward(dy, x, stats, channel_axis=kept),
        fastbn.batch_norm_backward(g, a, whole, channel_axis=kept),
        strict=True,
    ):
        np.testing.assert_allclose(lazy.compute(), array, rtol=1e-12, atol=1e-12)


def relatives(a: np.ndarray, g: np.ndarray) -> None:
    x, dy = (da.from_array(array, chunks=(7, 4, 3)) for array in (a, g))
    for call in (
        fastbn.instance_norm,
        lambda x: fastbn.group_norm(x, 3),
        lambda x: fastbn.layer_norm(x, axis=(1, 2)),
    ):
        np.testing.assert_allclose(call(x).compute(), call(a), rtol=1e-12, atol=1e-12)
    for call in (
        fastbn.instance_norm_backward,
        lambda dy, x: fastbn.group_norm_backward(dy, x, 3),
        lambda dy, x: fastbn.layer_norm_backward(dy, x, axis=(1, 2)),
    ):
        for lazy, array in zip(call(dy, x), call(g, a), strict=True):
            np.testing.assert_allclose(lazy.compute(), array, rtol=1e-10, atol=1e-10)


if __name__ == "__main__":
    main(sys.argv[1] == "True")
