"""The layer and the conventions: PyTorch itself, ONNX's own cases, Keras by its formula."""

import pickle
import warnings

import numpy as np
import pytest

import fastbn
import oracle

pytestmark = pytest.mark.usefixtures("backend")


def batches(count, shape=(12, 3), seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.normal(rng.normal(), 2, shape).astype(dtype) for _ in range(count)]


# --- conventions ------------------------------------------------------------------------------------------------------

DEFAULTS = {"torch": (0.1, 1e-5, False, 1), "keras": (0.99, 1e-3, True, 0), "onnx": (0.9, 1e-5, True, 0)}


@pytest.mark.parametrize("convention", DEFAULTS)
def test_conventions_by_their_formulas(convention):
    momentum, eps, of_old, ddof = DEFAULTS[convention]
    (x,) = batches(1, dtype=np.float64)
    mean, var = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    new_mean, new_var = mean.copy(), var.copy()
    y = fastbn.batch_norm(x, running_mean=new_mean, running_var=new_var, convention=convention)
    keep = momentum if of_old else 1 - momentum
    np.testing.assert_allclose(new_mean, keep * mean + (1 - keep) * x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(new_var, keep * var + (1 - keep) * x.var(axis=0, ddof=ddof), rtol=1e-14)
    np.testing.assert_allclose(y, (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps), rtol=1e-12)
    y = fastbn.batch_norm(x, running_mean=mean, running_var=var, training=False, convention=convention)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + eps), rtol=1e-12)
    layer = fastbn.BatchNorm(3, convention=convention)
    assert (layer.momentum, layer.eps) == (momentum, eps)


def test_given_momentum_and_eps_count_in_every_convention():
    (x,) = batches(1, dtype=np.float64)
    for convention, keep in (("torch", 0.75), ("keras", 0.25), ("onnx", 0.25)):
        mean, var = np.zeros(3), np.ones(3)
        fastbn.batch_norm(x, running_mean=mean, running_var=var, convention=convention, momentum=0.25, eps=1.0)
        np.testing.assert_allclose(mean, (1 - keep) * x.mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize("convention", ["Torch", "tf", None, 1])
def test_unknown_convention(convention):
    with pytest.raises(ValueError, match="convention: got"):
        fastbn.batch_norm(np.ones((4, 3)), convention=convention)
    with pytest.raises(ValueError, match="convention: got"):
        fastbn.BatchNorm(3, convention=convention)


def test_cases_of_onnx():
    pytest.importorskip("onnx")
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases("BatchNormalization")
    assert {case.name.rpartition("_mode")[0] for case in cases} > {"test_batchnorm_example_training"}
    for case in cases:
        given = {a.name: a.f or a.i for a in case.model.graph.node[0].attribute}
        training = bool(given.get("training_mode", 0))
        settings = {"eps": given["epsilon"]} if "epsilon" in given else {}
        for (x, scale, bias, *running), expected in case.data_sets:
            mean, var = (array.copy() for array in running)
            y = fastbn.batch_norm(
                x, scale, bias, running_mean=mean, running_var=var, training=training, convention="onnx", **settings
            )
            for ours, theirs in zip([y, mean, var], expected, strict=False):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=case.name)


# --- the layer --------------------------------------------------------------------------------------------------------


def test_it_counts_and_updates_in_training_only():
    layer = fastbn.BatchNorm(3)
    one, two = batches(2)
    layer(one)
    assert layer.num_batches_tracked == 1
    mean, var = layer.running_mean.copy(), layer.running_var.copy()
    assert layer.eval() is layer
    assert layer.training is False
    y = layer(two)
    assert layer.num_batches_tracked == 1
    assert (layer.running_mean.tobytes(), layer.running_var.tobytes()) == (mean.tobytes(), var.tobytes())
    assert y.tobytes() == fastbn.batch_norm(two, running_mean=mean, running_var=var, training=False).tobytes()
    layer.train()(np.empty((0, 3), np.float32))
    assert layer.num_batches_tracked == 1
    layer.reset_running_stats()
    assert (layer.running_mean.tolist(), layer.running_var.tolist(), layer.num_batches_tracked) == ([0] * 3, [1] * 3, 0)


@pytest.mark.parametrize("convention", DEFAULTS)
def test_no_momentum_is_the_average_of_all_batches(convention):
    layer = fastbn.BatchNorm(3, momentum=None, convention=convention, dtype=np.float64)
    seen = batches(7, dtype=np.float64)
    for x in seen:
        layer(x)
    ddof = DEFAULTS[convention][3]
    np.testing.assert_allclose(layer.running_mean, np.mean([x.mean(axis=0) for x in seen], axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, np.mean([x.var(axis=0, ddof=ddof) for x in seen], axis=0), rtol=1e-12)


def test_without_running_statistics_the_batch_always_counts():
    layer = fastbn.BatchNorm(3, track_running_stats=False)
    (x,) = batches(1)
    assert layer.eval()(x).tobytes() == fastbn.batch_norm(x).tobytes()
    assert layer.running_mean is layer.running_var is None
    assert set(layer.state_dict()) == {"weight", "bias"}
    with pytest.raises(ValueError, match="recalibrate"):
        layer.recalibrate([x])


def test_without_parameters():
    layer = fastbn.BatchNorm(3, affine=False)
    (x,) = batches(1)
    assert layer(x).tobytes() == fastbn.batch_norm(x).tobytes()
    layer.backward(np.ones_like(x))
    assert layer.gamma is layer.beta is layer.grad_gamma is layer.grad_beta is None
    assert set(layer.state_dict()) == {"running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("training", [True, False])
def test_backward_is_that_of_the_last_batch(training):
    layer = fastbn.BatchNorm(3, channel_axis=-1)
    x, dy, other = batches(3, (5, 7, 3))
    layer.gamma[...] = [1, 2, 3]
    layer(other)
    layer.train(training)(x)
    layer.eval()  # after the forward pass: it does not matter any more
    dx = layer.backward(dy)
    stats = fastbn.channel_stats(x, -1)
    if not training:
        stats = fastbn.ChannelStats.from_moments(1, layer.running_mean, layer.running_var)
    expected = fastbn.batch_norm_backward(dy, x, stats, layer.gamma, training=training, channel_axis=-1)
    assert dx.tobytes() == expected.dx.tobytes()
    assert layer.grad_gamma.tobytes() == expected.dgamma.astype("f4").tobytes()
    assert layer.grad_beta.tobytes() == expected.dbeta.astype("f4").tobytes()


def test_backward_needs_a_forward():
    with pytest.raises(RuntimeError, match="backward: nothing went forward"):
        fastbn.BatchNorm(3).backward(np.ones((2, 3)))


@pytest.mark.parametrize("convention", DEFAULTS)
def test_recalibrate_gives_exact_statistics_of_all_batches(convention):
    layer = fastbn.BatchNorm(2, convention=convention, dtype=np.float64)
    seen = [x * (i + 1) for i, x in enumerate(batches(5, (1 + 3, 2, 3)))]
    total = layer.recalibrate(iter([*seen, seen[0][:0]]))
    moments = oracle.channel_moments(np.concatenate(seen))
    ddof = DEFAULTS[convention][3]
    assert layer.running_mean.tolist() == [oracle.rounded(m.mean) for m in moments]
    assert layer.running_var.tolist() == [oracle.rounded(m.var(ddof)) for m in moments]
    assert layer.num_batches_tracked == 5
    assert total.method == "exact"
    before = layer.running_mean.copy()
    with pytest.raises(ValueError, match="no values"):
        layer.recalibrate([])
    assert layer.running_mean.tobytes() == before.tobytes()


def test_a_batch_of_which_nothing_counts_is_not_tracked():
    layer = fastbn.BatchNorm(2, momentum=None)
    x = np.ma.MaskedArray(np.ones((4, 2)), mask=True)
    layer(x)
    assert layer.num_batches_tracked == 0
    layer(np.arange(8.0).reshape(4, 2))
    assert layer.num_batches_tracked == 1
    assert layer.running_mean.tolist() == [3.0, 4.0]


def test_state_comes_back_and_pickles():
    layer = fastbn.BatchNorm(3, momentum=None, eps=1e-3)
    for x in batches(3):
        layer(x)
    layer.gamma[...] = [1, 2, 3]
    state = layer.state_dict()
    assert state["num_batches_tracked"] == 3
    state["weight"][0] = 7  # a copy
    assert layer.gamma[0] == 1
    other = fastbn.BatchNorm(3, momentum=None, eps=1e-3)
    other.load_state_dict(layer.state_dict())
    copy = pickle.loads(pickle.dumps(layer))
    (x,) = batches(1, seed=9)
    outputs = {each.eval()(x).tobytes() for each in (layer, other, copy)}
    assert len(outputs) == 1
    assert copy.num_batches_tracked == other.num_batches_tracked == 3


@pytest.mark.parametrize(
    "change",
    [
        {"weight": None},
        {"extra": np.ones(3)},
        {"running_var": np.ones(4)},
        {"bias": np.array(["a", "b", "c"])},
        {"num_batches_tracked": "three"},
        {"num_batches_tracked": np.array([3, 4])},
    ],
)
def test_states_that_do_not_fit(change):
    layer = fastbn.BatchNorm(3)
    state = layer.state_dict() | {"running_mean": np.full(3, 9.0)} | change
    state = {name: value for name, value in state.items() if value is not None}
    with pytest.raises(ValueError, match="d: got"):
        layer.load_state_dict(state)
    assert layer.running_mean.tolist() == [0, 0, 0]


@pytest.mark.parametrize("channel_axis", ["a", None, (0, 1), 1.0])
def test_a_layer_keeps_one_axis(channel_axis):
    with pytest.raises(TypeError, match=r"^channel_axis: got .*; wants an int$"):
        fastbn.BatchNorm(3, channel_axis=channel_axis)


def test_states_without_a_count_are_older_ones():
    layer = fastbn.BatchNorm(3)
    state = layer.state_dict()
    del state["num_batches_tracked"]
    layer.load_state_dict(state)
    assert layer.num_batches_tracked == 0


def test_repr():
    assert repr(fastbn.BatchNorm(64)) == "BatchNorm(64, eps=1e-05, momentum=0.1, dtype=float32)"
    layer = fastbn.BatchNorm(2, affine=False, momentum=None, convention="keras", channel_axis=-1, dtype="f8")
    assert repr(layer) == (
        "BatchNorm(2, eps=0.001, momentum=None, channel_axis=-1, affine=False, convention='keras', dtype=float64)"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_channels": 0}, ValueError),
        ({"num_channels": 2.5}, TypeError),
        ({"num_channels": 3, "momentum": 2}, ValueError),
        ({"num_channels": 3, "eps": -1}, ValueError),
        ({"num_channels": 3, "dtype": "i4"}, TypeError),
    ],
)
def test_bad_layers(arguments, error):
    with pytest.raises(error, match=next(reversed(arguments))):
        fastbn.BatchNorm(**arguments)


def test_other_channels_are_refused_and_nothing_changes():
    for layer in (fastbn.BatchNorm(3), fastbn.BatchNorm(3, affine=False, track_running_stats=False)):
        with pytest.raises(ValueError, match="x: got 4 channels"):
            layer(np.ones((5, 4), np.float32))
        assert layer.num_batches_tracked == 0
    with pytest.raises(ValueError, match="one value per channel"):
        fastbn.BatchNorm(3)(np.ones((1, 3), np.float32))


@pytest.mark.parametrize(("rank", "shape"), [(1, (6, 4)), (1, (6, 4, 5)), (2, (3, 4, 5, 6)), (3, (2, 4, 3, 4, 5))])
@pytest.mark.parametrize("settings", [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}])
def test_same_as_pytorch(rank, shape, settings):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, f"BatchNorm{rank}d")(4, **settings)
    ours = fastbn.BatchNorm(4, **settings)
    if settings.get("affine", True):
        with torch.no_grad():
            theirs.weight.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
        ours.load_state_dict(theirs.state_dict())
    for x in batches(3, shape):
        expected = theirs(torch.from_numpy(x))
        np.testing.assert_allclose(ours(x), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-5, atol=1e-6)
    fresh = fastbn.BatchNorm(4, **settings)
    fresh.load_state_dict(theirs.state_dict())
    theirs.load_state_dict({name: torch.from_numpy(np.array(v)) for name, v in ours.state_dict().items()})
    x = batches(1, shape, seed=5)[0]
    expected = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(fresh.eval()(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "vector", "error", "words"),
    [
        ("running_mean", np.zeros(3, int), TypeError, "running_mean: got dtype int64"),
        ("running_var", np.ones(3, complex), TypeError, "running_var: got dtype complex128"),
        ("running_mean", [0.0, 0.0, 0.0], TypeError, "running_mean: got list"),
        ("running_var", np.ones(4), ValueError, r"running_var: got shape \(4,\)"),
        ("running_var", None, ValueError, "running_var: got None"),
    ],
)
def test_running_statistics_that_cannot_hold_new_ones_are_refused(name, vector, error, words):
    layer = fastbn.BatchNorm(3)
    setattr(layer, name, vector)
    before = repr(vector)
    with pytest.raises(error, match=f"^{words}"):
        layer(np.array([[0.5, 1.0, 2.0], [1.0, 3.0, 4.0]]))
    assert repr(vector) == before
    assert layer.num_batches_tracked == 0


def test_running_statistics_in_one_memory_are_refused():
    layer = fastbn.BatchNorm(3)
    layer.running_var = layer.running_mean
    with pytest.raises(ValueError, match=r"^running_var: got an array that overlaps running_mean"):
        layer(np.ones((4, 3)))
