"""Arrays of other libraries on the host: the same numbers as NumPy's, the same kind, the same memory."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import fastbn

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]


class Speaks:
    """An array of nobody's library, that speaks DLPack and no more."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


#: Before, NumPy sees all that DLPack gives it as read-only, and gives away nothing that is.
WRITES = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
writes = pytest.mark.skipif(not WRITES, reason="NumPy before 2.1 does not write to what it has by DLPack")


class Kind(NamedTuple):
    """A library: from and to NumPy without a copy, and its type."""

    of: object
    numpy: object
    type: type


def _strict():
    library = pytest.importorskip("array_api_strict")
    if not WRITES:
        pytest.skip("array_api_strict wants NumPy 2.1")
    return Kind(library.from_dlpack, np.from_dlpack, type(library.asarray(0.0)))


def _torch():
    torch = pytest.importorskip("torch")
    return Kind(torch.from_numpy, lambda t: t.numpy(), torch.Tensor)


def _speaks():
    return Kind(Speaks, lambda y: y if isinstance(y, np.ndarray) else y.array, np.ndarray)


@pytest.fixture(params=[_strict, _torch, _speaks], ids=["strict", "torch", "protocol"])
def library(request):
    return request.param()


def batch(dtype="float32", shape=(6, 3, 4, 5)):
    rng = np.random.default_rng(3)
    return (rng.normal(3, 2, shape) * 20).astype(dtype)


STATS = fastbn.ChannelStats.from_moments(9, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], min=[-9.0] * 3, max=[9.0] * 3)
CALLS = {
    "zscore": lambda x: fastbn.zscore(x, ddof=1),
    "keywords": lambda x: fastbn.zscore(x=x, channel_axis=-1),
    "minmax_scale": lambda x: fastbn.minmax_scale(x, clip=True),
    "normalize": lambda x: fastbn.normalize(x, STATS, gamma=[1.0, 2.0, 3.0]),
    "denormalize": lambda x: fastbn.denormalize(x, STATS),
    "minmax_unscale": lambda x: fastbn.minmax_unscale(x, STATS),
    "batch_norm": lambda x: fastbn.batch_norm(x, np.ones(3), np.zeros(3)),
    "instance_norm": fastbn.instance_norm,
    "group_norm": lambda x: fastbn.group_norm(x, 3),
    "layer_norm": fastbn.layer_norm,
    "robust_scale": fastbn.robust_scale,
    "layer": lambda x: fastbn.BatchNorm(3).forward(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("call", CALLS)
def test_the_same_bits_and_the_same_kind(library, call, dtype):
    x = batch(dtype)
    y = CALLS[call](library.of(x.copy()))
    wanted = CALLS[call](x)
    assert type(y) is library.type
    found = library.numpy(y)
    assert (found.dtype, found.tobytes()) == (wanted.dtype, wanted.tobytes())


def test_statistics_are_statistics(library):
    x = batch()
    assert fastbn.channel_stats(library.of(x.copy())) == fastbn.channel_stats(x)
    y, stats = fastbn.zscore(library.of(x.copy()), return_stats=True)
    assert type(y) is library.type
    assert stats == fastbn.channel_stats(x)
    assert stats.update(library.of(x.copy())) == stats + stats
    assert fastbn.channel_quantiles(library.of(x.copy()), 0.5) == fastbn.channel_quantiles(x, 0.5)


def test_gradients_are_theirs(library):
    x, dy = batch(), batch()[::-1].copy()
    stats = fastbn.channel_stats(x)
    found = fastbn.batch_norm_backward(library.of(dy.copy()), library.of(x.copy()), stats)
    wanted = fastbn.batch_norm_backward(dy, x, stats)
    assert type(found) is fastbn.BatchNormGradients
    for mine, theirs in zip(found, wanted, strict=True):
        assert type(mine) is library.type
        assert library.numpy(mine).tobytes() == theirs.tobytes()


def test_a_layer_goes_both_ways(library):
    x = batch()
    layer, other = fastbn.BatchNorm(3), fastbn.BatchNorm(3)
    layer(library.of(x.copy()))
    other(x)
    dx, wanted = layer.backward(library.of(x.copy())), other.backward(x)
    assert type(dx) is library.type
    assert library.numpy(dx).tobytes() == wanted.tobytes()
    assert layer.grad_gamma.tobytes() == other.grad_gamma.tobytes()
    assert layer.running_var.tobytes() == other.running_var.tobytes()


@writes
def test_nothing_is_copied(library):
    """What is written to the result of one is seen in the other: it is one memory."""
    x, memory = batch(), np.zeros_like(batch())
    out = library.of(memory)
    assert fastbn.zscore(library.of(x.copy()), out=out) is out
    assert memory.tobytes() == fastbn.zscore(x).tobytes()
    same = library.of(memory)
    assert fastbn.minmax_scale(same, out=same) is same
    assert memory.min() == 0.0
    assert memory.max() == 1.0


@writes
def test_the_other_arguments_may_be_theirs(library):
    x = batch()
    mask = x > 0
    gamma, mean, var = np.array([1.0, 2.0, 3.0]), np.zeros(3), np.ones(3)
    y = fastbn.batch_norm(
        library.of(x.copy()),
        library.of(gamma),
        running_mean=library.of(mean),
        running_var=library.of(var),
        where=library.of(mask),
    )
    assert library.numpy(y).tobytes() == fastbn.batch_norm(x, gamma, where=mask).tobytes()
    assert (mean != 0).all()  # updated in place
    assert (var != 1).all()
    weights = np.ones((6, 1, 1, 1)) * 2
    stats = fastbn.channel_stats(library.of(x.copy()), weights=library.of(weights))
    assert stats == fastbn.channel_stats(x, weights=weights)


@writes
def test_what_overlaps_is_refused_and_stays(library):
    memory = batch(shape=(8, 3))
    before = memory.tobytes()
    with pytest.raises(ValueError, match="overlaps x"):
        fastbn.zscore(library.of(memory[:-1]), out=library.of(memory[1:]))
    assert memory.tobytes() == before


@pytest.mark.parametrize("name", ["strict", "torch"])
def test_out_of_numpy_for_an_array_of_another(name):
    library = {"strict": _strict, "torch": _torch}[name]()
    x, out = batch(), np.empty_like(batch())
    assert fastbn.zscore(library.of(x.copy()), out=out) is out
    assert out.tobytes() == fastbn.zscore(x).tobytes()


def test_out_of_another_for_an_array_of_numpy():
    out = Speaks(np.empty((2, 2)))
    with pytest.raises(TypeError, match=r"out: got Speaks; wants a NumPy array"):
        fastbn.zscore(np.eye(2), out=out)


@writes
def test_what_is_read_only_is_not_written_to():
    x = batch(shape=(4, 3))
    x.flags.writeable = False
    before = x.tobytes()
    assert fastbn.zscore(Speaks(x)).tobytes() == fastbn.zscore(x).tobytes()
    with pytest.raises(ValueError, match="read-only"):
        fastbn.zscore(batch(shape=(4, 3)), out=x)
    out = Speaks(x)
    with pytest.raises(ValueError, match="read-only"):
        fastbn.zscore(out, out=out)
    assert x.tobytes() == before


def test_devices_that_nobody_here_knows():
    with pytest.raises(TypeError, match=r"x: got Speaks on a device of kind 10; wants one on the host or CUDA"):
        fastbn.zscore(Speaks(np.eye(2), (10, 0)))


def test_dtypes_that_numpy_has_not():
    class Quarter(Speaks):
        dtype = "float4"

        def __dlpack__(self, **options):
            raise BufferError("no such dtype")

    with pytest.raises(TypeError, match=r"x: got Quarter of dtype float4, .*no such dtype.* wants float16/32/64"):
        fastbn.zscore(Quarter(np.eye(2)))


@pytest.mark.parametrize("error", [RuntimeError, TypeError])
def test_what_numpy_cannot_read_is_named(error):
    class Traced:
        def __array__(self, dtype=None, copy=None):
            raise error("no values yet")

    for name, call in (
        ("x", lambda: fastbn.zscore(Traced())),
        ("where", lambda: fastbn.zscore(batch(), where=Traced())),
        ("gamma", lambda: fastbn.batch_norm(batch(), Traced())),
    ):
        with pytest.raises(TypeError, match=rf"^{name}: got Traced, which NumPy cannot read \(no values yet\)"):
            call()


def test_a_library_that_is_no_module():
    kind = type("Array", (Speaks,), {"__module__": "nowhere"})
    assert type(fastbn.zscore(kind(np.eye(2)))) is np.ndarray


def test_a_library_without_from_dlpack(monkeypatch):
    """Nothing can be made of theirs: NumPy's comes back."""
    module = ModuleType("elsewhere")
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    kind = type("Array", (Speaks,), {"__module__": "elsewhere", "__array_namespace__": lambda self: SimpleNamespace()})
    assert type(fastbn.zscore(kind(np.eye(2)))) is np.ndarray


# What only PyTorch has


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda torch: torch.ones(3, 2, requires_grad=True), r"x: got a tensor that requires gradients.*x\.detach\(\)"),
        (lambda torch: torch.nn.Parameter(torch.ones(3, 2)), r"requires gradients.*x\.detach\(\)"),
        (lambda torch: torch.ones(3, 2).bfloat16(), r"x: got dtype torch.bfloat16; .*x\.float\(\)"),
        (lambda torch: torch.ones(3, 2, dtype=torch.complex64), r"x: got dtype complex64"),
        (lambda torch: torch.ones(3, 2).to_sparse(), r"x: got a tensor of torch.sparse_coo .*x\.to_dense\(\)"),
        (lambda torch: torch.ones(3, 2).to_mkldnn(), r"x: got a tensor of torch._mkldnn .*x\.to_dense\(\)"),
        (lambda torch: torch._efficientzerotensor((3, 2)), r"x: got a tensor that NumPy cannot see"),
        (lambda torch: torch.empty(3, 2, device="meta"), r"on meta; wants"),
        (lambda torch: torch.ones(3, 2, dtype=torch.complex64).conj().imag, r"x\.resolve_neg\(\)"),
    ],
    ids=["leaf", "parameter", "bfloat16", "complex", "sparse", "mkldnn", "zeros", "meta", "negative"],
)
def test_tensors_that_are_refused(make, says):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=says):
        fastbn.zscore(make(torch))


def test_parameters_are_refused_by_name():
    torch = pytest.importorskip("torch")
    module = torch.nn.BatchNorm2d(3)
    x, mean = torch.ones(2, 3, 4, 4), torch.zeros(3)
    with pytest.raises(TypeError, match=r"gamma: got a tensor that requires gradients.*gamma\.detach\(\)"):
        fastbn.batch_norm(x, module.weight, module.bias, running_mean=mean, running_var=torch.ones(3))
    assert not mean.any()
    with pytest.raises(TypeError, match=r"beta: got a tensor of .*beta\.to_dense\(\)"):
        fastbn.batch_norm(x, torch.ones(3), torch.ones(3).to_sparse())


def test_parameters_beside_an_array_of_numpy_are_refused_by_name():
    torch = pytest.importorskip("torch")
    x, parameter = batch(), torch.nn.Parameter(torch.ones(3))
    with pytest.raises(TypeError, match=r"gamma: got Parameter, which NumPy cannot read .*detach"):
        fastbn.batch_norm(x, parameter)
    with pytest.raises(TypeError, match=r"weights: got Parameter, which NumPy cannot read .*detach"):
        fastbn.zscore(x, weights=parameter)


def test_channels_last_stays_channels_last():
    torch = pytest.importorskip("torch")
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    y = fastbn.zscore(x)
    assert y.stride() == x.stride()
    assert y.numpy().tobytes() == fastbn.zscore(x.numpy()).tobytes()


def test_batch_norm_is_pytorch_s():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(batch("float64"))
    module = torch.nn.BatchNorm2d(3, dtype=torch.float64)
    wanted = module(x).detach()
    mean, var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    found = fastbn.batch_norm(x, module.weight.detach(), module.bias.detach(), running_mean=mean, running_var=var)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mean, module.running_mean)
    torch.testing.assert_close(var, module.running_var)


# What only JAX has


def test_arrays_of_jax_come_back_as_such():
    """Read where they are; never written to, which JAX does not expect."""
    jnp = pytest.importorskip("jax.numpy")
    x = batch()
    theirs = jnp.asarray(x)
    y = fastbn.zscore(theirs)
    assert type(y) is type(theirs)
    assert np.asarray(y).tobytes() == fastbn.zscore(x).tobytes()
    with pytest.raises(ValueError, match="out: got a read-only array"):
        fastbn.zscore(theirs, out=theirs)
    with pytest.raises(ValueError, match="running_mean: got a read-only array"):
        fastbn.batch_norm(theirs, running_mean=jnp.zeros(3), running_var=jnp.ones(3))
    with pytest.raises(TypeError, match=r"x: got ArrayImpl of dtype bfloat16, which NumPy cannot see"):
        fastbn.zscore(theirs.astype("bfloat16"))


# NumPy's own relatives


class Labelled(np.ndarray):
    """A subclass that nobody here knows."""


def test_subclasses_are_read_as_plain_arrays():
    x = batch()
    y = fastbn.zscore(x.view(Labelled))
    assert type(y) is np.ndarray
    assert y.tobytes() == fastbn.zscore(x).tobytes()


def test_memory_maps_are_read_in_place(tmp_path):
    x = batch()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fastbn.zscore(mapped).tobytes() == fastbn.zscore(x).tobytes()
    assert fastbn.channel_stats(mapped) == fastbn.channel_stats(x)


def test_masks_are_honoured_and_come_back():
    x = batch(shape=(9, 3))
    masked = np.ma.MaskedArray(x, x > 50)
    y = fastbn.zscore(masked)
    assert type(y) is np.ma.MaskedArray
    assert (y.mask == masked.mask).all()
    assert y.data.tobytes() == fastbn.zscore(x, where=x <= 50).tobytes()
