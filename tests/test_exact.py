"""``method="exact"``: equality with exact integers, whatever the data, their order, layout and cut, and the threads."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbn
import oracle
from contract import assert_exact
from fastbn._kernels import floors
from fastbn._kernels.sizes import SQUARE_POINT, SUM_POINT
from generators import CASES, FLOATS, INTEGERS, LONG, TILE, channels, lengths
from known_sums import nist
from layouts import LAYOUTS

pytestmark = pytest.mark.usefixtures("backend")

# Every family and dtype; floats, whose kernels look at the data, in every layout, others in layouts that take turns.
_TURNS = itertools.cycle(LAYOUTS)
TABLE = [
    (name, dtype, layout)
    for name, dtype in CASES
    for layout in (LAYOUTS if dtype in ("float32", "float64") else itertools.islice(_TURNS, 4))
]


def exact(x, channel_axis=1):
    return fastbn.channel_stats(x, channel_axis, method="exact")


@pytest.mark.parametrize(("name", "dtype", "layout"), TABLE)
def test_stress_table(name, dtype, layout):
    arranged = LAYOUTS[layout](channels(name, dtype))
    expected = [moments.repeated(arranged.times) for moments in oracle.channel_moments(channels(name, dtype), 0)]
    assert_exact(exact(arranged.x, arranged.axis), expected, dtype)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "bits", "reaches"), [("float32", 23, (18, 19, 20, 35, 36, 37)), ("float64", 52, (16, 17, 18, 32, 33, 34))]
)
@pytest.mark.parametrize("share", [0.002, 0.5])
def test_borders_of_the_certificates(dtype, bits, reaches, axis, share):
    """Significands full of ones, the smallest values an odd number of units just above and below what is left out."""
    rng = np.random.default_rng(bits)
    for reach in reaches:
        x = np.full((3, 40000), 2 - 2.0**-bits)
        x[1] *= rng.choice([-1, 1], 40000)
        small = rng.random(x.shape) < share
        odd = 1 + (2 * rng.integers(0, 2 ** (bits - 1), x.shape) + 1) * 2.0**-bits
        x[small] = np.ldexp(odd * rng.choice([-1, 1], x.shape), -reach - rng.integers(-1, 2, x.shape))[small]
        x[2] = np.sort(x[2])
        x = x.astype(dtype)
        assert_exact(exact(x if axis == 0 else x.T.copy(), axis), oracle.channel_moments(x, 0), dtype)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_length(dtype, axis):
    rng = np.random.default_rng(3)
    for length in lengths():
        x = (rng.normal(100, 20, (2, length)) if dtype != "bool" else rng.integers(0, 2, (2, length))).astype(dtype)
        assert_exact(exact(x if axis == 0 else x.T, axis), oracle.channel_moments(x, 0), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_value_in_every_lane_and_tile_that_is_not_finite(dtype):
    base = np.random.default_rng(5).normal(size=(2 * TILE + 70,)).astype(dtype)
    for special, at in itertools.product((np.nan, np.inf, -np.inf), (0, 1, 63, 64, TILE, 2 * TILE + 69)):
        x = base.copy()
        x[at] = special
        assert_exact(exact(x, None), [oracle.moments(x)], dtype)
        both = np.stack([base, x], axis=1)
        assert_exact(exact(both), oracle.channel_moments(both), dtype)


def greedy(dtype, floor, rng):
    """256 rows of 256 values near 2 or near the floor; down each column the rounding errors of squares add up.

    Each value is the worst of 200 for a sum of squares that starts at 2^10 times the largest of them.
    """
    largest = 2 - float(np.finfo(dtype).eps)
    sums = np.full(256, 2.0**10 * largest**2)
    chosen = np.full((256, 256), largest)
    for row in chosen[1:]:
        if rng.random() < 0.1:
            values = floor * largest * (1 + rng.random((200, 256)) * 2.0 ** rng.integers(-20, 0))
        else:
            values = largest * (1 - rng.random((200, 256)) * 2.0 ** rng.integers(-20, 0))
        values = values.astype(dtype).astype(np.float64)
        squares = values * values
        grown = sums + squares
        error = squares - (grown - sums)
        worst = np.argmax(error, axis=0), np.arange(256)
        row[...], sums = values[worst], grown[worst]
    return chosen.astype(dtype)


def assert_integers(stats, expected):
    """The sums themselves: what is lost far below the last place of a result is lost, too."""
    for name, point, factor in (("total", SUM_POINT, 1), ("squares", SQUARE_POINT, 2)):
        right = [getattr(moments, name) << point + factor * moments.exponent for moments in expected]
        assert getattr(stats._exact, name).values() == right


@pytest.mark.parametrize(("dtype", "floor"), [("float32", floors.SINGLE_QUICK), ("float64", floors.DOUBLE_QUICK)])
def test_errors_that_add_up(dtype, floor):
    """Data made to fill the second sum of the quick form: with floors of a quarter some of these go wrong."""
    for seed in range(2):
        table = greedy(dtype, floor, np.random.default_rng(seed))
        assert_integers(exact(table), oracle.channel_moments(table))  # a lane is a column ...
        run = np.ascontiguousarray(table.reshape(256, 4, 64).swapaxes(0, 1)).ravel()  # ... or every 64th value of a run
        assert_integers(exact(run, None), [oracle.moments(run)])


def test_more_numbers_than_any_word_holds():
    largest = np.finfo(np.float64).max
    for values in ([largest] * 9, [largest, -largest], [largest, largest, -largest], [5e-324] * 3, [5e-324, largest]):
        assert_exact(exact(np.array(values), None), [oracle.moments(np.array(values))], np.float64)
    stats = exact(np.array([largest, -largest]), None)
    assert (stats.mean, stats.var(), stats.std()) == (0, math.inf, largest)


def test_many_channels_and_few_give_the_same():
    """Many are finished as vectors, few as Python's integers."""
    rng = np.random.default_rng(11)
    shape = 70, 300
    for x in (rng.normal(3, 1, shape), np.ldexp(rng.normal(size=shape), rng.integers(-1060, 900, shape))):
        stats = exact(x)
        assert_exact(stats, oracle.channel_moments(x), np.float64)
        for c in range(300):
            one = stats.select(c)
            assert one == exact(x[:, c], None)
            assert one.moments(np.empty(0)).state.ravel().tobytes() == stats.moments(np.empty(0)).state[:, c].tobytes()


@st.composite
def any_numbers(draw):
    """Values of any dtype, of any bits, or small integers times powers of two."""
    dtype = np.dtype(draw(st.sampled_from((*FLOATS, *INTEGERS))))
    if dtype.kind == "f" and draw(st.booleans()):
        size = 8 * dtype.itemsize
        return np.array(draw(st.lists(st.floats(width=size), min_size=1, max_size=60)), dtype)
    raw = draw(st.binary(min_size=dtype.itemsize, max_size=60 * dtype.itemsize))
    if dtype.kind == "b":
        return np.frombuffer(raw, np.uint8) > 127
    return np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)


@given(any_numbers())
def test_any_numbers(values):
    assert_exact(exact(values, None), [oracle.moments(values)], values.dtype)
    if np.isfinite(values).all():
        assert_integers(exact(values, None), [oracle.moments(values)])


@given(st.integers(-300, 300), st.integers(-40, 40), st.lists(st.integers(-9, 9), min_size=1, max_size=99))
@example(0, 52, [0, 1, 1])
def test_any_lattice(base, step, steps):
    values = np.array([math.ldexp(1, base) + math.ldexp(k, base - step) for k in steps])
    assert_exact(exact(values, None), [oracle.moments(values)], np.float64)


@given(st.data(), any_numbers())
def test_any_order_split_and_tree(data, values):
    whole = exact(values, None)
    shuffled = values[data.draw(st.permutations(range(values.size)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, values.size), max_size=6)))
    parts = [exact(part, None) for part in np.split(shuffled, cuts)]
    assert parts[0].merge(*parts[1:]) == whole
    while len(parts) > 1:
        i = data.draw(st.integers(0, len(parts) - 2))
        parts[i : i + 2] = [parts[i + 1] + parts[i]]
    assert parts == [whole]
    assert hash(parts[0]) == hash(whole)


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_answer_in_every_order_and_layout(dtype):
    """The bytes of a saved state, over permutations, layouts and numbers of threads."""
    rng = np.random.default_rng(8)
    data = np.stack([rng.normal(280, 0.5, LONG), rng.lognormal(0, 2, LONG), rng.normal(size=LONG)]).astype(dtype)
    found = set()
    before = fastbn.get_num_threads()
    try:
        for layout, (threads, order) in zip(
            LAYOUTS.values(),
            itertools.cycle(
                [(1, None), (2, np.argsort(abs(data[0]))), (3, rng.permutation(LONG)), (7, slice(None, None, -1))]
            ),
        ):
            fastbn.set_num_threads(threads)
            arranged = layout(data if order is None else data[:, order])
            stats = exact(arranged.x, arranged.axis)
            if arranged.times == 1:
                found.add(str(stats.to_dict()["exact"]))
    finally:
        fastbn.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("shape", [(64, 7, 96, 96), (2**18, 3), (3, 2**18), (2**20,)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_any_number_of_threads(dtype, shape):
    x = np.random.default_rng(2).integers(0, 120, shape).astype(dtype)
    before = fastbn.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3, 7):
            fastbn.set_num_threads(threads)
            found.append(exact(x, min(1, x.ndim - 1)))
    finally:
        fastbn.set_num_threads(before)
    assert all(stats == found[0] for stats in found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_made_against_the_certificates(dtype):
    """Every tile holds values far below its largest, of every exponent there is: all but a few are added one by one."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(9)
    x = np.ldexp(1 + rng.random((30000, 2)), rng.integers(info.minexp - info.nmant, info.maxexp, (30000, 2))).astype(
        dtype
    )
    x[:, 1] *= rng.choice([-1, 1], 30000).astype(dtype)
    for arranged, axis in ((x, 1), (x.T.copy(), 0)):
        assert_exact(exact(arranged, axis), oracle.channel_moments(x), dtype)


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values, *_ in nist()])
def test_nist(values):
    assert_exact(exact(values, None), [oracle.moments(values)], values.dtype)


@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "uint64"])
def test_functions_that_normalize(dtype):
    x = np.random.default_rng(12).integers(0, 100, (50, 3, 7)).astype(dtype)
    stats = exact(x)
    y, fitted = fastbn.zscore(x, method="exact", return_stats=True)
    assert fitted == stats
    assert y.tobytes() == fastbn.zscore(x, stats=stats).tobytes()
    y, fitted = fastbn.minmax_scale(x, method="exact", return_stats=True)
    assert fitted == stats
    assert y.tobytes() == fastbn.minmax_scale(x, stats=stats).tobytes()
    mean, var = np.zeros(3), np.zeros(3)
    y, fitted = fastbn.batch_norm(x, running_mean=mean, running_var=var, momentum=1, method="exact", return_stats=True)
    assert fitted == stats
    assert y.tobytes() == fastbn.normalize(x, stats, eps=1e-5).tobytes()
    assert (mean.tobytes(), var.tobytes()) == (stats.mean.tobytes(), stats.var(ddof=1).tobytes())


def test_in_place():
    x = np.random.default_rng(13).normal(size=(100, 3)).astype(np.float32)
    expected = fastbn.zscore(x, method="exact")
    assert fastbn.zscore(x, method="exact", out=x) is x
    assert x.tobytes() == expected.tobytes()


def test_nothing():
    stats = exact(np.empty((0, 3), np.float32))
    assert stats.method == "exact"
    assert stats.count.tolist() == [0, 0, 0]
    assert np.isnan([stats.mean, stats.var(), stats.std()]).all()
    x = np.ones((4, 3), np.float32)
    assert stats + exact(x) == exact(x) == exact(x) + fastbn.ChannelStats.empty(3)


@pytest.mark.parametrize("function", [fastbn.channel_stats, fastbn.zscore, fastbn.minmax_scale, fastbn.batch_norm])
@pytest.mark.parametrize("method", ["Exact", "", None, 1])
def test_unknown_method(function, method):
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"method: got .* wants one of 'compensated', 'exact'"):
        function(x, method=method)


@given(hnp.arrays(np.float64, (9, 2), elements=st.floats(-1e300, 1e300)))
def test_mean_and_m2_in_two_words(x):
    """What maps are made from: the correctly rounded value and, to 2^-96 of it, what it lacks."""
    state = exact(x).moments(np.empty(0)).state
    for c, moments in enumerate(oracle.channel_moments(x)):
        for head, tail, right in ((*state[1:3, c], moments.mean), (*state[3:5, c], moments.m2)):
            if abs(right) < 2**1022:
                rest = right - oracle.Fraction(float(head))
                assert float(head) == oracle.rounded(right)
                assert abs(oracle.Fraction(float(tail)) - rest) <= abs(right) / 2**96 + oracle.Fraction(5e-324)
