"""HDF5 files and the command line: what is copied, what is changed, and files that are damaged or mean harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main

h5py = pytest.importorskip("h5py")

pytestmark = pytest.mark.usefixtures("folder")


def normal(shape, dtype="f4", seed=1):
    return np.random.default_rng(seed).normal(5, 2, shape).astype(dtype)


def photographs():
    datasets = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("PIL")
    return np.stack(datasets.load_sample_images().images)


def test_photographs(run):
    images = photographs()
    with h5py.File("p.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=(1, 128, 128, 3), compression="gzip", shuffle=True)
    run("stats", "p.h5", "--channel-axis", "3", "-o", "s.json", "--exact")
    stats = fastbn.ChannelStats.load("s.json")
    assert stats == fastbn.channel_stats(images, 3, method="exact")
    run("normalize", "p.h5", "y.h5", "--channel-axis", "3", "--stats", "s.json")
    with h5py.File("y.h5") as file:
        made = file["images"]
        assert (made.chunks, made.compression, made.shuffle) == ((1, 128, 128, 3), "gzip", True)
        np.testing.assert_array_equal(made[...], fastbn.normalize(images, stats, 3))
    run("denormalize", "y.h5", "z.h5", "--channel-axis", "3", "--stats", "s.json")
    with h5py.File("z.h5") as file:
        np.testing.assert_allclose(file["images"][...], images, atol=1e-4)


def everything(path):
    """A file with something of all there is in HDF5."""
    with h5py.File(path, "w", track_order=True, userblock_size=512) as file:
        file.attrs["title"] = "a file"
        file.attrs["big"] = "z" * 70000
        file.attrs["nothing"] = h5py.Empty("f4")
        file["zeta"] = np.arange(3)
        file["time"] = np.arange(10.0)
        file["time"].make_scale("time")
        file["level"] = np.array([1000, 850, 500], ">i4")
        file["level"].make_scale("level")
        x = file.create_dataset(
            "model/air", data=normal((10, 3, 4)), chunks=(4, 3, 4), maxshape=(None, 3, 4), compression="gzip",
            fletcher32=True, track_times=True,
        )  # fmt: skip
        for axis, name in enumerate(("time", "level")):
            x.dims[axis].attach_scale(file[name])
        x.dims[2].label = "place"
        x.attrs["units"] = "K"
        x.attrs["names"] = ["a", "bb"]
        x.attrs["CLASS"] = np.bytes_("IMAGE")
        x.attrs["of"] = file["time"].ref
        file.create_dataset("counts", data=np.arange(40).reshape(10, 4).astype("i2"), chunks=(5, 4), scaleoffset=0)
        file["counts"].attrs["_FillValue"] = np.int16(7)
        file.create_dataset("text", data=["u", "v"], track_times=True)
        file["record"] = np.zeros(3, [("a", "i4"), ("b", "S3")])
        file["type"] = np.dtype([("a", "i4")])
        file.create_dataset("typed", (2,), dtype=file["type"])
        file.create_dataset("ragged", data=np.array([[1, 2], [3, 4]]), dtype="i4")
        file.create_dataset("lists", (2,), dtype=h5py.vlen_dtype("i4"))[0] = [1, 2]
        file["truth"] = [True, False]
        file["scalar"] = 3.0
        file["references"] = np.array([file["counts"].ref, file["model"].ref], dtype=h5py.ref_dtype)
        file["region"] = np.array([x.regionref[1:3]], dtype=h5py.regionref_dtype)
        file["soft"] = h5py.SoftLink("/counts")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["model/same"] = file["counts"]
        file["model/loop"] = file["/"]
    with path.open("rb+") as file:
        file.write(b"MATLAB 7.3")


def test_all_else_is_copied(run):
    everything(Path("x.h5"))
    run("normalize", "x.h5", "y.h5", "--variables", "model/air,counts", "--channel-dim", "level")
    with h5py.File("x.h5") as old, h5py.File("y.h5") as new:
        assert list(new) == list(old)
        assert list(new["model"]) == list(old["model"])
        assert dict(new.attrs) == dict(old.attrs)
        for name in ("zeta", "time", "level", "text", "record", "typed", "ragged", "truth", "scalar"):
            assert new[name].dtype == old[name].dtype
            np.testing.assert_array_equal(new[name][...], old[name][...])
        assert list(new["lists"][0]) == [1, 2]
        air, counts = new["model/air"], new["counts"]
        expected = fastbn.zscore(old["model/air"][...], 1)
        np.testing.assert_array_equal(air[...], expected)
        assert (air.maxshape, air.chunks, air.compression, air.fletcher32) == ((None, 3, 4), (4, 3, 4), "gzip", True)
        assert np.isnan(air.fillvalue)
        assert [list(axis.keys()) for axis in air.dims] == [["time"], ["level"], []]
        assert air.dims[2].label == "place"
        assert set(air.attrs) == {"original_units", "names", "CLASS", "of", "DIMENSION_LIST", "DIMENSION_LABELS"}
        assert air.attrs["original_units"] == "K"
        assert new[air.attrs["of"]] == new["time"]
        raw = old["counts"][...]
        np.testing.assert_array_equal(counts[...], np.where(raw == 7, np.nan, fastbn.zscore(raw, None, nodata=7)))
        assert counts.scaleoffset is None
        assert np.isnan(counts.attrs["_FillValue"])
        assert [new[reference] for reference in new["references"][...]] == [counts, new["model"]]
        assert air.regionref.selection(new["region"][0]) == (2, 3, 4)
        assert new.get("soft", getlink=True).path == "/counts"
        assert new.get("dangling", getlink=True).path == "/nowhere"
        assert new["model/same"] == counts
        assert new["model/loop"] == new["/"]
        assert new["typed"].id.get_type().committed()
    assert Path("y.h5").read_bytes()[:10] == b"MATLAB 7.3"


def test_the_same_job_gives_the_same_bytes(run):
    everything(Path("x.h5"))
    run("normalize", "x.h5", "y.h5")
    run("normalize", "x.h5", "z.h5")
    assert Path("y.h5").read_bytes() == Path("z.h5").read_bytes()
    with h5py.File("y.h5") as file:
        plist = file["model/air"].id.get_create_plist()
        assert not plist.get_obj_track_times()


def test_what_is_a_variable(run):
    everything(Path("x.h5"))
    run("stats", "x.h5", "-o", "s.json")
    assert set(fastbn.ChannelStats.load("s.json").names) == {"zeta", "model/air", "counts", "ragged"}
    run("stats", "x.h5", "--variables", "model/air,time", "-o", "t.json")
    assert fastbn.ChannelStats.load("t.json").names == ("model/air", "time")
    run("stats", "x.h5", "--variables", "model/air", "--channel-dim", "level", "-o", "u.json")
    assert fastbn.ChannelStats.load("u.json").names == tuple(f"model/air:{level}" for level in (1000, 850, 500))
    run("stats", "x.h5", "--variables", "model/air", "--channel-dim", "place", "-o", "v.json")
    assert fastbn.ChannelStats.load("v.json").shape == (4,)


@given(data=st.data())
def test_any_shape_chunks_and_dtype(tmp_path_factory, data):
    shape = tuple(data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=4)))
    chunks = data.draw(st.none() | st.tuples(*(st.integers(1, max(1, length)) for length in shape)))
    dtype = data.draw(st.sampled_from(["<f2", ">f4", "<f8", "u1", ">i2", "<i4", "<u8"]))
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    x = normal(shape, "f8").astype(dtype)
    folder = tmp_path_factory.getbasetemp()
    with h5py.File(folder / "x.h5", "w") as file:
        grows = None if chunks is None else (None,) * len(shape)
        file.create_dataset("x", data=x, chunks=chunks, maxshape=grows)
    channel = ",".join(map(str, sorted(axes))) or "none"
    native = x.astype(x.dtype.newbyteorder("="))
    stats = fastbn.channel_stats(native, tuple(sorted(axes)))
    save_flat(stats, axes, native, folder / "s.json")
    argv = ["normalize", folder / "x.h5", folder / "y.h5", "--overwrite", "--channel-axis", channel]
    assert main([*map(str, argv), "--stats", str(folder / "s.json"), "--memory", "1MB"]) == 0
    with h5py.File(folder / "y.h5") as file:
        np.testing.assert_array_equal(file["x"][...], fastbn.normalize(native, stats, tuple(sorted(axes))))


def save_flat(stats, axes, x, path):
    """Save statistics of the same channels in a row, as files of variables have them."""
    kept = sorted(axes)
    rows = np.moveaxis(x, kept, range(len(kept))).reshape((stats.count.size, -1) if x.size else (stats.count.size, 0))
    fastbn.channel_stats(rows, 0).save(path)


def test_files_larger_than_the_memory(run):
    x = normal((300, 4, 2000), "f4")
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("plain", data=x)
        file.create_dataset("chunked", data=x, chunks=(7, 4, 300))
    for name in ("plain", "chunked"):
        fastbn.channel_stats(x, 1).save("s.json")
        argv = ["--variables", name, "--channel-axis", "1", "--memory", "2MB", "--stats", "s.json", "--overwrite"]
        run("normalize", "x.h5", "y.h5", *argv)
        with h5py.File("y.h5") as file:
            np.testing.assert_array_equal(file[name][...], fastbn.normalize(x, fastbn.ChannelStats.load("s.json"), 1))


def external_link(file):
    file["x"] = h5py.ExternalLink("other.h5", "/x")


def external_storage(file):
    file.create_dataset("x", (4,), "f8", external=[("other.bin", 0, 32)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


def never_written(file):
    file.create_dataset("x", (10**9, 10**9), "f4", chunks=(100, 100))


def huge_chunk(file):
    file.create_dataset("x", (10,), "f4", chunks=(2**28,), maxshape=(None,))


def unknown_filter(file):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    plist.set_filter(400, h5py.h5z.FLAG_OPTIONAL, (1,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((4,)), plist)


def only_text(file):
    file["x"] = ["a", "b"]


def dangling(file):
    file["x"] = h5py.SoftLink("/nowhere")


HOSTILE = {
    external_link: "link to another file",
    external_storage: "in another file",
    virtual: "virtual",
    never_written: "in a file of",
    huge_chunk: "chunks of (268435456,)",
    unknown_filter: "filter 400",
    only_text: "no variables of numbers",
    dangling: "no variables of numbers",
}


@pytest.mark.parametrize("make", HOSTILE)
def test_hostile_files(refused_cleanly, make):
    with h5py.File("other.h5", "w") as other:
        other["x"] = np.arange(4.0)
    Path("other.bin").write_bytes(bytes(32))
    with h5py.File("x.h5", "w") as file:
        make(file)
    line = refused_cleanly("normalize", "x.h5", "y.h5")
    assert "x.h5: " in line
    assert HOSTILE[make] in line
    assert HOSTILE[make] in refused_cleanly("stats", "x.h5")


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(3000), b"PK\x03\x04" * 9])
def test_what_is_no_file(refused_cleanly, data):
    Path("x.h5").write_bytes(data)
    assert "x.h5: not a HDF5 file, or a damaged one" in refused_cleanly("stats", "x.h5")


def test_truncated(refused_cleanly):
    with h5py.File("x.h5", "w") as file:
        file["x"] = normal((100, 100))
    whole = Path("x.h5").read_bytes()
    Path("x.h5").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused_cleanly("normalize", "x.h5", "y.h5")


CHOICES = {
    "no such variable": (("--variables", "y"), "no 'y', only x"),
    "no names": (("--channel-dim", "band"), "no names"),
    "bands": (("--bands", "1"), "--bands means nothing"),
    "axis": (("--channel-axis", "2"), "x.h5"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_choices_that_are_none(refused_cleanly, case):
    with h5py.File("x.h5", "w") as file:
        file["x"] = normal((4, 3))
    argv, reason = CHOICES[case]
    assert reason in refused_cleanly("stats", "x.h5", *argv)


def test_a_heap_that_leads_nowhere(refused_cleanly):
    """Such a file lets HDF5 loop for ever."""
    with h5py.File("x.h5", "w") as file:
        file["x"] = normal((4, 3))
        file["x"].attrs["note"] = "text"
    data = bytearray(Path("x.h5").read_bytes())
    heap = data.find(b"GCOL")
    assert data[heap + 16] == 1  # the first object, whose size follows
    data[heap + 24] = 255
    Path("x.h5").write_bytes(data)
    assert f"a heap of no length at {heap}" in refused_cleanly("stats", "x.h5")


DAMAGED = """
import os, random, sys
import h5py
from fastbn.cli import main
good = open("x.h5", "rb").read()
for number in range(int(sys.argv[1])):
    rng = random.Random(number)
    data = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice([0, 255, rng.randrange(256)])
    open("bad.h5", "wb").write(data[: rng.randrange(len(data))] if number % 9 == 0 else data)
    print(number, main(["normalize", "bad.h5", "y.h5", "--overwrite", "--json", "--memory", "64MB"]), flush=True)
    assert [name for name in os.listdir() if name.startswith(".")] == []
"""


def test_damaged_files_are_read_or_refused(run):
    """In a process of its own: the HDF5 library can hang, or take its process with it."""
    with h5py.File("x.h5", "w") as file:
        file["t"] = np.arange(10.0)
        file["t"].make_scale("t")
        x = file.create_dataset("g/x", data=normal((10, 3)), chunks=(4, 3), compression="gzip", maxshape=(None, 3))
        x.dims[0].attach_scale(file["t"])
        x.attrs["units"] = "K"
    command = [sys.executable, "-c", DAMAGED, "150"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    codes = [line.split()[-1] for line in done.stdout.splitlines() if not line.startswith("{")]
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert len(codes) == 150
    assert set(codes) == {"0", "1"}
    assert len(lines) == codes.count("1")
    assert all(line.startswith("fastbn: error: bad.h5: ") for line in lines)


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    """A limit on the size of files, which has its process meet the same errors, at the end as well."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("x.h5", "w") as file:
        file["x"] = normal((1000, 1000))
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, 2**21)); from fastbn.cli import main; "
        "sys.exit(main(['normalize', 'x.h5', 'y.h5']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("fastbn: error: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
