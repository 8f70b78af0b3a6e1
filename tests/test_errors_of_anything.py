"""Arguments that are nothing at all: still one line that names them, not an error from somewhere within."""

import os

import numpy as np
import pytest

import fastbn

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

NO_TRUTH = np.array([1.0, 2.0])
RAGGED = [[1, 2], [3]]
X = np.ones((6, 3))


def told(error, words, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    message = str(caught.value)
    assert message.startswith(words), message
    assert len(message.splitlines()) == 1
    assert len(message) < 500


@pytest.mark.parametrize("name", ["zscore", "minmax_scale", "robust_scale", "batch_norm"])
def test_flags_without_a_truth_value_are_refused_before_anything_is_written(name):
    out = np.full((6, 3), 7.0)
    told(TypeError, "return_stats: got array", getattr(fastbn, name), X, return_stats=NO_TRUTH, out=out)
    assert (out == 7).all()


def test_flags_of_layers():
    told(TypeError, "affine: got", fastbn.BatchNorm, 3, affine=NO_TRUTH)
    told(TypeError, "mode: got", fastbn.BatchNorm(3).train, NO_TRUTH)
    told(TypeError, "training: got", fastbn.batch_norm, X, training=NO_TRUTH)
    told(TypeError, "clip: got", fastbn.minmax_scale, X, clip=NO_TRUTH)


class Tensor:
    """Two numbers, as PyTorch has them."""

    def __bool__(self):
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __float__(self):
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")


def test_tensors_in_place_of_one_value():
    told(TypeError, "training: got", fastbn.batch_norm, X, training=Tensor())
    told(TypeError, "eps: got", fastbn.zscore, X, eps=Tensor())


@pytest.mark.parametrize("value", [np.ma.masked, np.complex64(1), NO_TRUTH, np.array([1.0]), np.datetime64("NaT", "s")])
def test_numbers_that_numpy_would_make_one_of(value):
    told(TypeError, "eps: got", fastbn.zscore, X, eps=value)
    told(TypeError, "momentum: got", fastbn.batch_norm, X, momentum=value)


def test_values_are_shown_in_one_line_however_long_they_are():
    told(ValueError, "count: got array", fastbn.ChannelStats.from_moments, np.full((9, 9), 0.5), 0, 0)
    told(TypeError, "num_groups: got array", fastbn.group_norm, X, np.zeros((9, 9)))
    told(ValueError, "ddof: got something of type int", fastbn.zscore, X, ddof=10**5000)
    told(TypeError, "dtype: got something of type int", fastbn.zscore, X, dtype=10**5000)


@pytest.mark.parametrize("dtype", ["no such", 5, {"names": [1]}, NO_TRUTH, ("f4", -1)])
def test_dtypes_that_are_none(dtype):
    told(TypeError, "dtype: got", fastbn.BatchNorm, 3, dtype=dtype)
    told(TypeError, "dtype: got", fastbn.ChannelStats.empty, 3, dtype)


@pytest.mark.parametrize("shape", [-1, (2, -1), 2**63, (2**40, 2**40), 10**30])
def test_shapes_that_no_vectors_have(shape):
    told(ValueError, "shape: got", fastbn.ChannelStats.empty, shape)


def test_layers_of_more_channels_than_there_can_be():
    told(ValueError, "num_channels: got", fastbn.BatchNorm, 2**63)


def test_what_is_not_iterable():
    told(TypeError, "names: got 5 of type int", fastbn.channel_stats(X).with_names, 5)
    told(TypeError, "parts: got 5 of type int", fastbn.ChannelStats.concatenate, 5)
    told(TypeError, "batches: got 5 of type int", fastbn.BatchNorm(3).recalibrate, 5)
    told(TypeError, "d: got int", fastbn.BatchNorm(3).load_state_dict, 5)


def test_batches_of_other_channels():
    told(ValueError, "batches: got", fastbn.BatchNorm(3).recalibrate, [X, np.ones((6, 4))])
    told(ValueError, "x: got no rectangular", fastbn.BatchNorm(3).forward, RAGGED)


@pytest.mark.parametrize("count", [-1, 1.5, np.nan, np.inf, 2.0**63])
def test_numbers_of_batches_that_are_none_change_nothing(count):
    layer = fastbn.BatchNorm(3)
    before = layer.state_dict()
    wrong = before | {"num_batches_tracked": np.array(count), "weight": np.full(3, 5.0)}
    told(ValueError, "d: got num_batches_tracked", layer.load_state_dict, wrong)
    assert (layer.gamma == before["weight"]).all()


def test_states_beyond_the_range_of_the_layer_become_infinite_without_a_warning():
    layer = fastbn.BatchNorm(1, dtype="f2")
    layer.load_state_dict(layer.state_dict() | {"running_var": np.array([1e300])})
    assert np.isinf(layer.running_var).all()


def test_channels_that_are_selected_twice_or_by_no_index():
    stats = fastbn.channel_stats(X).with_names(["a", "b", "c"])
    told(ValueError, "index: got ('a', 'a')", stats.select, [0, 0])
    for index in (RAGGED, 10**30, np.uint64(2**64 - 1)):
        with pytest.raises(IndexError, match="index: got"):
            stats.select(index)


def test_records_with_arrays_in_them():
    record = fastbn.channel_stats(X).to_dict()
    told(ValueError, "not statistics of fastbn", fastbn.ChannelStats.from_dict, record | {"format": NO_TRUTH})
    found = fastbn.channel_quantiles(X, 0.5).to_dict()
    told(ValueError, "not quantiles of fastbn", fastbn.ChannelQuantiles.from_dict, found | {"format": NO_TRUTH})


@pytest.mark.skipif(os.name == "nt", reason="Windows has names of halves of characters")
def test_paths_that_no_file_can_have():
    told(ValueError, "path: got", fastbn.channel_stats(X).save, "\ud800")
    told(ValueError, "path: got", fastbn.ChannelStats.load, "\0")


def test_names_of_backends_and_accumulators_that_are_arrays():
    told(fastbn.BackendUnavailable, "backend: got array", fastbn.set_backend, NO_TRUTH)
    told(ValueError, "kind: got array", fastbn.set_accumulators, NO_TRUTH)


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="long double is float64 here")
def test_vectors_of_long_doubles_are_refused_as_data_are():
    told(TypeError, "gamma: got dtype", fastbn.batch_norm, X, gamma=np.ones(3, "g"))
    told(ValueError, "d: got weight", fastbn.BatchNorm(3, track_running_stats=False).load_state_dict,
         {"weight": np.ones(3, "g"), "bias": np.ones(3)})  # fmt: skip


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i4", "i8", "?"])
def test_a_number_may_have_a_weight(dtype):
    """Data without axes, of which NumPy's arithmetic makes numbers."""
    stats = fastbn.channel_stats(np.array(1, dtype), None, weights=np.float32(3), where=np.array(True))
    assert (stats.mean, stats.weight, stats.count, stats.var()) == (1, 3, 1, 0)


#: NaN of which the hardware takes notice when they are converted, or computed with.
SIGNALLING = (
    np.uint16(0x7D00).view(np.float16),
    np.uint32(0x7FA00000).view(np.float32),
    np.uint64(0x7FF4 << 48).view("f8"),
)


@pytest.mark.parametrize("number", SIGNALLING, ids=lambda number: number.dtype.name)
def test_signalling_nan_are_no_reason_for_a_warning(number):
    data, vector = (np.full(shape, number.view(f"u{number.itemsize}")).view(number.dtype) for shape in ((6, 3), 3))
    known = fastbn.channel_stats(X)
    assert np.isnan(fastbn.batch_norm(X, vector, vector)).all()
    assert np.isnan(fastbn.batch_norm(X, running_mean=vector, running_var=vector, training=False)).all()
    running = vector.copy(), vector.copy()
    fastbn.batch_norm(X, running_mean=running[0], running_var=running[1])
    assert np.isnan(running).all()
    layer = fastbn.BatchNorm(3, dtype=vector.dtype)
    layer.load_state_dict(layer.state_dict() | {"running_mean": vector, "weight": vector})
    assert np.isnan(layer.forward(X)).all()
    assert np.isnan(layer.running_mean).all()
    assert np.isnan(fastbn.batch_norm_backward(X, X, known, vector).dx).all()
    assert np.isnan(fastbn.denormalize(X, known, gamma=vector)).all()
    for stats in (fastbn.channel_stats(data), fastbn.ChannelStats.from_moments(6, vector, 0)):
        assert np.isnan(stats.merge(known, fastbn.channel_stats(data)).mean).all()
        assert np.isnan(fastbn.ChannelStats.concatenate([stats, known]).mean[:3]).all()
    assert np.isnan(fastbn.ChannelStats.from_moments(6, 0, vector).std()).all()
    for scaled in (fastbn.zscore(data), fastbn.minmax_scale(data), fastbn.robust_scale(data)):
        assert np.isnan(scaled).all()
    assert np.isnan(fastbn.minmax_unscale(X, fastbn.channel_stats(data))).all()
    assert fastbn.channel_stats(data, nodata=vector).count.tolist() == [0, 0, 0]


def test_records_with_numbers_that_are_none_of_their_dtype():
    record = fastbn.channel_stats(X.astype("f4")).to_dict()
    for name, value, words in (
        ("min", [1e300, 1, 1], "damaged statistics: ValueError: got 1e+300; wants a float32"),
        ("min", ["N" * 5000, 1, 1], "damaged statistics: TypeError: got 'NNN"),
        ("version", 10**5000, "version: got something of type int"),
        ("m2", [1.0, 1.0, -1.0], "damaged statistics: ValueError: m2: wants"),
        ("m2_tail", [0.0, -1.5, 0.0], "damaged statistics: ValueError: m2_tail: wants"),
        ("mean_tail", [0.0, 0.0, "NaN"], "damaged statistics: ValueError: mean_tail: wants"),
    ):
        told(ValueError, words, fastbn.ChannelStats.from_dict, record | {name: value})
