"""Bad input: the exception of the contract, one line that says what was got, and nothing written."""

import numpy as np
import pytest

import fastbn

pytestmark = pytest.mark.usefixtures("backend")

SHAPE = (6, 3, 4)
WITH_STATS = ("normalize", "denormalize", "minmax_unscale")  # statistics are a required argument
INVERSE = ("denormalize", "minmax_unscale")
MAY_HAVE_STATS = ("zscore", "minmax_scale")
WITH_VECTORS = ("normalize", "denormalize", "batch_norm")
MAPS = (*MAY_HAVE_STATS, *WITH_STATS, "batch_norm")
ALL = ("channel_stats", *MAPS)
COMPUTING = ("channel_stats", *MAY_HAVE_STATS, "batch_norm")
WIDE = ("int32", "uint32", "int64", "uint64", "float64")  # they give float64


def good(shape=SHAPE, dtype=np.float32):
    return np.random.default_rng(0).normal(3, 2, shape).astype(dtype)


def stats_of(shape, channel_axis=1):
    return fastbn.channel_stats(good(shape), channel_axis)


def call(name, x, **options):
    if name in WITH_STATS:
        options.setdefault("stats", stats_of(SHAPE))
    return getattr(fastbn, name)(x, **options)


def refused(name, error, *words, x=None, **options):
    """Call a function with something wrong: it raises, says the words in one line, and has written nothing."""
    x = good() if x is None else x
    if name in MAPS:
        options.setdefault("out", np.full(np.shape(x), 7, "f8" if np.asarray(x).dtype.name in WIDE else "f4"))
    if name == "batch_norm":
        options = {"running_mean": np.full(3, 5.0), "running_var": np.full(3, 6.0)} | options
    arrays = [a for a in (x, *options.values()) if isinstance(a, np.ndarray)]
    before = [a.tobytes() for a in arrays]
    with pytest.raises(error) as caught:
        call(name, x, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert [a.tobytes() for a in arrays] == before


def cases(*rows):
    """Spell out rows (functions, option, values) as one parameter each."""
    return [
        pytest.param(name, option, value, id=f"{name}-{option}-{str(value)[:30]}")
        for names, option, values in rows
        for name in names
        for value in values
    ]


@pytest.mark.parametrize("name", ALL)
def test_the_good_call_is_good(name):
    call(name, good())


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "option", "value"),
    cases(
        (COMPUTING, "nan_policy", ["skip", "", None]),
        (("zscore", "minmax_scale", "normalize"), "on_constant", ["drop", "", None, 0]),
        (("zscore", "normalize", "denormalize", "batch_norm"), "eps", [-1e-5, -1, float("nan")]),
    ),
)
def test_values_that_are_not_accepted(name, option, value):
    refused(name, ValueError, option, repr(value), **{option: value})


@pytest.mark.parametrize("name", ["minmax_scale", "minmax_unscale"])
@pytest.mark.parametrize(
    "value", [(1, 0), (0.5, 0.5), (0, np.nan), (np.nan, 1), (0, np.inf), (-np.inf, 0), (0, 1, 2), (0,), ()]
)
def test_feature_ranges_that_are_none(name, value):
    refused(name, ValueError, "feature_range", feature_range=value)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    cases(
        (("zscore", "normalize", "denormalize", "batch_norm"), "eps", ["1", None, 1j]),
        (("zscore", "normalize", "denormalize"), "ddof", ["1", None, 1j]),
        (("minmax_scale", "minmax_unscale"), "feature_range", [5, "ab", None, ("a", "b")]),
        (("batch_norm",), "momentum", ["0.1", 1j]),
        (ALL, "channel_axis", ["1", 1.0, (0, 1.5), 1j]),
        (MAY_HAVE_STATS, "stats", [{}, (1.0, 2.0), np.zeros(3), "stats"]),
        (WITH_STATS, "stats", [None, {}, (1.0, 2.0), np.zeros(3), "stats"]),
    ),
)
def test_kinds_that_are_not_accepted(name, option, value):
    refused(name, TypeError, option, **{option: value})


# --- axes and shapes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [3, -4, (0, 3), (-4, 1), 10**30])
@pytest.mark.parametrize("name", ALL)
def test_axes_that_are_not_there(name, axis):
    refused(name, ValueError, "channel_axis", str(SHAPE), channel_axis=axis)


@pytest.mark.parametrize("axis", [(1, 1), (1, -2), (0, 1, 0)])
@pytest.mark.parametrize("name", ALL)
def test_axes_given_twice(name, axis):
    refused(name, ValueError, "channel_axis", str(axis), channel_axis=axis)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ALL)
def test_a_number_has_no_channel_axis(name, axis):
    refused(name, ValueError, "channel_axis", x=np.array(3, np.float32), channel_axis=axis)


@pytest.mark.parametrize("name", ALL)
def test_a_row_has_no_axis_one(name):
    refused(name, ValueError, "channel_axis", "(5,)", x=good((5,)))


@pytest.mark.parametrize("shape", [(6, 4), (6, 1), (6, 30)])
@pytest.mark.parametrize("name", [*MAY_HAVE_STATS, *WITH_STATS])
def test_statistics_of_another_number_of_channels(name, shape):
    refused(name, ValueError, "stats", str(shape[1:]), "(3,)", stats=stats_of(shape))


@pytest.mark.parametrize(
    ("shape", "axis"), [((6, 3), None), ((2, 3, 1), (1, 2)), ((2, 1, 3), (1, 2)), ((6, 3, 2), (1, 2))]
)
@pytest.mark.parametrize("name", [*MAY_HAVE_STATS, *WITH_STATS])
def test_statistics_of_other_axes(name, shape, axis):
    stats = stats_of(shape, axis)
    refused(name, ValueError, "stats", str(stats.shape), "(3,)", stats=stats)


@pytest.mark.parametrize("vector", ["gamma", "beta"])
@pytest.mark.parametrize("shape", [(4,), (1,), (2,), (3, 1), (1, 3), (1, 3, 1), (0,)])
@pytest.mark.parametrize("name", WITH_VECTORS)
def test_vectors_of_another_shape(name, vector, shape):
    refused(name, ValueError, vector, str(shape), "(3,)", **{vector: np.ones(shape, np.float32)})


@pytest.mark.parametrize("vector", ["gamma", "beta"])
@pytest.mark.parametrize("value", [np.ones(3, complex), np.array(["a", "b", "c"]), np.array([None, 1, 2], object)])
@pytest.mark.parametrize("name", WITH_VECTORS)
def test_vectors_of_another_kind(name, vector, value):
    refused(name, TypeError, vector, **{vector: value})


# --- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        good(dtype=np.complex64),
        good(dtype=np.complex128),
        good(dtype=np.longdouble),
        good(dtype=object),
        good().astype("U8"),
        good().astype("S8"),
        good().astype("datetime64[s]"),
        good().astype("timedelta64[ms]"),
        np.zeros(SHAPE, [("a", "f4")]),
        np.zeros(SHAPE, "V4"),
    ],
    ids=lambda x: str(x.dtype),
)
@pytest.mark.parametrize("name", ALL)
def test_input_dtypes_that_are_not_accepted(name, x):
    refused(name, TypeError, str(x.dtype), x=x)


@pytest.mark.parametrize("x", [[["a", "b"], ["c", "d"]], [[None, 1], [2, 3]], [[1j, 0], [1, 2]]])
@pytest.mark.parametrize("name", ALL)
def test_lists_of_what_is_no_number(name, x):
    refused(name, TypeError, x=x)


@pytest.mark.parametrize("x", [good(), np.ones(SHAPE, np.int32), np.ones(SHAPE, bool)], ids=lambda x: str(x.dtype))
@pytest.mark.parametrize("dtype", [np.int32, "u1", bool, complex, np.longdouble, object, "U3", "datetime64[s]"])
@pytest.mark.parametrize("name", [*MAY_HAVE_STATS, *WITH_STATS])
def test_output_dtypes_that_are_not_accepted(name, dtype, x):
    if name in INVERSE and np.dtype(dtype).kind in "iu":
        call(name, x, dtype=dtype)
    else:
        refused(name, TypeError, "dtype", str(np.dtype(dtype)), x=x, dtype=dtype)


@pytest.mark.parametrize("dtype", ["no such dtype", 5, {}])
@pytest.mark.parametrize("name", [*MAY_HAVE_STATS, *WITH_STATS])
def test_output_dtypes_that_are_none(name, dtype):
    refused(name, TypeError, "dtype", dtype=dtype)


# --- out --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3, 5), (6, 12), (3, 4), (6, 3, 4, 1), (1, 6, 3, 4), (6, 3, 1), (72,), (0,)])
@pytest.mark.parametrize("name", MAPS)
def test_out_of_another_shape(name, shape):
    refused(name, ValueError, "out", str(shape), str(SHAPE), out=np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, bool, complex, object])
@pytest.mark.parametrize("name", MAPS)
def test_out_of_another_dtype(name, dtype):
    refused(name, ValueError, "out", str(np.dtype(dtype)), "float32", out=np.zeros(SHAPE, dtype))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, bool])
@pytest.mark.parametrize("name", MAPS)
def test_integers_have_no_place_for_the_result(name, dtype):
    """Neither in place, nor in another array of their dtype."""
    x = np.arange(72).reshape(SHAPE).astype(dtype)
    refused(name, ValueError, "out", str(x.dtype), x=x, out=x)
    refused(name, ValueError, "out", str(x.dtype), x=x, out=np.zeros_like(x))


@pytest.mark.parametrize("name", [*MAY_HAVE_STATS, *WITH_STATS])
def test_out_that_contradicts_dtype(name):
    refused(name, ValueError, "out", "float32", "float64", out=np.zeros(SHAPE, np.float32), dtype=np.float64)


@pytest.mark.parametrize("name", MAPS)
def test_out_that_cannot_be_written(name):
    out = np.zeros(SHAPE, np.float32)
    out.flags.writeable = False
    refused(name, ValueError, "out", out=out)
    x = good()
    x.flags.writeable = False
    refused(name, ValueError, "out", x=x, out=x)
    refused(name, ValueError, "out", out=np.broadcast_to(np.float32(7), SHAPE))


@pytest.mark.parametrize("name", MAPS)
def test_out_that_overlaps_the_input(name):
    memory = good((13, 3, 4))
    for x, out in (
        (memory[:6], memory[1:7]),
        (memory[:6], memory[5:11]),
        (memory[:6], memory[:6][::-1]),
        (memory[:6], memory[:12:2]),
        (memory[:6], memory.ravel()[1:73].reshape(SHAPE)),
    ):
        refused(name, ValueError, "out", "overlap", x=x, out=out)


@pytest.mark.parametrize("name", MAPS)
def test_out_that_is_another_view_of_the_same_memory(name):
    """Only the same object counts as in place."""
    x = good()
    refused(name, ValueError, "out", x=x, out=x[...])


@pytest.mark.parametrize(
    "out", [[[1.0]], 5.0, "out", (np.zeros(SHAPE, np.float32),)], ids=lambda out: type(out).__name__
)
@pytest.mark.parametrize("name", MAPS)
def test_out_that_is_no_array(name, out):
    refused(name, TypeError, "out", out=out)


# --- batch_norm -------------------------------------------------------------------------------------------------------


def test_training_with_one_value_per_channel():
    for shape in ((1, 3), (1, 3, 1), (1, 3, 1, 1)):
        refused("batch_norm", ValueError, str(shape), x=good(shape))
    refused("batch_norm", ValueError, x=good((3,)), channel_axis=0)
    refused("batch_norm", ValueError, x=good(()), channel_axis=None, running_mean=None, running_var=None)


def test_evaluation_without_running_statistics():
    refused("batch_norm", ValueError, "running_mean", training=False, running_mean=None, running_var=None)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("missing", ["running_mean", "running_var"])
def test_one_of_the_running_statistics_alone(missing, training):
    refused("batch_norm", ValueError, missing, training=training, **{missing: None})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrong", ["running_mean", "running_var"])
@pytest.mark.parametrize("shape", [(4,), (1,), (3, 1), (1, 3), ()])
def test_running_statistics_of_another_shape(wrong, training, shape):
    refused("batch_norm", ValueError, wrong, str(shape), "(3,)", training=training, **{wrong: np.ones(shape)})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrong", ["running_mean", "running_var"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, complex, object])
def test_running_statistics_of_another_dtype(wrong, training, dtype):
    refused("batch_norm", TypeError, wrong, str(np.dtype(dtype)), training=training, **{wrong: np.ones(3, dtype)})


@pytest.mark.parametrize("wrong", ["running_mean", "running_var"])
def test_running_statistics_that_cannot_be_written(wrong):
    vector = np.ones(3)
    vector.flags.writeable = False
    refused("batch_norm", ValueError, wrong, **{wrong: vector})
    refused("batch_norm", ValueError, wrong, **{wrong: np.broadcast_to(1.0, 3)})


@pytest.mark.parametrize("wrong", ["running_mean", "running_var"])
@pytest.mark.parametrize("value", [[1.0, 1.0, 1.0], (1, 1, 1), 1.0])
def test_running_statistics_that_are_no_array(wrong, value):
    """A list would be converted to an array that is updated and thrown away."""
    refused("batch_norm", TypeError, wrong, **{wrong: value})


def test_a_cumulative_average_is_not_for_a_function():
    refused("batch_norm", (TypeError, ValueError), "momentum", "None", momentum=None)
