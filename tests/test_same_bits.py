"""The same bits from fused and unfused paths, with any number of threads, and in every run."""

import numpy as np
import pytest

import fastbn
from fastbn._backends import host
from rational import MAPS

pytestmark = pytest.mark.usefixtures("backend")

# shape and channel axis, from a handful of numbers to a few MB
SHAPES = [
    ((2, 3), 1),
    ((5, 1000), 1),
    ((1000, 3), 1),
    ((4096, 32), 1),
    ((64, 7, 7, 7), 1),
    ((8, 64, 56, 56), 1),
    ((2, 3, 300, 300), 1),
    ((300, 5, 14, 14), 1),
    ((8, 56, 56, 64), -1),
    ((300, 300, 3), -1),
    ((3, 250000), 0),
    ((700000,), None),
    ((20, 6, 50, 40), (1, 3)),
]
THREADS = (1, 2, 3, 7)
ARRANGEMENTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, :, ::-1],
    "sliced": lambda x: x[:, 1:, ::3],
    "big-endian": lambda x: x.astype(">f4"),
}


@pytest.fixture
def threads():
    """Give a function that sets the number of threads; the old number comes back afterwards."""
    before = fastbn.get_num_threads()
    yield fastbn.set_num_threads
    fastbn.set_num_threads(before)


@pytest.fixture(scope="module", params=["f4", "f8"])
def data(request):
    """Give arrays of any shape, cut from one."""
    values = np.random.default_rng(0).normal(280, 0.5, 2**21).astype(request.param)
    return lambda shape: values[: np.prod(shape)].reshape(shape)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_zscore_is_channel_stats_and_normalize(data, shape, axis):
    x = data(shape)
    y, stats = fastbn.zscore(x, axis, return_stats=True)
    assert stats == fastbn.channel_stats(x, axis)
    assert y.tobytes() == fastbn.normalize(x, stats, axis).tobytes()
    assert y.tobytes() == fastbn.zscore(x, axis, stats=stats).tobytes()


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_minmax_scale_is_channel_stats_and_minmax_scale(data, shape, axis):
    x = data(shape)
    y, stats = fastbn.minmax_scale(x, axis, return_stats=True)
    assert stats == fastbn.channel_stats(x, axis)
    assert y.tobytes() == fastbn.minmax_scale(x, axis, stats=stats).tobytes()


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_batch_norm_is_channel_stats_and_normalize(data, shape, axis):
    x = data(shape)
    channels = fastbn.channel_stats(x, axis).shape
    gamma, beta = np.random.default_rng(1).normal(size=(2, *channels))
    mean, var = np.zeros(channels), np.zeros(channels)
    y, stats = fastbn.batch_norm(
        x, gamma, beta, running_mean=mean, running_var=var, momentum=1, channel_axis=axis, return_stats=True
    )
    assert stats == fastbn.channel_stats(x, axis)
    assert y.tobytes() == fastbn.normalize(x, stats, axis, gamma=gamma, beta=beta, eps=1e-5).tobytes()
    assert mean.tobytes() == stats.mean.tobytes()
    assert var.tobytes() == stats.var(ddof=1).tobytes()


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("name", MAPS)
def test_any_number_of_threads(data, threads, name, shape, axis):
    x = data(shape)
    bits = set()
    for number in THREADS:
        threads(number)
        bits.add(MAPS[name](x, axis).tobytes())
    assert len(bits) == 1


@pytest.mark.parametrize(("shape", "axis"), [((8, 64, 56, 56), 1), ((2, 3, 300, 300), 1), ((3, 250000), 0)])
def test_any_size_of_cache(data, monkeypatch, shape, axis):
    """Channels go forward and back together or not, in groups of any size."""
    x = data(shape)
    bits = set()
    for size in (1, 2**20, 2**40):
        monkeypatch.setattr(host, "share_of_cache", lambda threads, size=size: size)
        monkeypatch.setattr(host, "_GROUP", min(size, 2**21))
        y, stats = fastbn.batch_norm(x, channel_axis=axis, return_stats=True)
        dx, dgamma, dbeta = fastbn.batch_norm_backward(y[::-1], x, stats, channel_axis=axis)
        bits.add((y.tobytes(), dx.tobytes(), dgamma.tobytes(), dbeta.tobytes()))
    assert len(bits) == 1


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize("name", MAPS)
def test_any_number_of_threads_in_any_layout(threads, name, arrange):
    x = arrange(np.random.default_rng(0).normal(280, 0.5, (50, 7, 1000)).astype(np.float32))
    bits = set()
    for number in THREADS:
        threads(number)
        bits.add(MAPS[name](x).tobytes())
    assert len(bits) == 1


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_in_place_and_anew(data, shape, axis):
    x = data(shape)
    for name, function in MAPS.items():
        target = x.copy()
        assert function(target, axis, out=target).tobytes() == function(x, axis).tobytes(), name
