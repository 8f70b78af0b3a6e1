"""Pictures of channels: which values are taken, what is drawn of them, and that the same bytes come out again."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn.cli import _panels, _sampling, main
from fastbn.cli._fields import Field, Place, Values
from fastbn.cli._pictures import MOST_CHANNELS, Sample
from fastbn.cli._sampling import Samples
from fastbn.cli._tiles import cut

pytest.importorskip("matplotlib")


def field_of(x, kept, name=None, channels=None, nodata=None):
    return Field(name, x.shape, x.dtype, kept, tuple(range(x.ndim)), None, nodata, channels)


def show(seen, x, field, limit, number=0, absent=None, nodata=None):
    """Let something see an array tile by tile."""
    for index in cut(x.shape, field.order, limit):
        part = None if absent is None else absent[index]
        mine = nodata
        if isinstance(nodata, np.ndarray):
            mine = nodata[tuple(index[axis] for axis in field.axes.kept)]
        seen.see(field, Place(number, index), Values(x[index], part), mine)


def by_channel(x, kept):
    """The values of each channel, one row each."""
    reduced = [axis for axis in range(x.ndim) if axis not in kept]
    rows = x.transpose(*kept, *reduced)
    sizes = [int(np.prod([x.shape[axis] for axis in axes], dtype=int)) for axes in (kept, reduced)]
    return rows.reshape(sizes)


@given(data=st.data(), shape=st.lists(st.integers(0, 6), min_size=1, max_size=4), limit=st.integers(1, 80))
def test_of_short_channels_every_value_is_taken(data, shape, limit):
    kept = tuple(data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True)))
    x = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    absent = np.random.default_rng(0).random(shape) < 0.3
    field = field_of(x, kept)
    samples = Samples([field], MOST_CHANNELS)
    show(samples, x, field, limit, absent=absent)
    rows, gone = by_channel(x, field.axes.kept), by_channel(absent, field.axes.kept)
    assert samples.drawn == min(MOST_CHANNELS, len(rows))
    for k in range(samples.drawn):
        taken = samples.values(k)
        assert taken.dtype == x.dtype
        assert Counter(taken.tolist()) == Counter(rows[k][~gone[k]].tolist())


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("limit", [1000, 70_000])
def test_of_long_channels_some_values_are_taken_from_everywhere(monkeypatch, files, limit):
    monkeypatch.setattr(_sampling, "MOST", 500)
    x = np.arange(2 * 30_000).reshape(30_000, 2)
    field = field_of(x, (1,))
    samples = Samples([field], MOST_CHANNELS)
    for number in range(files):
        show(samples, x + number * x.size, field, limit)
    for k in range(2):
        taken = np.sort(samples.values(k))
        assert (taken % 2 == k).all()
        assert 250 <= taken.size <= 500
        assert len(set(taken.tolist())) == taken.size
        ends = np.concatenate([[0], taken, [files * x.size]])
        assert np.diff(ends).max() < 5 * files * x.size / taken.size
    shown = [samples.values(k) for k in range(2)]
    again = Samples([field], MOST_CHANNELS)
    for number in range(files):
        show(again, x + number * x.size, field, limit)
    np.testing.assert_array_equal(shown, [again.values(k) for k in range(2)])


def test_a_step_that_divides_the_rows_does_not_see_one_column_only(monkeypatch):
    monkeypatch.setattr(_sampling, "MOST", 256)
    x = np.broadcast_to(np.arange(64), (1, 256, 64)).copy()
    field = field_of(x, (0,))
    samples = Samples([field], MOST_CHANNELS)
    show(samples, x, field, x.size)
    counts = np.bincount(samples.values(0), minlength=64)
    assert counts.sum() == 256
    assert counts.min() >= 1
    assert counts.max() <= 10


def test_channels_of_several_fields_are_counted_through():
    arrays = [np.full((5, 3), 1.0), np.full((7, 30), 2, np.int16), np.full((2, 2), 3.0)]
    fields = [field_of(x, (1,), name) for x, name in zip(arrays, "abc", strict=True)]
    samples = Samples(fields, MOST_CHANNELS)
    for number, (x, field) in enumerate(zip(arrays, fields, strict=True)):
        show(samples, x, field, 4, number)
    assert samples.drawn == MOST_CHANNELS
    found = [np.unique(samples.values(k)).tolist() for k in range(samples.drawn)]
    assert found == [[1.0]] * 3 + [[2]] * 21
    assert samples.values(3).dtype == np.int16
    assert samples.where(3) == (1, 0)


@pytest.mark.parametrize("nodata", [7, np.array([7, 8, -1])])
def test_missing_values_are_left_out(nodata):
    x = np.random.default_rng(1).integers(5, 10, (40, 3)).astype("f8")
    field = field_of(x, (1,))
    samples = Samples([field], MOST_CHANNELS)
    show(samples, x, field, 30, nodata=nodata)
    for k, none in enumerate(np.broadcast_to(nodata, 3)):
        np.testing.assert_array_equal(samples.values(k), x[:, k][x[:, k] != none])


finite_floats = st.floats(-_panels.LARGEST, _panels.LARGEST)


@given(st.lists(st.one_of(finite_floats, st.integers(-5, 5).map(float), st.just(0.1)), min_size=1, max_size=60))
def test_bars_hold_every_value_that_the_axis_shows(values):
    x = np.array(values)
    span = _panels.span_of(x)
    assert np.isfinite(span.low)
    assert span.low < span.high
    edges = _panels.edges_of(x, span)
    assert (np.diff(edges) >= 0).all()
    assert 2 <= len(edges) <= _panels.MOST_LEVELS + 2
    shown = x[(x >= span.low) & (x <= span.high)]
    assert np.histogram(shown, edges)[0].sum() == shown.size
    assert shown.size >= min(0.98 * x.size, x.size - 1)


def test_integers_have_bars_of_their_own():
    x = np.repeat([3.0, 4, 5, 9], [5, 2, 8, 1])
    edges = _panels.edges_of(x, _panels.span_of(x))
    np.testing.assert_array_equal(edges, np.arange(2.5, 10))
    levels = np.arange(256.0).repeat(50)
    widths = np.diff(_panels.edges_of(levels, _panels.span_of(levels)))
    assert set(widths) == {6.0}
    tenths = np.round(np.random.default_rng(0).normal(20, 5, 3000), 1)
    widths = np.diff(_panels.edges_of(tenths, _panels.span_of(tenths)))
    np.testing.assert_allclose(widths * 10, np.round(widths[0] * 10), rtol=1e-6)


def test_outliers_do_not_say_how_far_the_axis_goes():
    x = np.random.default_rng(0).normal(0, 1, 10_000)
    span = _panels.span_of(np.append(x, [1e9, -1e12]))
    assert -10 < span.low < -3
    assert 3 < span.high < 10


def test_an_axis_is_shared_by_channels_that_are_alike():
    near = [_panels.Span(0, 10), _panels.Span(2, 13), _panels.Span(1, 9)]
    assert _panels.shared(near) == [_panels.Span(0, 13)] * 3
    far = [*near, _panels.Span(1000, 1001)]
    assert _panels.shared(far) == far


@pytest.mark.parametrize(
    ("middle", "deviation", "text"),
    [
        (1e-17, 0.99999999, "0.00 ± 1.00"),
        (-1e-17, 1.0, "0.00 ± 1.00"),
        (12.3456, 4.5678, "12.35 ± 4.57"),
        (12345.6, 456.78, "12346 ± 457"),
        (1e20, 1e3, "1e+20 ± 1e+03"),
        (7.25, 0.0, "7.25 ± 0"),
        (np.nan, np.nan, "nan ± nan"),
    ],
)
def test_mean_and_deviation_are_given_to_the_same_place(middle, deviation, text):
    assert _panels.spread(middle, deviation) == text


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (figures.append(self), save(self, *args, **kw)))
    return figures


def texts(figure):
    """All that can be read, without the numbers at the axes."""
    found = [text.get_text() for text in figure.texts]
    return found + [text.get_text() for axes in figure.axes for text in axes.texts]


def run(*argv):
    assert main([str(part) for part in argv]) == 0


@pytest.mark.parametrize(
    ("command", "channels"),
    [("stats", 1), ("stats", 3), ("stats", 7), ("stats", 24), ("stats", 40), ("quantiles", 24), ("normalize", 1),
     ("normalize", 3), ("normalize", 40)],
)  # fmt: skip
def test_labels_can_be_read(tmp_path, drawn, command, channels):
    x = np.random.default_rng(0).normal(1000, 1, (50, channels)) * np.logspace(-4, 7, channels)
    source = tmp_path / f"{'x' * (200 if channels == 3 else 2)}.npy"
    np.save(source, x)
    outputs = [tmp_path / "y.npy"] if command == "normalize" else []
    run(command, source, *outputs, "--plot", tmp_path / "p.png")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    (figure,) = drawn
    shown = min(channels, MOST_CHANNELS)
    assert len(figure.axes) == shown * (1 + len(outputs))
    said = texts(figure)
    names = [text.removesuffix(", before") for text in said if text.startswith("channel ")]
    assert names == [f"channel {k}" for k in range(shown)]
    assert any("16 of 40 channels are not drawn" in text for text in said) == (channels == 40)
    assert said[0].startswith("xx")
    renderer = FigureCanvasAgg(figure).get_renderer()
    whole = figure.bbox
    assert whole.width / whole.height < 4
    assert whole.height / whole.width < 2
    assert all(text.get_window_extent(renderer).x1 <= whole.x1 for text in figure.texts)
    lowest = min(axes.xaxis.get_tightbbox(renderer).y0 for axes in figure.axes)
    assert figure.texts[-1].get_window_extent(renderer).y1 < lowest
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.x1 <= axes.bbox.x1 + 0.3 * figure.dpi
            assert box.y1 <= whole.y1
        boxes = [label.get_window_extent(renderer) for label in axes.get_xticklabels() if label.get_text()]
        inside = sorted((box.x0, box.x1) for box in boxes if axes.bbox.x0 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1)
        assert all(one[1] < other[0] for one, other in itertools.pairwise(inside))


def test_what_was_computed_is_said_of_every_channel(tmp_path, drawn):
    x = np.random.default_rng(0).normal(5, 2, (100, 3))
    x[:7, 1] = -99
    np.save(tmp_path / "x.npy", x)
    run("stats", tmp_path / "x.npy", "--nodata=-99", "--plot", tmp_path / "p.png")
    said = texts(drawn[0])
    stats = fastbn.channel_stats(x, nodata=-99)
    for k in range(3):
        numbers = f"{stats.mean[k]:.2f} ± {stats.std()[k]:.2f}   {stats.min[k]:.4g} to {stats.max[k]:.4g}"
        assert f"{numbers}   n = {stats.count[k]}{', 7 missing' * (k == 1)}" in said
    lines = [axes.get_lines()[-1].get_xdata()[0] for axes in drawn[0].axes]
    np.testing.assert_array_equal(lines, stats.mean)


def test_quantiles_are_marked_and_every_value_is_seen_once(tmp_path, drawn):
    x = np.random.default_rng(0).normal(5, 2, (100, 3))
    np.save(tmp_path / "x.npy", x)
    run("quantiles", tmp_path / "x.npy", "-q", "0.1", "0.5", "0.9", "--plot", tmp_path / "p.png")
    values = fastbn.channel_quantiles(x, (0.1, 0.5, 0.9)).values
    for axes, expected in zip(drawn[0].axes, values.T, strict=True):
        at = [line.get_xdata()[0] for line in axes.get_lines()]
        np.testing.assert_array_equal(sorted(set(at)), expected)
    assert any("shares of 100 values per channel" in text for text in texts(drawn[0]))


@pytest.mark.parametrize("options", [(), ("--method", "minmax", "--clip"), ("--method", "robust")])
def test_before_and_after_stand_side_by_side(tmp_path, drawn, options):
    x = np.random.default_rng(0).normal(50, [1, 20], (300, 2)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    run("normalize", tmp_path / "x.npy", tmp_path / "y.npy", *options, "--plot", tmp_path / "p.png")
    y = np.load(tmp_path / "y.npy")
    said = texts(drawn[0])
    for z in (x, y):
        for column in z.T.astype("f8"):
            assert _panels.spread(column.mean(), column.std()) in said
    titles = [text for text in said if "before" in text or "after" in text]
    assert titles == ["channel 0, before", "after", "channel 1, before", "after"]
    tops = [axes.bbox.y1 for axes in drawn[0].axes]
    assert tops[0] == tops[1]


def test_denormalize_draws_as_well(tmp_path, drawn):
    x = np.random.default_rng(0).normal(50, 3, (300, 2))
    np.save(tmp_path / "x.npy", x)
    run("stats", tmp_path / "x.npy", "-o", tmp_path / "s.json")
    run("normalize", tmp_path / "x.npy", tmp_path / "y.npy", "--stats", tmp_path / "s.json")
    more = ("--stats", tmp_path / "s.json", "--plot", tmp_path / "p.svg")
    run("denormalize", tmp_path / "y.npy", tmp_path / "z.npy", *more)
    means = [axes.get_lines()[-1].get_xdata()[0] for axes in drawn[0].axes]
    np.testing.assert_allclose(means, [0, x[:, 0].mean(), 0, x[:, 1].mean()], atol=1e-12)


@pytest.mark.parametrize(("form", "command"), [("png", "normalize"), ("svg", "stats"), ("pdf", "quantiles")])
def test_the_same_job_draws_the_same_bytes(tmp_path, form, command):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(50, 3, (300, 3)))
    outputs = [tmp_path / "y.npy"] if command == "normalize" else []
    pictures = []
    for _ in range(2):
        run(command, tmp_path / "x.npy", *outputs, "--plot", tmp_path / f"p.{form}", "--overwrite")
        pictures.append((tmp_path / f"p.{form}").read_bytes())
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[form])
    assert not re.search(rb"<dc:date>|CreationDate", pictures[0])


def test_a_users_style_changes_nothing(tmp_path):
    import matplotlib as mpl

    np.save(tmp_path / "x.npy", np.arange(60.0).reshape(20, 3))
    run("stats", tmp_path / "x.npy", "--plot", tmp_path / "p.png")
    with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.grid": True}):
        run("stats", tmp_path / "x.npy", "--plot", tmp_path / "q.png")
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "p.png").read_bytes() == (tmp_path / "q.png").read_bytes()


ODD = {
    "nan": np.full((20, 2), np.nan),
    "some nan": np.where(np.arange(40).reshape(20, 2) % 7, 1.5, np.nan),
    "infinite": np.array([[np.inf, 1], [-np.inf, 2], [0, np.nan], [1, 5]]),
    "constant": np.full((20, 2), -3.5),
    "zero": np.zeros((20, 2), np.uint8),
    "empty": np.empty((0, 2)),
    "no channels": np.empty((4, 0)),
    "one": np.ones((1, 2), "f4"),
    "huge": np.array([[1.7e308, -1.7e308], [-1.7e308, 1e-300]]),
    "tiny": np.array([[5e-324, 0], [0, 5e-324], [0, 0]]),
    "neighbours": np.array([[1.0, 1e16], [np.nextafter(1, 2), 1e16 + 2]]),
    "big integers": np.array([[2**63 - 1, 0], [-(2**63), 1]]),
    "truth": np.array([[True, False], [True, True]]),
    "halves": np.random.default_rng(0).normal(size=(50, 2)).astype("f2"),
    "swapped": np.random.default_rng(0).normal(size=(50, 2)).astype(">f4"),
    "spike": np.concatenate([np.zeros(900), np.random.default_rng(0).gamma(2, 2, 100)]).reshape(500, 2),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("command", ["stats", "normalize"])
def test_odd_values_are_drawn_without_a_word(tmp_path, capsys, odd, command):
    np.save(tmp_path / "x.npy", ODD[odd])
    outputs = [tmp_path / "y.npy"] if command == "normalize" else []
    run(command, tmp_path / "x.npy", *outputs, "--plot", tmp_path / "p.png")
    assert capsys.readouterr().err == ""
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_what_the_bars_do_not_show_is_said(tmp_path, drawn):
    x = np.random.default_rng(0).normal(0, 1, (1000, 2))
    x[:20, 0], x[20:30, 0], x[:50, 1] = np.inf, -np.inf, np.nan
    np.save(tmp_path / "x.npy", x)
    run("stats", tmp_path / "x.npy", "--nan-policy", "omit", "--plot", tmp_path / "p.png")
    said = texts(drawn[0])
    assert "← 1.0%" in said
    assert "2.0% →" in said
    assert "NaN 5.0%" in said


def test_a_bar_that_dwarfs_the_others_is_cut(tmp_path, drawn):
    np.save(tmp_path / "x.npy", ODD["spike"].reshape(-1, 1))
    run("stats", tmp_path / "x.npy", "--plot", tmp_path / "p.png")
    (axes,) = drawn[0].axes
    assert axes.get_ylim()[1] < 0.3
    assert any(re.fullmatch(r"↑ 9\d%", text) for text in texts(drawn[0]))


@pytest.mark.parametrize(
    "name", ["$x_$^{", "two\nlines\t and tab", "温度", "x" * 300, "\N{GREEK SMALL LETTER ALPHA} %s {}"]
)
def test_names_are_drawn_as_they_are(tmp_path, drawn, name):
    x = np.random.default_rng(0).normal(size=(40, 2))
    field = field_of(x, (1,), channels=(name, "other"))
    sample = Sample([field])
    show(sample, x, field, 1000)
    sample.draw(fastbn.channel_stats(x), Path(tmp_path / "p.svg"), form="svg", title=name)
    shown = next(text for text in drawn[0].axes[0].texts if text.get_fontweight() == "bold")
    assert len(shown.get_text()) < 50
    start = " ".join(name.split())[:10]
    assert shown.get_text().startswith(start)
    assert shown.get_parse_math() is False


def test_named_statistics_of_several_fields_transform_each_channel(tmp_path, drawn):
    arrays = [
        np.random.default_rng(0).normal(k, 1 + k, (40 + k, 2)).astype(dtype) for k, dtype in enumerate(("f4", "f8"))
    ]
    fields = [field_of(x, (1,), name, ("a", "b")) for x, name in zip(arrays, "pq", strict=True)]
    sample = Sample(fields)
    for number, (x, field) in enumerate(zip(arrays, fields, strict=True)):
        show(sample, x, field, 30, number)
    parts = [fastbn.channel_stats(x.astype("f8")) for x in arrays]
    stats = fastbn.ChannelStats.concatenate(parts).with_names(["p:a", "p:b", "q:a", "q:b"])
    sample.draw_both(stats, fastbn.normalize, tmp_path / "p.png", form="png", title="t")
    after = drawn[0].axes[1::2]
    assert [axes.texts[1].get_text() for axes in after] == ["0.00 ± 1.00"] * 4
    titles = [axes.texts[0].get_text() for axes in drawn[0].axes]
    assert titles[::2] == ["p:a, before", "p:b, before", "q:a, before", "q:b, before"]


@pytest.mark.parametrize("kept", [(), (1,)])
def test_of_what_was_not_seen_an_empty_picture_is_drawn(tmp_path, drawn, kept):
    x = np.random.default_rng(0).normal(size=(40, 2))
    sample = Sample([field_of(x, kept)])
    stats = fastbn.channel_stats(x, kept)
    sample.draw(stats, tmp_path / "p.png", form="png", title="t")
    sample.draw_both(stats, fastbn.normalize, tmp_path / "q.png", form="png", title="t")
    assert all("no values" in [text.get_text() for text in axes.texts] for figure in drawn for axes in figure.axes)


@pytest.mark.parametrize(
    ("shape", "kept", "name", "expected"),
    [
        ((3, 4), (), None, ["all values"]),
        ((3, 2), (1,), None, ["channel 0", "channel 1"]),
        ((2, 2, 3), (0, 1), None, ["channel 0, 0", "channel 0, 1", "channel 1, 0", "channel 1, 1"]),
        ((3, 4), (), "sst", ["sst"]),
        ((3, 2), (1,), "sst", ["sst (0,)", "sst (1,)"]),
    ],
)
def test_channels_without_names_have_numbers(tmp_path, drawn, shape, kept, name, expected):
    x = np.random.default_rng(0).normal(size=shape)
    field = field_of(x, kept, name)
    sample = Sample([field])
    show(sample, x, field, 1000)
    stats = fastbn.channel_stats(x, kept)
    stats = (
        stats if name is None or not kept else stats.select(np.unravel_index(np.arange(stats.mean.size), stats.shape))
    )
    sample.draw(stats, tmp_path / "p.png", form="png", title="t")
    assert [axes.texts[0].get_text() for axes in drawn[0].axes] == expected
