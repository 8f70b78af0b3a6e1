"""More than 2^31 values: pages of zeros that are only read take no memory."""

import numpy as np
import pytest

import fastbn

pytestmark = pytest.mark.usefixtures("backend")

MANY = 2**31 + 4099


@pytest.mark.parametrize("method", ["compensated", "exact"])
@pytest.mark.parametrize(("shape", "axis"), [((MANY,), None), ((MANY // 2, 2), 1), ((2, MANY // 2), 0)])
def test_statistics(shape, axis, method):
    x = np.zeros(shape, np.uint8)
    x[-1] = x[0] = 200 if x.ndim < 2 or axis == 1 else 0
    if axis == 0:
        x[:, [0, -1]] = 200
    stats = fastbn.channel_stats(x, axis, method=method)
    n = x.size // stats.mean.size
    assert (stats.count == n).all()
    assert (stats.max == 200).all()
    assert (stats.mean == 400 / n).all()
    assert stats.var() == pytest.approx(80_000 / n - (400 / n) ** 2, rel=4e-16)


def test_statistics_of_a_view_that_repeats_itself():
    """Walked block by block: an axis has stride 0."""
    row = np.arange(256, dtype=np.uint8)
    x = np.broadcast_to(row, (2**23 + 1, 256))
    stats = fastbn.channel_stats(x, None)
    assert stats.count == x.size > 2**31
    assert stats.mean == 127.5
    assert stats.var() == (256**2 - 1) / 12
