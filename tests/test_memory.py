"""Extra memory: 8 MiB and 128 bytes per channel and thread beyond input and output, in every layout and dtype."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import fastbn
import oracle
from fastbn._kernels.sizes import LONG, SHORT
from rational import MAPS

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.host]

MIB = 2**20
SHAPE = (16, 8, 64, 2048)  # 16 M elements
TABLE = (2**20, 16)


def ones(code, shape=SHAPE):
    """Give ones; the odd elements of the last axis are zeros."""
    x = np.ones(shape, code)
    x[..., 1::2] = 0
    return x


def misaligned():
    raw = np.zeros(64 * MIB + 1, np.uint8)
    return raw[1:].view(np.float32).reshape(SHAPE)


# name -> (array of 32 to 128 MB, channel axis)
ARRAYS = {
    "nchw": lambda: (ones("f4"), 1),
    "float64": lambda: (ones("f8", SHAPE[1:]), 0),
    "table": lambda: (ones("f4", TABLE), 1),
    "channels last": lambda: (ones("f4"), -1),
    "channels first": lambda: (ones("f4", TABLE[::-1]), 0),
    "one channel": lambda: (ones("f4"), None),
    "axes apart": lambda: (ones("f4"), (0, 2)),
    "many channels": lambda: (ones("f4", (64, 2**18)), 1),
    "fortran": lambda: (ones("f4", SHAPE[::-1]).T, 1),
    "transposed": lambda: (ones("f4").transpose(3, 1, 0, 2), 1),
    "reversed": lambda: (ones("f4")[::-1, ::-1, ::-1, ::-1], 1),
    "sliced": lambda: (ones("f4", (16, 8, 64, 4096))[..., ::2], 1),
    "sliced table": lambda: (ones("f4", (2**20, 32))[:, 1::2], 1),
    "broadcast": lambda: (np.broadcast_to(ones("f4", SHAPE[1:]), SHAPE), 1),
    "misaligned": lambda: (misaligned(), 1),
    "big-endian": lambda: (ones(">f4"), 1),
    "big-endian table": lambda: (ones(">f8", TABLE), 1),
    "float16": lambda: (ones("f2"), 1),
    "float16 table": lambda: (ones("f2", TABLE), 1),
    "bool": lambda: (ones("?"), 1),
    "uint8 table": lambda: (ones("u1", TABLE), 1),
    "int16": lambda: (ones("i2"), 1),
    "uint32": lambda: (ones("u4", SHAPE[1:]), 0),
    "int64": lambda: (ones("i8", TABLE), 1),
}
FUSED = ("nchw", "table", "channels last", "many channels", "reversed", "float16 table", "int64")
CASES = [("zscore", layout) for layout in ARRAYS]
CASES += [("batch_norm", layout) for layout in FUSED]
CASES += [(name, layout) for name in MAPS if name not in {"zscore", "batch_norm"} for layout in ("nchw", "reversed")]


def limit(x, axis):
    channels = int(np.prod(oracle.kept_shape(x, axis), dtype=int))
    return 8 * MIB + 128 * channels * fastbn.get_num_threads()


def traced_peak(call):
    """Return the most memory that Python and NumPy held at once, beyond what they held before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def resident(reset=False):
    """Return the most memory that was resident at once since the last reset: compiled code's own memory too."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    except OSError as error:
        pytest.skip(f"the peak of resident memory cannot be read here: {error}")


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_with_out_nothing_of_full_size_is_allocated(name, layout):
    x, axis = ARRAYS[layout]()
    out = np.zeros(x.shape, MAPS[name](np.ones((2, 2), x.dtype)).dtype)
    MAPS[name](x, axis, out=out)  # compiles
    before = resident(reset=True)
    traced = traced_peak(lambda: MAPS[name](x, axis, out=out))
    grown = resident() - before
    assert traced <= limit(x, axis)
    assert grown <= limit(x, axis) + 4 * MIB  # pages of the heap that others freed, stacks of threads


@pytest.mark.parametrize(
    "layout", ["nchw", "table", "one channel", "many channels", "reversed", "big-endian table", "int64"]
)
def test_exact_statistics_hold_their_state(layout):
    x, axis = ARRAYS[layout]()
    fastbn.channel_stats(x, axis, method="exact")  # compiles
    words = LONG if x.dtype.itemsize == 8 and x.dtype.kind == "f" else SHORT
    state = 8 * words.rows * int(np.prod(oracle.kept_shape(x, axis), dtype=int))
    assert traced_peak(lambda: fastbn.channel_stats(x, axis, method="exact")) <= limit(x, axis) + 4 * MIB + 2 * state


@pytest.mark.parametrize("layout", ["table", "int16"])
@pytest.mark.parametrize("name", MAPS)
def test_without_out_the_output_is_all(name, layout):
    x, axis = ARRAYS[layout]()
    MAPS[name](x, axis)  # compiles
    assert traced_peak(lambda: MAPS[name](x, axis)) <= 4 * x.size + limit(x, axis)


@pytest.mark.parametrize("layout", ["nchw", "table", "sliced"])
@pytest.mark.parametrize("name", ["zscore", "minmax_scale", "batch_norm"])
def test_in_place_nothing_of_full_size_is_allocated(name, layout):
    x, axis = ARRAYS[layout]()
    MAPS[name](x, axis, out=x)  # compiles
    x[...] = 0
    x[..., 1::2] = 1
    assert traced_peak(lambda: MAPS[name](x, axis, out=x)) <= limit(x, axis)


def with_gaps(layout):
    """Give data of a layout with NaN in it, its channel axis, and ways to say what counts."""
    x, axis = ARRAYS[layout]()
    if x.dtype.kind == "f":
        x = x.copy() if not x.flags.writeable else x
        x[..., 5::64] = np.nan
    rows = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    return (
        x,
        axis,
        {
            "omit": {"nan_policy": "omit"},
            "where": {"where": rows % 3 > 0, "nan_policy": "omit"},
            "nodata": {"nodata": 1, "nan_policy": "omit"},
            "weights": {"weights": 1.0 + rows, "nan_policy": "omit"},
        },
    )


@pytest.mark.parametrize("kind", ["omit", "where", "nodata", "weights"])
@pytest.mark.parametrize("layout", ["nchw", "table", "one channel", "float16", "uint8 table", "int64", "reversed"])
def test_what_counts_is_never_made_at_full_size(kind, layout):
    """No mask, no weights, no copy without gaps: not even one byte per value."""
    x, axis, ways = with_gaps(layout)
    arguments = ways[kind]
    out = np.ones(x.shape, MAPS["zscore"](np.ones((2, 2), x.dtype)).dtype)  # written to: zeros have no pages yet
    fastbn.zscore(x, axis, out=out, **arguments)  # compiles
    assert traced_peak(lambda: fastbn.channel_stats(x, axis, **arguments)) <= limit(x, axis)
    before = resident(reset=True)
    traced = traced_peak(lambda: fastbn.zscore(x, axis, out=out, **arguments))
    grown = resident() - before
    assert traced <= limit(x, axis)
    assert grown <= limit(x, axis) + 4 * MIB


@pytest.mark.parametrize(("shape", "axis"), [((40, 200_000), 1), ((40, 400, 500), (1, 2))])
def test_weights_of_many_channels(shape, axis):
    before = fastbn.get_num_threads()
    rng = np.random.default_rng(0)
    x, weights = rng.normal(100, 30, shape), rng.random((40, *[1] * (len(shape) - 1)))
    try:
        fastbn.set_num_threads(1)
        few = tuple(slice(100, 110) for _ in shape[1:])
        part = fastbn.channel_stats(x[:, *few], axis, weights=weights)  # compiles
        assert traced_peak(lambda: fastbn.channel_stats(x, axis, weights=weights)) <= limit(x, axis)
        whole = fastbn.channel_stats(x, axis, weights=weights)
    finally:
        fastbn.set_num_threads(before)
    np.testing.assert_allclose(whole.mean[few], part.mean, rtol=2.3e-16)
    np.testing.assert_allclose(whole.var()[few], part.var(), rtol=4.5e-16)
    assert (whole.max[few] == part.max).all()


@pytest.mark.parametrize("threads", [2, 5])
def test_any_number_of_threads_takes_as_much(threads):
    """What is staged is staged by few threads."""
    x, rows = ones("f4", TABLE), np.arange(TABLE[0])[:, np.newaxis] % 3 > 0
    out, wide = np.ones_like(x), ones("f8", (2**19, 16))
    out_wide, many = np.ones_like(wide), ones("f4", (4, 4, 4, 4, 2**15))
    weights, (_, stats) = 2.0 * rows, fastbn.batch_norm(x, return_stats=True)
    calls = {
        "where": lambda: fastbn.channel_stats(x, where=rows),
        "reversed": lambda: fastbn.zscore(wide[::-1], out=out_wide),
        "weights": lambda: fastbn.channel_stats(x, weights=weights),
        "weights of integers": lambda: fastbn.channel_stats(wide.view(np.int64), weights=weights[: len(wide)]),
        "backward": lambda: fastbn.batch_norm_backward(x, x, stats, where=rows, out=out),
        "backward, reversed": lambda: fastbn.batch_norm_backward(x[::-1], x, stats, out=out),
        "weights, many axes": lambda: fastbn.channel_stats(many, -1, weights=2.0),
    }
    before = fastbn.get_num_threads()
    try:
        fastbn.set_num_threads(threads)
        for name, call in calls.items():
            call()  # compiles
            assert traced_peak(call) <= limit(many if name == "weights, many axes" else x, -1), name
    finally:
        fastbn.set_num_threads(before)


ROWS = 2**23
GIBIBYTE = {name: (name, {}) for name in MAPS} | {
    "exact": ("zscore", {"method": "exact"}),
    "omit": ("zscore", {"nan_policy": "omit"}),
    "where": ("zscore", {"where": (np.arange(ROWS) % 3 > 0)[:, np.newaxis]}),
    "nodata": ("zscore", {"nodata": 1}),
    "weights": ("zscore", {"weights": (np.arange(ROWS) % 3)[:, np.newaxis]}),
    "batch_norm, omit": ("batch_norm", {"nan_policy": "omit"}),
    "minmax_scale, omit": ("minmax_scale", {"nan_policy": "omit"}),
}


@pytest.fixture(scope="module")
def gibibyte():
    """An array of that size, with a NaN now and then."""
    x = ones("f4", (ROWS, 32))
    x[::1000, 3] = np.nan
    return x


def assert_only_the_output(call, output, x):
    """``call()`` makes arrays of so many bytes in all, and nothing else that is large."""
    call()  # compiles
    before = resident(reset=True)
    assert traced_peak(call) <= output + limit(x, 1)
    assert resident() - before <= output + limit(x, 1) + 4 * MIB


@pytest.mark.parametrize("case", GIBIBYTE)
def test_a_gibibyte_takes_its_output_and_nothing_else(case, gibibyte):
    name, arguments = GIBIBYTE[case]
    assert_only_the_output(lambda: MAPS[name](gibibyte, **arguments), gibibyte.nbytes, gibibyte)


def test_a_masked_gibibyte_takes_its_output_and_the_mask_of_that(gibibyte):
    x = np.ma.MaskedArray(gibibyte, np.zeros(gibibyte.shape, bool))
    x.mask[::7] = True
    assert_only_the_output(lambda: fastbn.zscore(x), x.data.nbytes + x.mask.nbytes, gibibyte)


def test_the_gradient_of_a_gibibyte_is_the_output_and_nothing_else(gibibyte):
    _, stats = fastbn.batch_norm(gibibyte[:999], return_stats=True)
    assert_only_the_output(lambda: fastbn.batch_norm_backward(gibibyte, gibibyte, stats).dx, gibibyte.nbytes, gibibyte)


def test_the_mask_of_a_masked_array_is_copied_for_the_result_alone():
    x = np.ma.MaskedArray(ones("f4"), np.zeros(SHAPE, bool))
    x.mask[:, :, ::2] = True
    fastbn.zscore(x)  # compiles
    assert traced_peak(lambda: fastbn.channel_stats(x)) <= limit(x, 1)
    assert traced_peak(lambda: fastbn.zscore(x)) <= x.data.nbytes + x.mask.nbytes + limit(x, 1)
    assert traced_peak(lambda: fastbn.zscore(x, out=x)) <= limit(x, 1)


@pytest.mark.parametrize("shape", [(400, 100_000), (3000, 10_000), (20_000, 1000)])
def test_backward_functions(shape):
    """32 MiB and 350 bytes per channel and thread."""
    x = np.ones(shape, np.float32)
    x[:, 1::2] = 0
    dy, out, gamma = np.ones_like(x), np.empty_like(x), np.ones(shape[1])
    _, stats = fastbn.batch_norm(x[:4], return_stats=True)
    before = fastbn.get_num_threads()
    try:
        fastbn.set_num_threads(2)
        for call in (
            lambda n: fastbn.batch_norm_backward(dy[:n], x[:n], stats, gamma, out=out[:n]),
            lambda n: fastbn.layer_norm_backward(dy[:n], x[:n], gamma, out=out[:n]),
            lambda n: fastbn.group_norm_backward(dy[:n], x[:n], 4, gamma, out=out[:n]),
        ):
            call(4)
            channels = shape[1] if call(4).dgamma.size else 0
            tracemalloc.start()
            try:
                call(shape[0])
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak <= 32 * MIB + 350 * channels * 2
    finally:
        fastbn.set_num_threads(before)
