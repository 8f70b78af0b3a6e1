"""What goes into a map and what comes out: dtypes, ranks and axes, layouts in memory, and `out=`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from layouts import LAYOUTS
from rational import MAPS, assert_right

pytestmark = pytest.mark.usefixtures("backend")
every_map = pytest.mark.parametrize("name", MAPS)

OUTPUT_OF = {
    "?": "f4",
    **dict.fromkeys(["i1", "u1", "i2", "u2"], "f4"),
    **dict.fromkeys(["i4", "u4", "i8", "u8"], "f8"),
    **{code: code for code in ("f2", "f4", "f8")},
}
DTYPES = [*OUTPUT_OF, *(f">{code}" for code in OUTPUT_OF if code[-1] in "248")]

# Where an output may lie: the shape of its base, and the view of the base that is the output.
PLACES = {
    "contiguous": (lambda shape: shape, lambda base: base),
    "fortran": (lambda shape: shape[::-1], lambda base: base.T),
    "channels last": (lambda shape: (shape[0], *shape[2:], shape[1]), lambda base: np.moveaxis(base, -1, 1)),
    "sliced": (
        lambda shape: tuple(2 * n for n in shape),
        lambda base: base[tuple(slice(1, None, 2) for _ in base.shape)],
    ),
    "cut": (lambda shape: (*shape[:-1], shape[-1] + 3), lambda base: base[..., 1:-2]),
    "reversed": (lambda shape: shape, lambda base: base[tuple(slice(None, None, -1) for _ in base.shape)]),
    "reversed rows": (lambda shape: shape, lambda base: base[..., ::-1]),
}


def sample(dtype, shape, seed=0):
    """Make numbers from the whole range of an integer type, or normal ones."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    if kind == "f":
        return rng.normal(3, 2, shape).astype(dtype)
    if kind == "b":
        return rng.random(shape) < 0.3
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, np.dtype(dtype).newbyteorder("="), endpoint=True).astype(dtype)


# --- dtypes -----------------------------------------------------------------------------------------------------------


@every_map
@pytest.mark.parametrize("shape", [(9, 2, 5), (45, 2)])
@pytest.mark.parametrize("code", DTYPES)
def test_every_dtype_gives_its_float(name, code, shape):
    x = sample(code, shape)
    y = MAPS[name](x)
    assert y.dtype == OUTPUT_OF[code.strip(">")]
    assert y.dtype.isnative
    assert_right(name, y, x)


@pytest.mark.parametrize("name", [name for name in MAPS if name != "batch_norm"])
@pytest.mark.parametrize("wanted", [np.float16, np.float32, "float64", np.dtype("f8"), float])
@pytest.mark.parametrize("code", ["?", "i2", "u8", "f2", "f4", "f8", ">f4"])
def test_dtype_chooses_the_output(name, code, wanted):
    x = sample(code, (9, 2, 5))
    y = MAPS[name](x, dtype=wanted)
    assert y.dtype == wanted
    assert_right(name, y, x)
    out = np.empty(x.shape, wanted)
    assert MAPS[name](x, dtype=wanted, out=out) is out
    assert out.tobytes() == y.tobytes()


@every_map
@pytest.mark.parametrize(
    "x", [[[1, 2], [3, 5], [8, 0]], [[0.5, 2], [3, 5], [8, 0.25]], ((True, False), (False, False))]
)
def test_lists_are_arrays(name, x):
    y = MAPS[name](x)
    assert type(y) is np.ndarray
    assert y.tobytes() == MAPS[name](np.array(x)).tobytes()


# --- ranks and axes ---------------------------------------------------------------------------------------------------


@every_map
@pytest.mark.parametrize(
    ("shape", "axis", "same"),
    [
        ((11,), None, ()),
        ((4, 5), None, ()),
        ((2, 3, 4, 2), None, ()),
        ((9, 4), 1, (-1,)),
        ((9, 4), 0, (-2, (0,), (-2,))),
        ((4, 3, 5), 1, (-2, (1,))),
        ((4, 3, 5), 0, (-3,)),
        ((4, 3, 5), (0, 1), ((1, 0), (-3, -2))),
        ((2, 3, 4, 5), -1, (3,)),
        ((2, 3, 4, 5), (0, 2), ((2, 0), (-2, 0))),
        ((4, 3, 2, 5), (1, 2), ((2, 1), (-3, 2))),
        ((3, 2, 2, 4, 3), 1, (-4,)),
        ((3, 2, 2, 4, 3), 3, ((3,),)),
        ((3, 2, 3, 4, 2), (1, 2, 4), ((4, 2, 1), (-1, 1, 2))),
        ((2, 1, 3, 2, 1, 2, 3), (2, 5), ((5, -5),)),
    ],
)
def test_any_rank_and_channel_axis(name, shape, axis, same):
    x = sample("f4", shape)
    y = MAPS[name](x, axis)
    assert_right(name, y, x, axis)
    for spelling in same:
        assert MAPS[name](x, spelling).tobytes() == y.tobytes()


@every_map
def test_one_number(name):
    """A whole array as one channel may be a single number; in training batch_norm refuses it."""
    if name == "batch_norm":
        with pytest.raises(ValueError, match="training"):
            MAPS[name](np.float64(5.0), None)
    else:
        y = MAPS[name](5.0, None)
        assert np.shape(y) == ()
        assert float(y) == {"zscore": 0, "normalize": 0, "minmax_scale": 0, "denormalize": 5, "minmax_unscale": 5}[name]


@every_map
@given(st.data())
def test_any_shape_strides_and_axes(name, data):
    rank = data.draw(st.integers(1, 5))
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * rank))
    steps = data.draw(st.tuples(*[st.sampled_from([1, 1, 2, -1, -2, 3])] * rank))
    order = data.draw(st.permutations(range(rank)))
    dtype = data.draw(st.sampled_from(["f4", "f8", "i2", ">f4", "f2"]))
    axes = data.draw(
        st.none() | st.integers(-rank, rank - 1) | st.sets(st.integers(0, rank - 1), min_size=1).map(tuple)
    )
    base = sample(dtype, tuple(shape[i] * abs(steps[i]) for i in order))
    x = base[tuple(slice(None, None, steps[i]) for i in order)].transpose(np.argsort(order))
    if name == "batch_norm" and x.size == max(1, np.prod(oracle.kept_shape(x, axes), dtype=int)):
        return  # one value per channel
    before = base.tobytes()
    assert_right(name, MAPS[name](x, axes), x, axes)
    assert base.tobytes() == before


@every_map
def test_kept_axes_that_do_not_merge(name):
    x = sample("f4", (5, 4, 9, 3))
    for view, axes in ((x[..., :7, :], (1, 2)), (x[:, :3], (0, 2)), (x[:, :, :7, 0], (1, 2)), (x[..., :2], (1, 2, 3))):
        assert_right(name, MAPS[name](view, axes), view, axes)


# --- layouts ----------------------------------------------------------------------------------------------------------


@every_map
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ["f4", "u2"])
def test_every_layout(name, code, layout):
    arranged = LAYOUTS[layout](sample(code, (6, 60)))
    before = arranged.x.tobytes()
    y = MAPS[name](arranged.x, arranged.axis)
    assert type(y) is np.ndarray
    assert y.flags.writeable
    assert_right(name, y, arranged.x, arranged.axis)
    assert arranged.x.tobytes() == before


@every_map
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ["f4", "i8"])
def test_every_layout_over_many_tiles(name, code, layout):
    """Every value lands in its place: the same as from channels in a row, but for the last bits."""
    arranged = LAYOUTS[layout](sample(code, (6, 12320)))
    rows = np.array(list(oracle.channel_arrays(arranged.x, arranged.axis)))
    y = MAPS[name](arranged.x, arranged.axis)
    expected = MAPS[name](rows, 0)
    got = np.array(list(oracle.channel_arrays(y, arranged.axis)))
    level = np.maximum(abs(expected), abs(expected).mean())
    assert (abs(got - expected) <= 4 * np.spacing(level)).all()


@every_map
@pytest.mark.parametrize("mode", ["r", "c"])
def test_memory_maps(name, mode, tmp_path):
    values = sample("f4", (20, 3, 7))
    values.tofile(tmp_path / "x.bin")
    x = np.memmap(tmp_path / "x.bin", np.float32, mode, shape=values.shape)
    y = MAPS[name](x)
    assert type(y) is np.ndarray
    assert y.tobytes() == MAPS[name](values).tobytes()
    assert x.tobytes() == values.tobytes()
    out = np.memmap(tmp_path / "y.bin", np.float32, "w+", shape=values.shape)
    assert MAPS[name](x, out=out) is out
    out.flush()
    assert (tmp_path / "y.bin").read_bytes() == y.tobytes()


@every_map
def test_a_field_of_packed_records(name):
    """Strides that are no multiple of the item size."""
    records = np.zeros((30, 4), [("tag", "u1"), ("value", "f4")])
    records["value"] = sample("f4", (30, 4))
    assert records["value"].strides[1] % 4 == 1
    y = MAPS[name](records["value"])
    assert_right(name, y, records["value"])


@every_map
def test_many_short_and_few_long_channels(name):
    for shape, axis in (((3, 20000), 1), ((2, 30000), 0), ((1, 3, 40000), 1), ((40000, 1), 1), ((2, 4097, 3), 1)):
        x = sample("f4", shape)
        rows = np.array(list(oracle.channel_arrays(x, axis)))
        got = np.array(list(oracle.channel_arrays(MAPS[name](x, axis), axis)))
        expected = MAPS[name](rows, 0)
        assert (abs(got - expected) <= 4 * np.spacing(np.maximum(abs(expected), np.float32(1)))).all()


# --- out --------------------------------------------------------------------------------------------------------------


@every_map
@pytest.mark.parametrize("shape", [(7, 3, 4, 5), (40, 3), (5, 3, 1300)])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("code", "order"), [("f4", "C"), ("f4", "F"), ("u1", "C")])
def test_out_may_lie_anywhere(name, code, order, place, shape):
    x = np.asarray(sample(code, shape), order=order)
    y = MAPS[name](x)
    base_shape, view = PLACES[place]
    base = np.full(base_shape(shape), -77, y.dtype)
    expected = base.copy()
    view(expected)[...] = y
    out = view(base)
    assert MAPS[name](x, out=out) is out
    assert base.tobytes() == expected.tobytes()


@every_map
@pytest.mark.parametrize("shape", [(40, 3), (5, 3, 1300), (40, 3, 57, 31)])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", ["f2", "f4"])
def test_in_place(name, code, place, shape):
    base_shape, view = PLACES[place]
    base = sample(code, base_shape(shape))
    x, expected = view(base), base.copy()
    view(expected)[...] = MAPS[name](x)
    assert MAPS[name](x, out=x) is x
    assert base.tobytes() == expected.tobytes()


@every_map
def test_out_beside_the_input_in_one_buffer(name):
    """Neighbours that share a buffer but not a byte do not overlap."""
    both = sample("f4", (20, 2, 3, 5))
    x, out = both[:, 0], both[:, 1]
    expected, kept = MAPS[name](x), x.tobytes()
    assert MAPS[name](x, out=out) is out
    assert out.tobytes() == expected.tobytes()
    assert x.tobytes() == kept


@pytest.mark.parametrize("name", ["zscore", "minmax_scale", "batch_norm"])
def test_statistics_come_along_with_out(name):
    x, out = sample("f4", (20, 3, 5)), np.empty((20, 3, 5), np.float32)
    result, stats = MAPS[name](x, out=out, return_stats=True)
    assert result is out
    assert stats == fastbn.channel_stats(x)


@every_map
def test_no_warning_escapes(name):
    """Overflow, division by zero and NaN are results, not warnings (which the tests turn into errors)."""
    x = np.array([[np.nan, 0, 1e38, 1], [1, 0, -3e38, 2], [np.inf, 0, 3e38, 1]])
    for values in (x, x * 1e260, x.astype(np.float32)):
        assert np.isnan(MAPS[name](values)[0, 0])


PADDED = [
    (4, 3, 1),
    (40, 5, 1),
    (300, 70, 1),
    (9, 3, 4),
    (50, 20, 7),
    (30, 4, 60),
    (16, 6, 100),
    (3, 40, 33),
    (1, 9, 2),
]


def cropped(shape, dtype, seed, more):
    """Give larger arrays, and the part of each that has this shape, with something between its rows or channels."""
    rng = np.random.default_rng(seed)
    outer, channels, inner = shape
    for room, part in (
        ((outer, channels + more, inner), np.s_[:, :channels]),
        ((outer, channels + 1, inner + more), np.s_[:, :channels, :inner]),
    ):
        whole = rng.normal(3, 2, room).astype(dtype)
        yield whole, whole[part]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", PADDED)
@pytest.mark.parametrize("place", ["in place", "apart"])
def test_what_lies_between_rows_is_left_alone(shape, dtype, place):
    """Cropped images, and some of the columns of a table."""
    for (_, x), (held, out) in zip(cropped(shape, dtype, 0, 3), cropped(shape, dtype, 1, 5), strict=True):
        stats = fastbn.channel_stats(x)
        calls = {
            "normalize": lambda x, out=None, s=stats: fastbn.normalize(x, s, out=out),
            "denormalize": lambda x, out=None, s=stats: fastbn.denormalize(x, s, out=out),
            "minmax_scale": lambda x, out=None, s=stats: fastbn.minmax_scale(x, stats=s, out=out),
            "zscore": lambda x, out=None: fastbn.zscore(x, out=out),
            "gradient": lambda x, out=None, s=stats: fastbn.batch_norm_backward(x, 2 * x, s, out=out).dx,
        }
        for name, call in calls.items():
            out[...] = x
            expected, before = call(x.copy()), held.copy()
            call(out if place == "in place" else x, out=out)
            assert out.tobytes() == expected.tobytes(), name
            out[...] = x
            assert held.tobytes() == before.tobytes(), name
