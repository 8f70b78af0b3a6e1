"""The package as such: what importing it does, what it exports, what can be pickled."""

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import fastbn

NAMES = [
    "BackendInfo",
    "BackendUnavailable",
    "ChannelQuantiles",
    "ChannelStats",
    "backends",
    "batch_norm",
    "channel_quantiles",
    "channel_stats",
    "denormalize",
    "get_accumulators",
    "get_num_threads",
    "minmax_scale",
    "minmax_unscale",
    "normalize",
    "robust_scale",
    "set_accumulators",
    "set_backend",
    "set_num_threads",
    "show_config",
    "stream_from_host",
    "use_backend",
    "zscore",
]


def python(code):
    """Run code in a fresh interpreter that writes no byte code; return what it printed."""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def public_modules():
    found = (info.name for info in pkgutil.walk_packages(fastbn.__path__, "fastbn."))
    return ["fastbn", *(name for name in found if not any(part.startswith("_") for part in name.split(".")))]


def test_import_brings_numpy_and_itself_only():
    brought = python(
        "import sys\n"
        "import numpy\n"
        "before = set(sys.modules)\n"
        "import fastbn\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    assert "fastbn" in brought
    assert set(brought) <= {"fastbn", "numpy"} | set(sys.stdlib_module_names)
    everything = python("import sys, fastbn; print(*sys.modules)")
    others = {"numba", "torch", "scipy", "matplotlib", "sklearn", "dask", "xarray", "pandas", "polars", "tqdm"}
    assert not (others | {"llvmlite", "ctypes.util"}) & set(everything)


def test_import_touches_nothing():
    """No library is loaded, no process started, no socket opened, no file written; only sources are read."""
    events = python(
        "import sys, numpy\n"
        "seen = []\n"
        "watched = ('ctypes.', 'subprocess.', 'os.system', 'os.exec', 'os.fork', 'os.posix_spawn', 'socket.',\n"
        "           'os.mkdir', 'os.remove', 'os.rename', 'tempfile.')\n"
        "def hook(event, arguments):\n"
        "    if event.startswith(watched):\n"
        "        seen.append(event)\n"
        "    if event == 'open' and not str(arguments[0]).endswith(('.py', '.pyc')):\n"
        "        seen.append(f'open:{arguments[0]}')\n"
        "sys.addaudithook(hook)\n"
        "import fastbn\n"
        "print(*seen)"
    )
    assert events == []


def test_import_starts_no_thread():
    assert python("import threading, fastbn; print(threading.active_count())") == ["1"]


def test_the_public_modules():
    assert {"fastbn", "fastbn.statistics", "fastbn.normalization", "fastbn.batchnorm"} <= set(public_modules())


@pytest.mark.parametrize("name", public_modules())
def test_all_is_what_is_public(name):
    """``__all__`` of a module names its own public functions and classes; that of the package, all that it offers."""
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and name in ("fastbn", value.__module__)
    }
    constants = {key for key in module.__all__ if key not in public}
    assert public <= set(module.__all__)
    for key in constants:
        assert not callable(getattr(module, key)), key


def test_the_public_names():
    assert set(NAMES) <= set(fastbn.__all__)
    for name in NAMES:
        value = getattr(fastbn, name)
        assert value.__doc__
        assert name in dir(fastbn)
    assert fastbn.__version__


def test_exceptions_and_records_can_be_pickled():
    for info in fastbn.backends():
        assert pickle.loads(pickle.dumps(info)) == info
    with pytest.raises(fastbn.BackendUnavailable) as caught:
        fastbn.set_backend("nothing")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert type(copied) is fastbn.BackendUnavailable
    assert str(copied) == str(caught.value)


def test_functions_and_statistics_can_be_pickled():
    for name in ("channel_stats", "zscore", "batch_norm"):
        assert pickle.loads(pickle.dumps(getattr(fastbn, name))) is getattr(fastbn, name)
    stats = fastbn.ChannelStats.from_moments([3], [1.5], [0.1])
    assert pickle.loads(pickle.dumps(stats)) == stats


def test_pickled_statistics_reach_a_fresh_interpreter(tmp_path):
    path = tmp_path / "stats.pickle"
    path.write_bytes(pickle.dumps(fastbn.ChannelStats.from_moments([3], [0.1], [1 / 3])))
    shown = python(f"import pickle; s = pickle.load(open({str(path)!r}, 'rb')); print(s.mean[0])")
    assert shown == [repr(0.1)]


def test_every_public_function_documents_its_parameters():
    for name in fastbn.__all__:
        value = getattr(fastbn, name)
        if inspect.isfunction(value):
            assert "Parameters" in value.__doc__ or not inspect.signature(value).parameters, name


def test_arrays_come_back_as_arrays():
    assert type(fastbn.ChannelStats.empty((2,)).mean) is np.ndarray
