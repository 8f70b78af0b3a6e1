"""The command line: every command does what the library does, on files of any size, order and byte order."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
import oracle
from contract import assert_exact, assert_statistics
from fastbn.cli import main
from fastbn.cli._tiles import cut as chunks

SMALL = "1MB"  # the smallest memory there is: files of some MB are then cut into many pieces


def sample(shape, dtype, order="C", seed=1):
    """Values with another mean and spread in every place of the last but one axis."""
    rng = np.random.default_rng(seed)
    values = rng.normal(40, 12, shape) * (1 + np.arange(shape[-1])) / shape[-1]
    return np.array(values, dtype=dtype, order=order)


def saved(path, array):
    np.save(path, array)
    return path


LAYOUTS = [
    ("<f4", "C", (40, 3, 61, 50), 1),
    ("<f4", "F", (40, 3, 61, 50), 1),
    (">f8", "C", (3, 301, 211), 0),
    (">i2", "F", (301, 211, 5), -1),
    ("<f8", "C", (60000, 5), 1),
    ("<u1", "F", (60000, 20), 1),
    ("<f2", "C", (12, 15, 1300, 2), (0, 3)),
    ("<f4", "C", (400000,), None),
    ("<i4", "C", (2, 20000), (0, 1)),
]


@pytest.mark.parametrize(("dtype", "order", "shape", "axis"), LAYOUTS)
def test_statistics_in_pieces_are_those_of_the_whole(run, tmp_path, dtype, order, shape, axis):
    x = sample(shape, dtype, order)
    source = saved(tmp_path / "x.npy", x)
    run("stats", source, "-o", tmp_path / "s.json", f"--channel-axis={text(axis)}", "--memory", SMALL)
    stats = fastbn.ChannelStats.load(tmp_path / "s.json")
    assert_statistics(stats, oracle.channel_moments(x, axis), x.dtype, merged=True)


@pytest.mark.parametrize(("dtype", "order", "shape", "axis"), LAYOUTS)
def test_normalized_in_pieces_is_what_the_library_gives(run, tmp_path, dtype, order, shape, axis):
    x = sample(shape, dtype, order)
    source, out = saved(tmp_path / "x.npy", x), tmp_path / "y.npy"
    before = source.read_bytes()
    stats = fastbn.channel_stats(x, axis)
    stats.save(tmp_path / "s.json")
    argv = [source, out, "--stats", tmp_path / "s.json", f"--channel-axis={text(axis)}", "--memory", SMALL]
    run("normalize", *argv)
    expected = fastbn.normalize(x, stats, axis)
    assert source.read_bytes() == before
    y = np.load(out, mmap_mode="r")
    assert (y.dtype, y.flags.f_contiguous) == (expected.dtype, x.flags.f_contiguous)
    np.testing.assert_array_equal(y, expected)


def text(axis):
    return ",".join(map(str, axis)) if isinstance(axis, tuple) else str(axis)


METHODS = [
    ((), fastbn.zscore),
    (("--method", "zscore", "--ddof", 1, "--eps", 0.5), lambda x: fastbn.zscore(x, ddof=1, eps=0.5)),
    (("--method", "minmax"), fastbn.minmax_scale),
    (("--method", "minmax", "--feature-range", -1, 2), lambda x: fastbn.minmax_scale(x, feature_range=(-1, 2))),
    (("--method", "batchnorm"), fastbn.batch_norm),
    (("--method", "batchnorm", "--eps", 0.25), lambda x: fastbn.batch_norm(x, eps=0.25)),
]


@pytest.mark.parametrize(("options", "function"), METHODS)
def test_methods_by_the_files_own_statistics(run, tmp_path, options, function):
    x = sample((50, 4, 9), "f4")
    out = run("normalize", saved(tmp_path / "x.npy", x), tmp_path / "y.npy", *options)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), function(x))
    assert str(tmp_path / "y.npy") in out


@pytest.mark.parametrize("options", [options for options, _ in METHODS])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_denormalize_undoes_normalize(run, tmp_path, options, dtype):
    x = sample((50, 4, 9), dtype)
    source, stats = saved(tmp_path / "x.npy", x), tmp_path / "s.json"
    run("stats", source, "-o", stats)
    run("normalize", source, tmp_path / "y.npy", *options, "--stats", stats)
    run("denormalize", tmp_path / "y.npy", tmp_path / "back.npy", *options, "--stats", stats)
    back = np.load(tmp_path / "back.npy")
    assert back.dtype == x.dtype
    around = abs(x).max((0, 2), keepdims=True) if "minmax" in options else abs(x.mean((0, 2), keepdims=True))
    scale = np.maximum(abs(x), around)
    assert (abs(back - x) <= 2 * np.spacing(scale)).all()


def test_clip_and_statistics_of_another_file(run, tmp_path):
    fitted, x = sample((30, 2), "f8"), sample((500, 2), "f8", seed=2)
    run("stats", saved(tmp_path / "fitted.npy", fitted), "-o", tmp_path / "s.json")
    argv = [
        "normalize",
        saved(tmp_path / "x.npy", x),
        tmp_path / "y.npy",
        "--stats",
        tmp_path / "s.json",
        "--method",
        "minmax",
    ]
    run(*argv)
    assert np.load(tmp_path / "y.npy").max() > 1
    run(*argv, "--clip", "--overwrite")
    expected = fastbn.minmax_scale(x, stats=fastbn.channel_stats(fitted), clip=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


DTYPES = [(given, None) for given in ("?", "u1", "i2", "i4", "i8", "f2", "f4", "f8")]
DTYPES += [(given, asked) for given in ("i2", "f4") for asked in ("float16", "float32", "float64")]


@pytest.mark.parametrize(("given", "asked"), DTYPES)
def test_dtypes(run, tmp_path, given, asked):
    x = sample((40, 3), given)
    run("normalize", saved(tmp_path / "x.npy", x), tmp_path / "y.npy", *(() if asked is None else ("--dtype", asked)))
    expected = fastbn.zscore(x, dtype=asked)
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((4, 0), 1), ((), None), ((0, 5, 0), (0, 1)), ((1, 2), 1)])
def test_arrays_with_few_or_no_values(run, tmp_path, shape, axis):
    x = np.full(shape, 2.5)
    source = saved(tmp_path / "x.npy", x)
    stats = json.loads(run("stats", source, "--channel-axis", text(axis), "--json"))
    assert fastbn.ChannelStats.from_dict(stats) == fastbn.channel_stats(x, axis)
    run("normalize", source, tmp_path / "y.npy", "--channel-axis", text(axis))
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.zeros(shape))


def test_stats_prints_a_table_or_json_and_draws(run, tmp_path):
    x = sample((100, 3), "f4")
    source, stats = saved(tmp_path / "x.npy", x), fastbn.channel_stats(x)
    assert run("stats", source).strip() == repr(stats)
    printed = run("stats", source, "--json", "-o", tmp_path / "s.json", "--plot", tmp_path / "p.png")
    assert fastbn.ChannelStats.from_dict(json.loads(printed)) == stats
    assert fastbn.ChannelStats.load(tmp_path / "s.json") == stats
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("dtype", "order", "shape", "axis"), LAYOUTS)
def test_exact_statistics_do_not_depend_on_the_memory(run, tmp_path, dtype, order, shape, axis):
    x = sample(shape, dtype, order)
    path, axes = saved(tmp_path / "in.npy", x), "none" if axis is None else ",".join(map(str, np.atleast_1d(axis)))
    for memory in (SMALL, "512MB"):
        run("stats", path, "-o", tmp_path / f"{memory}.json", f"--channel-axis={axes}", "--memory", memory, "--exact")
    found = {(tmp_path / f"{memory}.json").read_bytes() for memory in (SMALL, "512MB")}
    assert len(found) == 1
    stats = fastbn.ChannelStats.load(tmp_path / f"{SMALL}.json")
    assert stats == fastbn.channel_stats(x, axis, method="exact")
    assert_exact(stats, oracle.channel_moments(x, axis), x.dtype)


def test_exact_says_so(run, tmp_path):
    path = saved(tmp_path / "in.npy", sample((50, 3), "f4"))
    assert "exact" in run("stats", path, "--exact").splitlines()[0]
    assert json.loads(run("stats", path, "--exact", "--json"))["exact"]["nan"] == [0, 0, 0]
    assert "exact" not in run("stats", path)


def test_merge_gives_the_statistics_of_the_union(run, tmp_path):
    parts = [sample((n, 3), "f8", seed=n) for n in (10, 1, 25)]
    files = [tmp_path / f"{len(part)}.json" for part in parts]
    for part, file in zip(parts, files, strict=True):
        fastbn.channel_stats(part).save(file)
    out = run("merge", *files, "-o", tmp_path / "all.json")
    merged = fastbn.ChannelStats.load(tmp_path / "all.json")
    assert merged == sum(map(fastbn.channel_stats, parts[1:]), fastbn.channel_stats(parts[0]))
    assert out.strip() == repr(merged)
    run("merge", files[0], "-o", tmp_path / "one.json")
    assert fastbn.ChannelStats.load(tmp_path / "one.json") == fastbn.channel_stats(parts[0])


def test_info_is_show_config(run, capfd):
    fastbn.show_config()
    expected = capfd.readouterr().out
    shown = run("info")
    assert shown.startswith(expected)
    assert "formats: npy, Zarr" in shown
    record = json.loads(run("info", "--json"))
    assert record.pop("formats")["npy"] is None
    assert record == fastbn.show_config(mode="dicts")


def test_info_names_what_formats_need(run, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "zarr" else find(name))
    assert 'Zarr (pip install "fastbn[zarr]"), ' in run("info")
    assert json.loads(run("info", "--json"))["formats"]["Zarr"] == 'pip install "fastbn[zarr]"'


def test_info_tells_what_files_hold(run, tmp_path):
    source = saved(tmp_path / "x.npy", sample((40, 3, 5), ">i2"))
    shown = run("info", source, "--channel-axis", "1,2")
    assert shown == f"{source}: npy, 1200 bytes in memory\n  >i2 (40, 3, 5), 15 channels, axis 1, 2\n"
    record = json.loads(run("info", source, "--json"))
    assert record["inputs"] == [
        {
            "path": str(source),
            "format": "npy",
            "fields": [
                {
                    "name": None,
                    "shape": [40, 3, 5],
                    "dtype": "int16",
                    "channel_axes": [1],
                    "channels": None,
                    "blocks": None,
                    "nodata": None,
                }
            ],
        }
    ]


def test_version_and_help(run):
    assert run("--version") == f"fastbn {fastbn.__version__}\n"
    for command in ("demo", "stats", "normalize", "denormalize", "merge", "info"):
        assert command in run("--help")
        assert f"fastbn {command}" in run(command, "--help")


def test_global_options_stand_before_or_after_the_command(run, tmp_path, monkeypatch):
    source = saved(tmp_path / "x.npy", sample((10, 2), "f4"))
    name = next(info.name for info in fastbn.backends() if info.available)
    settings = []
    monkeypatch.setattr(fastbn.ChannelStats, "to_dict", lambda _: settings.append(fastbn.get_num_threads()))
    before = fastbn.get_num_threads()
    run("--threads", 1, "--backend", name, "stats", source, "--json")
    run("stats", source, "--json", "--threads", 1, "--backend", name)
    assert settings == [1, 1]
    assert fastbn.get_num_threads() == before


def test_progress_is_shown_on_a_terminal_only(capsys, tmp_path, monkeypatch):
    pytest.importorskip("tqdm")
    source = saved(tmp_path / "x.npy", sample((10, 2), "f4"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["normalize", str(source), str(tmp_path / "y.npy")]) == 0
    shown = capsys.readouterr().err
    assert "statistics" in shown
    assert "writing" in shown


def test_help_imports_neither_numba_nor_the_extras():
    code = "import sys; from fastbn.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "fastbn" in loaded
    assert not loaded & {"numba", "llvmlite", "matplotlib", "PIL", "scipy", "sklearn", "tqdm"}


def test_it_runs_as_a_module(tmp_path):
    source = saved(tmp_path / "x.npy", sample((10, 2), "f4"))
    command = [sys.executable, "-m", "fastbn", "stats", str(source), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    assert done.stderr == ""


@given(data=st.data(), shape=st.lists(st.integers(0, 7), max_size=4), limit=st.integers(1, 60))
def test_chunks_cover_every_element_once_in_the_order_of_memory(data, shape, limit):
    order = data.draw(st.sampled_from("CF"))
    axes = list(range(len(shape))) if order == "C" else list(range(len(shape)))[::-1]
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape, order=order)
    pieces = [places[index] for index in chunks(shape, axes, limit)]
    assert all(piece.size <= limit for piece in pieces)
    np.testing.assert_array_equal(np.concatenate([piece.ravel(order) for piece in pieces]), places.ravel(order))


@given(data=st.data(), shape=st.lists(st.integers(1, 7), min_size=1, max_size=4), limit=st.integers(1, 60))
def test_chunks_leave_other_axes_whole(data, shape, limit):
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True))
    places = np.arange(np.prod(shape)).reshape(shape)
    pieces = [places[index] for index in chunks(shape, axes, limit)]
    whole = [axis for axis in range(len(shape)) if axis not in axes]
    assert all(piece.shape[axis] == shape[axis] for piece in pieces for axis in whole)
    assert sorted(np.concatenate([piece.ravel() for piece in pieces])) == list(range(places.size))
    assert all(piece.size <= max(limit, np.prod([shape[axis] for axis in whole])) for piece in pieces)
