"""The demo: what it writes, and that its comparison with NumPy is exact."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from fractions import Fraction

import numpy as np
import pytest

import fastbn
import oracle
from fastbn.cli import _demo_table, main
from fastbn.cli._demo_exact import ExactChannel, square_root, ulps, worst_ulps

for package in ("matplotlib", "PIL", "sklearn"):
    pytest.importorskip(package)


SUFFIXES = (".json", ".npy", "_batchnorm.npy", "_minmax.npy", "_zscore.npy")


def without_timing(*functions):
    """Say that everything takes a second."""
    return [1.0 for _ in functions]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demo twice, the second time over the results of the first; return the directory and what was printed."""
    directory = tmp_path_factory.mktemp("demo") / "new" / "results"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(_demo_table, "medians", without_timing)
        assert main(["demo", "--output", str(directory)]) == 0
        (directory / "mine.txt").write_text("mine")
        (directory / "wine.npy").write_bytes(b"old")
        assert main(["demo", "--output", str(directory)]) == 0
    return directory, printed.getvalue()


@pytest.fixture
def folder(demo):
    return demo[0]


def test_it_writes_and_replaces_its_own_files_only(folder):
    names = {f"{sample}{part}" for sample in ("photographs", "wine") for part in SUFFIXES}
    assert {path.name for path in folder.iterdir()} == names | {"demo.png", "mine.txt"}
    assert (folder / "mine.txt").read_text() == "mine"
    assert np.load(folder / "wine.npy").shape == (178, 13)


def test_it_prints_the_comparison_and_the_names_of_the_files(demo):
    for word in ("pixels", "NCHW", "wine", "mean, variance", "z-score", "min-max", "batch norm", "wine_zscore.npy"):
        assert word in demo[1]
    assert "exactly 9044.63569, fastbn 9044.63569" in demo[1]
    assert "mine.txt" not in demo[1]


@pytest.mark.parametrize(("sample", "axis"), [("photographs", -1), ("wine", 1)])
def test_outputs_are_what_the_library_gives(folder, sample, axis):
    x = np.load(folder / f"{sample}.npy")
    np.testing.assert_array_equal(np.load(folder / f"{sample}_zscore.npy"), fastbn.zscore(x, axis))
    np.testing.assert_array_equal(np.load(folder / f"{sample}_minmax.npy"), fastbn.minmax_scale(x, axis))
    np.testing.assert_array_equal(np.load(folder / f"{sample}_batchnorm.npy"), fastbn.batch_norm(x, channel_axis=axis))
    stats = fastbn.ChannelStats.load(folder / f"{sample}.json")
    assert stats.names[0] in {"red", "alcohol"}
    np.testing.assert_array_equal(stats.mean, fastbn.channel_stats(x, axis).mean)


def test_the_command_line_goes_on_from_the_demo(folder, tmp_path):
    argv = ["normalize", folder / "wine.npy", tmp_path / "z.npy", "--stats", folder / "wine.json"]
    assert main([str(part) for part in argv]) == 0
    assert (tmp_path / "z.npy").read_bytes() == (folder / "wine_zscore.npy").read_bytes()


def test_picture(folder):
    from matplotlib.image import imread

    picture = imread(folder / "demo.png")
    assert min(picture.shape[:2]) > 1000
    for half in np.array_split(picture, 2, axis=1):  # photographs on both sides, not just paper
        assert len(np.unique(half[..., 1])) > 200


def test_comparison_is_within_the_contract(monkeypatch):
    monkeypatch.setattr(_demo_table, "medians", without_timing)
    sklearn_data = pytest.importorskip("sklearn.datasets")
    photographs = np.stack(sklearn_data.load_sample_images().images)
    cases = _demo_table.cases(photographs, sklearn_data.load_wine().data)
    rows = [row for case in cases for row in _demo_table.compare(case)]
    assert len(rows) == 12
    # Min-max of float64 rounds three times, by a relative 2**-53 each: 3 ulp at most.
    bounds = {"mean, variance": 2, "z-score": 1, "min-max": 3, "batch norm": 1}
    assert all(row.fastbn_error <= bounds[row.job] for row in rows), rows
    # The point of the demo: NumPy's sums along the first axis of a float32 table.
    assert rows[0].numpy_error > 1000


def test_medians_call_everything_in_turn(monkeypatch):
    monkeypatch.setattr(_demo_table, "SHORTEST", 0.0)
    calls = []
    times = _demo_table.medians(lambda: calls.append("a"), lambda: calls.append("b"))
    assert len(times) == 2
    assert min(times) > 0
    assert calls == ["a", "a", "b", "b"] + ["a", "b"] * _demo_table.ROUNDS


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_exact_channel_agrees_with_the_oracle(dtype):
    x = (np.random.default_rng(1).normal(100, 30, 200)).astype(dtype)
    exact, expected = ExactChannel.of(x), oracle.moments(x)
    assert (exact.mean, exact.var) == (expected.mean, expected.var())
    assert (exact.low, exact.high) == (expected.low, expected.high)
    z = exact.standardized()
    assert abs(z(exact.low) * oracle.sticky_sqrt(exact.var) - (exact.low - exact.mean)) < Fraction(1, 2**90)
    assert (exact.rescaled()(exact.low), exact.rescaled()(exact.high)) == (0, 1)


@pytest.mark.parametrize("number", [Fraction(2), Fraction(1, 3), Fraction(10**40), Fraction(1, 10**40), Fraction(9, 4)])
def test_square_root(number):
    assert abs(square_root(number) / oracle.sticky_sqrt(number) - 1) < Fraction(1, 2**100)


def test_ulps():
    assert ulps(np.float32(1), Fraction(1)) == 0
    assert ulps(np.nextafter(np.float32(1), np.float32(2)), Fraction(1)) == 1
    assert ulps(np.float64(1), 1 + Fraction(1, 2**53)) == 0.5
    x = np.array([1, 2, 2, 3], np.float32)
    y = x / 2
    y[1] = np.nextafter(y[1], np.float32(9))
    assert worst_ulps(x, y, lambda value: value / 2) == 1


@pytest.mark.parametrize("module", ["matplotlib.figure", "PIL", "sklearn.datasets"])
def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch, capsys, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "--output", str(tmp_path / "new")]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert 'pip install "fastbn[demo]"' in printed.err
    assert not (tmp_path / "new").exists()


def test_output_must_not_be_a_file(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert main(["demo", "--output", str(tmp_path / "file")]) == 1
    assert "not a directory" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
