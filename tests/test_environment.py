"""The floating-point environment: whatever rounding or flushing somebody has set, results have the usual bits."""

from __future__ import annotations

import ctypes
import platform
import shlex
import subprocess
import sys
import sysconfig
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fastbn
from fastbn import _environment

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere other environments are refused"),
]

#: Bits of the control register.
MODES = {
    "x86_64": {"flush": 0x8000, "zeros": 0x40, "down": 0x2000, "up": 0x4000, "toward zero": 0x6000, "all": 0xE040},
    "aarch64": {"flush": 1 << 24, "up": 1 << 22, "down": 2 << 22, "toward zero": 3 << 22, "all": 7 << 22},
}.get(platform.machine(), {})


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    """Functions that get and set the control register of this thread, compiled from the file beside this one."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    library = tmp_path_factory.mktemp("register") / "environment.so"
    source = Path(__file__).with_name("environment.c")
    try:
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip(f"no compiler {compiler} here")
    functions = ctypes.CDLL(str(library))
    functions.control.restype = ctypes.c_ulonglong
    functions.set_control.argtypes = [ctypes.c_ulonglong]
    functions.set_control.restype = None
    return functions


@pytest.fixture(params=MODES)
def environment(request, register):
    """Something that sets another environment within a ``with`` block."""

    @contextmanager
    def other():
        own = register.control()
        register.set_control(own | MODES[request.param])
        try:
            yield
            assert register.control() == own | MODES[request.param]  # nobody has changed it
        finally:
            register.set_control(own)

    return other


def uneven(size, dtype, seed=0):
    """Values whose sums and quotients are rounded, some of them subnormal, and in the third channel all of them."""
    x = np.random.default_rng(seed).normal(0.1, 1.0, size).astype(dtype)
    tiny = np.finfo(dtype).smallest_normal
    x[: len(x) // 2, 1] *= tiny
    x[:, 2] *= tiny * dtype(0.1)
    return x


def numbers_of(stats):
    """All that statistics say, as bytes."""
    arrays = stats.count, stats.mean, stats.var(), stats.var(1), stats.std(), stats.min, stats.max, stats.weight
    return b"".join(array.tobytes() for array in arrays)


def arguments_of(x):
    """An array, and what else functions take: made where numbers are as usual."""
    gamma, beta = np.linspace(0.3, 1.7, x.shape[1]), np.linspace(-0.1, 0.7, x.shape[1])
    beside = {"where": x > 0, "weights": np.abs(x[:, :1]) + x.dtype.type(0.1), "integers": (x * 50).astype(np.int8)}
    running = np.full(x.shape[1], 0.3, np.float32), np.full(x.shape[1], 1.3, np.float32)
    return SimpleNamespace(x=x, dy=x[::-1].copy(), gamma=gamma, beta=beta, squares=beta**2, running=running, **beside)


def everything(given, folder):
    """The bytes of what each public function makes of its arguments, by its name."""
    x, dy, gamma, beta = given.x, given.dy, given.gamma, given.beta
    size, channels = x.shape
    stats, exact = (fastbn.channel_stats(x, method=method) for method in ("compensated", "exact"))
    weighted = fastbn.channel_stats(x, weights=given.weights)
    first, second = x[: size // 3], x[size // 3 :]
    quantiles = fastbn.channel_quantiles(x, [0.1, 0.5, 0.9])
    small = fastbn.channel_quantiles(given.integers, 0.3)
    running = given.running[0].copy(), given.running[1].copy()
    layer = fastbn.BatchNorm(channels, dtype=np.float32)
    averaging = fastbn.BatchNorm(channels, momentum=None)
    averaging(first)
    averaging(second)
    loaded = fastbn.BatchNorm(channels)
    loaded.load_state_dict({**layer.state_dict(), "running_var": gamma, "num_batches_tracked": 0})
    recalibrated = fastbn.BatchNorm(channels)
    recalibrated.recalibrate([first, second])
    weighted.save(folder / "stats.json")
    found = {
        "stats": numbers_of(stats),
        "exact": numbers_of(exact),
        "weighted": numbers_of(weighted),
        "loaded": numbers_of(fastbn.ChannelStats.load(folder / "stats.json")),
        "from moments": numbers_of(fastbn.ChannelStats.from_moments(7, gamma, given.squares, ddof=1)),
        "merged": numbers_of(fastbn.channel_stats(first) + fastbn.channel_stats(second)),
        "side by side": numbers_of(fastbn.ChannelStats.concatenate([weighted, fastbn.channel_stats(gamma, None)])),
        "exact, merged": numbers_of(fastbn.channel_stats(first, method="exact").update(second)),
        "quantiles": quantiles.values.tobytes(),
        "histogram": small.quantile([0.2, 0.7]).tobytes(),
        "zscore": fastbn.zscore(x).tobytes(),
        "zscore in half": fastbn.zscore(x, dtype=np.float16).tobytes(),
        "omitting": fastbn.zscore(x, nan_policy="omit", where=given.where).tobytes(),
        "minmax": fastbn.minmax_scale(x).tobytes(),
        "robust": fastbn.robust_scale(x).tobytes(),
        "normalize": fastbn.normalize(x, exact, gamma=gamma, beta=beta).tobytes(),
        "denormalize": fastbn.denormalize(x, stats).tobytes(),
        "unscale": fastbn.minmax_unscale(x, stats).tobytes(),
        "batch norm": fastbn.batch_norm(x, gamma, beta, running_mean=running[0], running_var=running[1]).tobytes(),
        "running": running[0].tobytes() + running[1].tobytes(),
        "backward": b"".join(part.tobytes() for part in fastbn.batch_norm_backward(dy, x, stats, gamma)),
        "group norm": fastbn.group_norm(x, 1, gamma, beta).tobytes(),
        "group backward": b"".join(part.tobytes() for part in fastbn.group_norm_backward(dy, x, 1, gamma)),
        "layer norm": fastbn.layer_norm(x).tobytes(),
        "layer backward": b"".join(part.tobytes() for part in fastbn.layer_norm_backward(dy, x)),
        "layer": layer(x).tobytes() + layer.backward(dy).tobytes() + layer.running_var.tobytes(),
        "loaded layer": loaded.running_var.tobytes(),
        "recalibrated": recalibrated.running_mean.tobytes() + recalibrated.running_var.tobytes(),
        "averages": averaging.running_mean.tobytes() + averaging.running_var.tobytes(),
        "hash": hash(weighted).to_bytes(8, signed=True),
        "shown": repr(stats).encode() + repr(quantiles).encode(),
    }
    return {name: found[name] for name in sorted(found)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_function_gives_the_usual_bits(environment, backend, dtype, tmp_path, tally):
    given = arguments_of(uneven((60, 5), dtype))
    expected = everything(given, tmp_path)
    with environment():
        found = everything(given, tmp_path)
    assert [name for name in expected if found[name] != expected[name]] == []
    tally("calls in another floating-point environment", len(found))


def test_the_environments_change_what_others_compute(environment):
    numbers, ten, least = np.array([1.0, 3.0, -1.0]), np.array(10.0), np.array(np.finfo(np.float64).smallest_normal)

    def computed():
        return np.append(numbers / ten, least / ten * least**-1).tobytes()

    usual = computed()
    with environment():
        found = computed()
    assert found != usual


def test_threads_of_the_pool_do_not_inherit_it(environment, backend):
    """A large array; the pool is made within the other environment."""
    from fastbn import _threads

    x = uneven((300_000, 5), np.float32)
    before = fastbn.get_num_threads()
    fastbn.set_num_threads(3)
    try:
        expected = numbers_of(fastbn.channel_stats(x)), fastbn.zscore(x).tobytes()
        _threads._pool.forget()
        with environment():
            found = numbers_of(fastbn.channel_stats(x)), fastbn.zscore(x).tobytes()
        again = numbers_of(fastbn.channel_stats(x)), fastbn.zscore(x).tobytes()
    finally:
        fastbn.set_num_threads(before)
    assert found == expected
    assert again == expected


def test_a_thread_that_inherits_it_gives_the_usual_bits(environment, backend):
    x = uneven((60, 5), np.float64)
    expected, found = fastbn.zscore(x).tobytes(), []

    def work():
        with fastbn.use_backend(backend):
            found.append(fastbn.zscore(x).tobytes())

    with environment():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [expected]


def test_tasks_of_dask_give_the_usual_bits(environment, backend):
    """Dask's threads are started within the other environment."""
    da = pytest.importorskip("dask.array")
    from concurrent.futures import ThreadPoolExecutor

    import dask

    x, dy = (uneven((60, 4), np.float64, seed) for seed in (0, 1))

    def computed():
        lazy, upstream = (da.from_array(array, chunks=(20, 2)) for array in (x, dy))
        stats = fastbn.channel_stats(lazy)
        wanted = [
            stats.mean, stats.var(1), stats.std(), fastbn.channel_quantiles(lazy, 0.3).values, fastbn.zscore(lazy),
            fastbn.minmax_scale(lazy), fastbn.robust_scale(lazy), fastbn.batch_norm(lazy),
            *fastbn.batch_norm_backward(upstream, lazy, stats), fastbn.layer_norm(lazy),
            *fastbn.layer_norm_backward(upstream, lazy), fastbn.group_norm(lazy, 2),
            *fastbn.group_norm_backward(upstream, lazy, 2),
        ]  # fmt: skip
        with ThreadPoolExecutor(2) as pool:
            return [array.tobytes() for array in dask.compute(*wanted, scheduler="threads", pool=pool)]

    expected = computed()
    with environment():
        found = computed()
    assert found == expected


def test_scalers_give_the_usual_bits(environment, backend):
    pytest.importorskip("sklearn")
    from fastbn.sklearn import MinMaxScaler, StandardScaler

    x = uneven((60, 5), np.float32)
    large = (np.arange(60).reshape(12, 5) * 2 + 2**53 + 1).tolist()  # integers that become floats: rounded

    def fitted():
        standard, minmax = StandardScaler().fit(x), MinMaxScaler((0.1, 0.7)).fit(x)
        of_large = StandardScaler().fit(np.ma.masked_equal(large, 2**53 + 1))
        arrays = [
            standard.transform(x), standard.mean_, standard.var_, standard.scale_, standard.inverse_transform(x),
            minmax.transform(x), minmax.scale_, minmax.min_, minmax.data_range_, minmax.inverse_transform(x),
            minmax.data_min_, minmax.data_max_, of_large.mean_, of_large.transform(large),
        ]  # fmt: skip
        return [array.tobytes() for array in arrays]

    expected = fitted()
    with environment():
        found = fitted()
    assert found == expected


def test_pytorch_may_flush_subnormal_numbers(backend):
    torch = pytest.importorskip("torch")
    x = uneven((60, 5), np.float32)
    expected = numbers_of(fastbn.channel_stats(x)), fastbn.zscore(x).tobytes()
    if not torch.set_flush_denormal(True):
        pytest.skip("a processor that PyTorch cannot tell to")
    try:
        assert not _environment.is_default()
        found = numbers_of(fastbn.channel_stats(x)), fastbn.zscore(torch.from_numpy(x)).numpy().tobytes()
    finally:
        torch.set_flush_denormal(False)
    assert found == expected


FIRST = """
import ctypes, sys
register = ctypes.CDLL(sys.argv[1])
register.control.restype = ctypes.c_ulonglong
register.set_control.argtypes = [ctypes.c_ulonglong]
import numpy as np
x = np.frombuffer(bytes.fromhex(sys.argv[4])).reshape(-1, 5)
own = register.control()
register.set_control(own | int(sys.argv[3]))
import fastbn
with fastbn.use_backend(sys.argv[2]):
    found = fastbn.zscore(x).tobytes(), fastbn.channel_stats(x, method="exact").var().tobytes()
register.set_control(own)
print(*(part.hex() for part in found))
"""


@pytest.mark.parametrize("mode", [name for name in MODES if name in ("up", "all")])
def test_a_process_that_starts_in_it(register, backend, mode):
    """What is imported, bound and loaded there is sound."""
    x = uneven((20, 5), np.float64)
    arguments = register._name, backend, str(MODES[mode]), x.tobytes().hex()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = fastbn.zscore(x).tobytes(), fastbn.channel_stats(x, method="exact").var().tobytes()
    assert done.stdout.split() == [part.hex() for part in expected]


def test_an_error_leaves_the_environment_as_it_was(environment, backend):
    with environment(), pytest.raises(TypeError, match=r"x: got dtype complex128"):
        fastbn.zscore(np.ones((3, 2), complex))


def test_an_interrupt_as_it_is_changed_leaves_the_environment_as_it_was(environment, monkeypatch):
    """It comes as soon as C returns."""
    library = _environment._c_library()

    class Interrupted:
        fegetenv = library.fegetenv

        def fesetenv(self, wanted):
            library.fesetenv(wanted)
            if wanted is _environment._DEFAULT:
                raise KeyboardInterrupt

    monkeypatch.setattr(_environment, "_c_library", Interrupted)
    with environment(), pytest.raises(KeyboardInterrupt), _environment.default_environment():
        pass


def test_an_environment_that_cannot_be_changed_is_refused(environment, backend, monkeypatch):
    x = uneven((60, 5), np.float64)
    stats, out = fastbn.channel_stats(x), np.zeros_like(x)
    monkeypatch.setattr(_environment, "_c_library", lambda: None)
    calls = [
        lambda: fastbn.zscore(x, out=out), lambda: fastbn.batch_norm(x, out=out), lambda: fastbn.channel_stats(x),
        stats.var, lambda: stats + stats, lambda: stats.mean, stats.to_dict,
    ]  # fmt: skip
    raised = []
    with environment():
        for call in calls:
            try:
                call()
            except FloatingPointError as error:
                raised.append(str(error))
    assert len(raised) == len(calls)
    assert all("this thread flushes subnormal numbers to zero or does not round to nearest" in text for text in raised)
    assert not out.any()
