"""The choice of a backend: what there is, what is not, and why."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

import fastbn

WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None\n"
WITHOUT_ANY = WITHOUT_NUMBA + "sys.modules['fastbn._backends._kernels_base'] = None\n"


def python(code, expect=0, **variables):
    """Run code in a fresh interpreter and return what it printed, or its last line of stderr if it should fail."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTBN_")} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == expect, done.stderr
    return done.stdout.strip() if expect == 0 else done.stderr.strip().splitlines()[-1]


def test_the_table():
    table = fastbn.backends()
    assert [info.name for info in table] == ["numba", "cython", "cuda"]
    for info in table:
        assert type(info) is fastbn.BackendInfo
        assert isinstance(info.name, str)
        assert isinstance(info.available, bool)
        assert info.available or info.reason
    assert fastbn.backends() == table
    table.clear()
    assert fastbn.backends()


def test_statistics_on_every_backend(backend):
    stats = fastbn.channel_stats(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert stats.mean.tolist() == [2.0, 4.0]
    assert stats.var().tolist() == [1.0, 4.0]


@pytest.mark.host
def test_a_context_ends(backend):
    with fastbn.use_backend(backend), fastbn.use_backend(backend):
        assert fastbn.channel_stats(np.ones((2, 2))).count.tolist() == [2, 2]
    with pytest.raises(ZeroDivisionError), fastbn.use_backend(backend):
        1 / 0  # noqa: B018
    assert fastbn.channel_stats(np.ones((2, 2))).count.tolist() == [2, 2]


@pytest.mark.parametrize("choose", [fastbn.use_backend, fastbn.set_backend])
@pytest.mark.parametrize("name", ["numbaa", "", "Cython", "NUMBA"])
def test_an_unknown_backend(choose, name):
    before = fastbn.channel_stats(np.arange(6.0).reshape(3, 2))
    with pytest.raises(fastbn.BackendUnavailable) as caught, ExitStack() as stack:
        stack.enter_context(choose(name))
    assert isinstance(caught.value, ImportError)
    message = str(caught.value)
    assert repr(name) in message
    assert "\n" not in message
    for info in fastbn.backends():
        assert info.name in message
    assert fastbn.channel_stats(np.arange(6.0).reshape(3, 2)) == before


@pytest.mark.parametrize("name", [1, ["numba"]])
def test_a_backend_that_is_no_name(name):
    with pytest.raises((TypeError, fastbn.BackendUnavailable)), fastbn.use_backend(name):
        pass


@pytest.mark.host
def test_set_backend_stays(backend):
    fastbn.set_backend(backend)
    assert fastbn.channel_stats(np.ones((2, 2))).mean.tolist() == [1.0, 1.0]


@pytest.mark.host
def test_the_choice_holds_in_its_own_context_only(backend):
    """A thread that enters and leaves a choice does not disturb another one."""

    def work(i):
        with fastbn.use_backend(backend):
            return fastbn.channel_stats(np.full((3, 2), float(i))).mean.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(50))) == [[float(i)] * 2 for i in range(50)]


# --- other processes --------------------------------------------------------------------------------------------------

COMPUTE = "import numpy as np, fastbn; print(fastbn.channel_stats(np.ones((2, 2))).mean.tolist())"


@pytest.mark.host
def test_the_environment_chooses(backend):
    assert python(COMPUTE, FASTBN_BACKEND=backend) == "[1.0, 1.0]"


def test_the_environment_names_nothing_that_exists():
    message = python(COMPUTE, expect=1, FASTBN_BACKEND="fortran")
    assert "BackendUnavailable" in message
    assert "fortran" in message
    assert "numba" in message


def test_import_survives_a_wrong_environment():
    assert python("import fastbn; print(fastbn.backends()[0].name)", FASTBN_BACKEND="fortran") == "numba"


WHICH = "from fastbn._backends import chosen; print(chosen())"
WITHOUT_CYTHON = "import sys; sys.modules['fastbn._backends._cython_driver'] = None\n"


def test_the_default_is_what_starts_first_of_what_is_there():
    names = [info.name for info in fastbn.backends() if info.available]
    assert python(WHICH) == ("cython" if "cython" in names else "numba")
    if "numba" in names:
        assert python(WITHOUT_CYTHON + WHICH) == "numba"
        assert python(WHICH, FASTBN_BACKEND="numba") == "numba"


def test_without_numba_the_reason_is_told():
    code = WITHOUT_NUMBA + ("import fastbn\ninfo = fastbn.backends()[0]\nassert not info.available\nprint(info.reason)")
    assert "numba" in python(code)


@pytest.mark.parametrize(
    "call",
    [
        "fastbn.channel_stats(np.ones((2, 2)))",
        "fastbn.use_backend('numba').__enter__()",
        "fastbn.set_backend('numba')",
        "fastbn.zscore(np.ones((2, 2)))",
    ],
)
def test_without_any_backend_the_error_has_the_remedy(call):
    message = python(WITHOUT_ANY + f"import numpy as np, fastbn; {call}", expect=1)
    assert "BackendUnavailable" in message
    assert "pip install" in message
    assert "numba" in message


def test_without_any_backend_statistics_are_still_values():
    """Merging, selecting and reading statistics need no backend."""
    code = WITHOUT_ANY + (
        "import fastbn\n"
        "a = fastbn.ChannelStats.from_moments([2], [1.0], [4.0])\n"
        "print((a + a).var().tolist(), fastbn.ChannelStats.from_dict(a.to_dict()) == a)"
    )
    assert python(code) == "[4.0] True"


# --- show_config ------------------------------------------------------------------------------------------------------


def test_show_config_prints(capsys):
    assert fastbn.show_config() is None
    text = capsys.readouterr().out
    for word in ("fastbn", fastbn.__version__, "numpy", np.__version__, "numba", "threads"):
        assert word in text.lower()


def test_show_config_as_a_dictionary(capsys):
    shown = fastbn.show_config(mode="dicts")
    assert isinstance(shown, dict)
    assert capsys.readouterr().out == ""
    assert fastbn.__version__ in str(shown)
    assert "numba" in str(shown)


def test_show_config_refuses_other_modes():
    with pytest.raises(ValueError, match="mode"):
        fastbn.show_config(mode="yaml")


def test_show_config_without_numba():
    assert "numba" in python(WITHOUT_NUMBA + "import fastbn; fastbn.show_config()")
