"""The state of exact statistics: integers that merge, carry, and go to files and back without losing a bit."""

import ctypes
import json
import math
import pickle
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_exact
from fastbn import _cuts
from fastbn._backends import current
from fastbn._exact import ExactState, Integers
from fastbn._kernels import reductions
from fastbn._kernels.sizes import LONG, SEGMENTS, SHORT, SQUARE_POINT, SUM_POINT, SUM_WORDS, WORD_BITS

integers = st.integers(-(2**2000), 2**2000)


def exact(x, channel_axis=1):
    return fastbn.channel_stats(x, channel_axis, method="exact")


# --- integers in words ------------------------------------------------------------------------------------------------


@given(st.lists(integers, min_size=1, max_size=9))
def test_integers_come_back(values):
    words = Integers.of(values)
    assert words.values() == values
    assert Integers.of(values, 3).values() == [v << 3 * WORD_BITS for v in values]
    assert ((words.words[:-1] >= 0) & (words.words[:-1] < 2**WORD_BITS)).all()
    sizes, negative = words.sizes()
    assert sizes.values() == [abs(v) for v in values]
    assert negative.tolist() == [v < 0 for v in values]


@given(st.lists(st.tuples(integers, integers), min_size=1, max_size=5))
def test_integers_add(pairs):
    parts = [Integers.of(list(column)) for column in zip(*pairs, strict=True)]
    assert Integers.sum(parts).values() == [a + b for a, b in pairs]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8), st.integers(0, 40))
def test_carries_that_nearly_fill_a_word(column, first):
    """Words up to 2^62, as after 2^29 deposits; room for carries above them."""
    words = np.array([*column, 0, 0], np.int64)[:, np.newaxis]
    value = sum(v << WORD_BITS * (first + i) for i, v in enumerate(column))
    assert Integers(first, words).carried().values() == [value]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("dtype", "arithmetic", "words"), [("f4", "single", SHORT), ("f8", "double", LONG)])
@pytest.mark.parametrize("sign", [1, -1])
def test_kernels_carry(dtype, arithmetic, words, sign):
    """Two states with words as full as 2^30 deposits can make them, joined by the kernel that joins blocks."""
    full = sign * (2**62 - 2**31)
    states = np.full((2, words.rows, 3), full, np.int64)
    states[:, :SUM_WORDS] = 5
    tops = [SUM_WORDS + words.sum_count - 1, words.rows - 1]
    states[:, tops] = 0  # the highest words hold a sign and carries
    expected = 2 * states[0].astype(object)
    ends = [np.ones(3, dtype) for _ in range(4)]
    kernels = current()._kernels.reduction("exact", arithmetic, np.dtype(dtype))
    kernels.absorb(states[0].reshape(-1), states[1].reshape(-1), 3, *ends, np.empty(0))
    for begin, end in ((SUM_WORDS, tops[0]), (tops[0] + 1, tops[1])):
        column = states[0, begin : end + 1, 1].astype(object)
        assert sum(v << 32 * i for i, v in enumerate(column)) == sum(
            v << 32 * i for i, v in enumerate(expected[begin : end + 1, 1])
        )
        assert all(0 <= v < 2**32 for v in column[:-1])


def test_words_are_enough():
    """2^63 of the largest values, and the last bit of the smallest one and of its square."""
    for words, dtype in ((SHORT, np.float32), (LONG, np.float64)):
        info = np.finfo(dtype)
        largest = int(info.max) << SUM_POINT
        smallest = round(math.log2(float(info.smallest_subnormal)))
        for first, count, top, bottom in (
            (words.sum_first, words.sum_count, largest << 63, SUM_POINT + smallest),
            (words.square_first, words.square_count, largest**2 << 63, SQUARE_POINT + 2 * smallest),
        ):
            assert 0 <= WORD_BITS * first <= bottom
            assert top.bit_length() < WORD_BITS * (first + count) - 1
    assert SHORT.rows == reductions.REDUCTIONS["exact"]["single"]["ROWS_OF_STATE"]


@pytest.mark.parametrize("channels", [1, 2, 3, 64, 100, 128, 129, 1000, 10**5, 10**7])
@pytest.mark.parametrize("inner", [1, 7, 200, 300, 10**5])
def test_cuts_are_limited_for_exact_states_only(channels, inner):
    """A cut fixes the bits of the compensated method, in which nothing may depend on a limit of memory."""
    for outer in (1, 50, 10**6):
        cut = _cuts.cut(_cuts.Sizes(outer, channels, inner, channels * inner, inner))
        sizes = {
            method: 8 * reductions.REDUCTIONS[method]["double"]["ROWS_OF_STATE"] for method in reductions.REDUCTIONS
        }
        assert _cuts.limit_segments(cut, sizes["compensated"]) is cut
        limited = _cuts.limit_segments(cut, sizes["exact"])
        assert limited.segments == limited.geometry[SEGMENTS] <= cut.segments
        assert limited.segments == 1 or limited.segments * channels * sizes["exact"] <= 2**21


# --- merging ----------------------------------------------------------------------------------------------------------


def test_a_million_pieces():
    """A thousand different pieces of one to three values, a thousand times, in one call and in a tree."""
    rng = np.random.default_rng(6)
    values = [np.ldexp(rng.normal(size=1 + i % 3), rng.integers(-50, 50)) for i in range(1000)]
    pieces = [exact(piece, None) for piece in values]
    whole = oracle.moments(np.concatenate(values)).repeated(1000)
    merged = pieces[0].merge(*pieces[1:], *pieces * 999)
    assert_exact(merged, [whole], np.float64)
    thousand = pieces[0].merge(*pieces[:0:-1])
    assert sum([thousand] * 1000) == merged


def test_exact_with_compensated_is_compensated():
    x = np.random.default_rng(3).normal(5, 1, (100, 3))
    a, b = exact(x[:40]), fastbn.channel_stats(x[40:])
    assert (a.method, b.method) == ("exact", "compensated")
    for merged in (a + b, b + a, a.merge(b, a)):
        assert merged.method == "compensated"
    assert a + b == b + a
    assert np.allclose((a + b).var(), x.var(axis=0), rtol=1e-14)
    assert exact(x) != fastbn.channel_stats(x)
    assert "exact" in repr(a)
    assert "exact" not in repr(a + b)


def test_update_keeps_the_method():
    x = np.random.default_rng(4).normal(size=(10, 2))
    assert exact(x[:3]).update(x[3:]) == exact(x)
    assert exact(x[:3]).update(x[3:], method="compensated").method == "compensated"
    assert fastbn.ChannelStats.empty(2).update(x, method="exact") == exact(x)


@pytest.mark.parametrize("special", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.nan, np.inf]])
def test_special_values_hide_the_rest_in_every_order(special):
    """What is finite beside them leaves no trace, so no order and no cut can show."""
    values = np.array([1.0, *special, 1e300, 3.0])
    whole = exact(values, None)
    assert_exact(whole, [oracle.moments(values)], np.float64)
    parts = [exact(values[i : i + 1], None) for i in range(values.size)]
    for order in (parts, parts[::-1]):
        assert sum(order) == whole
    assert exact(values[::-1], None) == whole


def test_names_and_selection():
    x = np.random.default_rng(5).normal(size=(20, 2, 3)) * [[[1, 1e-9, 1e9]]]
    stats = exact(x, (1, 2))
    assert stats.shape == (2, 3)
    assert stats.select((1, 2)) == exact(x[:, 1, 2], None)
    assert stats.select((slice(None), [2, 0])) == exact(x[:, :, [2, 0]], (1, 2))
    named = exact(x[:, 0]).with_names(["a", "b", "c"])
    assert named.method == "exact"
    assert named.select(["c", "a"]) == exact(x[:, 0, [2, 0]]).with_names(["c", "a"])


# --- to files and back ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["float16", "float32", "float64", "int64", "bool"])
def stats(request):
    x = np.random.default_rng(1).integers(0, 2, (50, 4)).astype(request.param)
    if request.param == "float64":
        x *= [1, 1e-300, 1e300, np.nan]
        x[3, 3] = np.inf
    return exact(x)


def test_no_bit_is_lost(stats, tmp_path):
    text = json.dumps(stats.to_dict(), allow_nan=False)
    assert fastbn.ChannelStats.from_dict(json.loads(text)) == stats
    assert pickle.loads(pickle.dumps(stats)) == stats
    stats.save(tmp_path / "stats.json")
    loaded = fastbn.ChannelStats.load(tmp_path / "stats.json")
    assert loaded == stats
    assert loaded + loaded == stats + stats
    assert loaded.var(1).tobytes() == stats.var(1).tobytes()


def test_a_reader_of_numbers_finds_them(stats):
    d = stats.to_dict()
    assert d["count"] == stats.count.tolist()
    assert [float(v.replace("Infinity", "inf")) if isinstance(v, str) else v for v in d["mean"]] == pytest.approx(
        stats.mean.tolist(), nan_ok=True
    )
    assert fastbn.channel_stats([[1.0]]).to_dict()["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"sum": ["0x1"]},
        {"sum": ["0x1", 2]},
        {"sum": ["0x1", "one"]},
        {"sum": ["0x" + "f" * 5000, "0x0"]},
        {"sum_of_squares": ["-0x1", "0x1"]},
        {"sum_of_squares": ["0x0", "0x0"]},
        {"sum_unit": "2**-149"},
        {"nan": [9, 0]},
        {"nan": [-1, 0]},
        {"nan": [1, 0]},
        {"nan": None},
    ],
)
def test_damaged_integers(change):
    d = exact(np.array([[1.0, 2.0], [3.0, 4.0]])).to_dict()
    d["exact"] |= change
    with pytest.raises(ValueError, match="damaged statistics"):
        fastbn.ChannelStats.from_dict(d)


@pytest.mark.parametrize(
    "change", [{"mean": [2.0, 7.0]}, {"mean": [2.0, "NaN"]}, {"m2_tail": [0.0, 1e-30]}, {"min": [1.0, 3.5]}]
)
def test_integers_that_are_not_those_of_the_numbers(change):
    d = exact(np.array([[1.0, 2.0], [3.0, 4.0]])).to_dict()
    with pytest.raises(ValueError, match="damaged statistics"):
        fastbn.ChannelStats.from_dict(d | change)


@pytest.mark.parametrize("spelling", [" 0x{}", "{}", "0x_{}", "0x{}\n", "+0x{}"])
def test_integers_are_spelt_in_one_way(spelling):
    d = exact(np.array([[1.0], [3.0]])).to_dict()
    d["exact"]["sum"] = [spelling.format(d["exact"]["sum"][0][2:])]
    with pytest.raises(ValueError, match="damaged statistics"):
        fastbn.ChannelStats.from_dict(d)


def test_too_many_values():
    stats = exact(np.array([[0.1], [0.7], [0.3]]))
    for _ in range(51):
        stats = stats + stats
    assert stats.mean == exact(np.array([[0.1], [0.7], [0.3]])).mean
    with pytest.raises(ValueError, match="2\\^53"):
        stats + stats


def test_nobody_writes_into_a_state():
    stats = exact(np.ones((3, 2)))
    for array in (stats._exact.counts, stats._exact.total.words, stats._exact.squares.words):
        assert not array.flags.writeable


def test_an_empty_method_is_no_method():
    with pytest.raises(ValueError, match="method: got ''"):
        fastbn.ChannelStats.empty(2).update(np.ones((3, 2)), method="")


def test_missing_integers():
    d = exact(np.array([[1.0, 2.0], [3.0, 4.0]])).to_dict()
    for broken in (None, 3, {}, []):
        with pytest.raises(ValueError, match="damaged statistics"):
            fastbn.ChannelStats.from_dict(d | {"exact": broken})
    del d["exact"]
    with pytest.raises(ValueError, match="damaged statistics"):
        fastbn.ChannelStats.from_dict(d)


def test_state_of_nothing():
    assert ExactState.empty(3).mean.tobytes() == np.full(3, np.nan).tobytes()
    assert ExactState.empty(3).moments().tolist() == np.zeros((5, 3)).tolist()


# --- the processor flushes denormal numbers to zero -------------------------------------------------------------------

_FLUSH = """
#include <xmmintrin.h>
unsigned flush(void) { unsigned before = _mm_getcsr(); _mm_setcsr(before | 0x8040); return before; }
void restore(unsigned control) { _mm_setcsr(control); }
"""


@pytest.fixture
def flushing(tmp_path):
    """Give a function that calls another one in this thread while denormal numbers count as 0 and become 0."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    (tmp_path / "flush.c").write_text(_FLUSH)
    library = tmp_path / "flush.so"
    command = [str(compiler), "-shared", "-fPIC", "-O1", "-o", str(library), str(tmp_path / "flush.c")]
    if compiler is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs a C compiler for x86-64")
    flush = ctypes.CDLL(str(library))

    def call(function, *arguments):
        control = flush.flush()
        try:
            assert np.array([5e-324]) * np.array([1.0]) == 0
            return function(*arguments)
        finally:
            flush.restore(control)

    threads = fastbn.get_num_threads()
    fastbn.set_num_threads(1)
    yield call
    fastbn.set_num_threads(threads)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_nothing_is_flushed_to_zero(flushing, dtype, axis):
    """Denormal values among normal ones, and differences of sums that are denormal."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 6000)).astype(dtype)
    x[:, ::7] = (rng.integers(1, 2**info.nmant, (3, 858)) * info.smallest_subnormal).astype(dtype)
    x[1] *= info.tiny * np.array(4, dtype)
    x[2, ::2] = -x[2, 1::2]
    arranged = x if axis == 0 else x.T.copy()
    exact(arranged, axis)  # compiles
    assert flushing(lambda: exact(arranged, axis).to_dict()["exact"]) == exact(arranged, axis).to_dict()["exact"]
    assert_exact(exact(arranged, axis), oracle.channel_moments(x, 0), dtype)
