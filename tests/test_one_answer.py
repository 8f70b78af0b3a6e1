"""One answer: the same bits from every CPU backend and every instruction set, for every function, dtype and layout."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
from answers import answers, arrays, digest
from generators import FLOATS, INTEGERS

AVAILABLE = {info.name: info.available for info in fastbn.backends()}
HOSTS = [name for name in ("numba", "cython") if AVAILABLE[name]]
both = pytest.mark.skipif(len(HOSTS) < 2, reason="needs two CPU backends")


def variants():
    if not AVAILABLE["cython"]:
        return []
    from fastbn._backends.cython_cpu import simd_variants

    return simd_variants()


def agree(x, channel_axis):
    found = []
    for name in HOSTS:
        with fastbn.use_backend(name):
            found.append(answers(x, channel_axis))
    return [key for key in found[0] if found[0][key] != found[1][key]]


@both
def test_hostile_arrays():
    differing = {name: keys for name, x, axis in arrays() if (keys := agree(x, axis))}
    assert differing == {}


@st.composite
def any_arrays(draw):
    """Arrays of any dtype and bits and up to four axes, some backward or in another order, and a channel axis."""
    dtype = np.dtype(draw(st.sampled_from((*FLOATS, *INTEGERS))))
    shape = draw(hnp.array_shapes(max_dims=4, max_side=9))
    raw = draw(st.binary(min_size=dtype.itemsize, max_size=4096))
    values = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
    if dtype.kind == "b":
        values = np.frombuffer(raw, np.uint8) > 127
    x = np.resize(values, shape)
    if draw(st.booleans()):
        x = x[::-1]
    if draw(st.booleans()):
        x = np.asfortranarray(x)
    x.flags.writeable = False
    return x, draw(st.sampled_from([*range(len(shape)), None]))


@both
@given(any_arrays())
def test_any_array(case):
    assert agree(*case) == []


@both
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_any_number_of_threads(dtype):
    x = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 120, (64, 6, 96, 96)).astype(dtype)
    before = fastbn.get_num_threads()
    bits = set()
    try:
        for name in HOSTS:
            for threads in (1, 2, 3, 7):
                fastbn.set_num_threads(threads)
                with fastbn.use_backend(name):
                    bits.add((fastbn.channel_stats(x).var().tobytes(), fastbn.zscore(x).tobytes()))
    finally:
        fastbn.set_num_threads(before)
    assert len(bits) == 1


@pytest.mark.parametrize("variant", variants())
def test_every_instruction_set(variant):
    script = Path(__file__).with_name("answers.py")
    path = os.pathsep.join(filter(None, [str(script.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"FASTBN_SIMD": variant, "FASTBN_BACKEND": "cython", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    with fastbn.use_backend(HOSTS[0]):
        assert done.stdout.strip() == digest()
