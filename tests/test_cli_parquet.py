"""Parquet files on the command line: columns are channels, and all else passes through."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def table(rows=500):
    rng = np.random.default_rng(7)
    missing = rng.random(rows) < 0.2
    return pa.table(
        {
            "id": pa.array([f"{k:06}" for k in range(rows)]),
            "i": pa.array(rng.integers(-(2**62), 2**62, rows)),
            "short": pa.array(rng.integers(0, 9, rows).astype(np.int16)),
            "half": pa.array(rng.normal(size=rows).astype(np.float16)),
            "single": pa.array(rng.normal(size=rows).astype(np.float32), mask=missing),
            "nested": pa.array([{"x": k, "y": [k]} for k in range(rows)]),
            "double": pa.array(rng.normal(size=rows)),
            "yes": pa.array(rng.random(rows) > 0.5, mask=missing[::-1]),
            "price": pa.array(range(rows)).cast(pa.decimal128(21, 2)),
            "kind": pa.array(["a", "b"] * (rows // 2)).dictionary_encode(),
        },
        metadata={b"about": b"a test"},
    )


NUMBERS = ("i", "short", "half", "single", "double", "yes")


def column(data, name):
    """A column as an array, and where it has a value."""
    kept = ~data[name].is_null().to_numpy()
    filled = [value if known else 0 for value, known in zip(data[name].to_pylist(), kept, strict=True)]
    return np.array(filled, data[name].type.to_pandas_dtype()), kept


def test_every_column_of_numbers_is_a_channel(folder, capsys):
    data = table()
    pq.write_table(data, "x.parquet")
    assert main(["stats", "x.parquet", "-o", "x.json"]) == 0
    found = fastbn.ChannelStats.load("x.json")
    assert found.names == NUMBERS
    for number, name in enumerate(NUMBERS):
        values, kept = column(data, name)
        wanted = fastbn.channel_stats(values, channel_axis=None, where=kept)
        np.testing.assert_array_equal(found.count[number], wanted.count)
        np.testing.assert_array_equal(found.mean[number], wanted.mean)


@pytest.mark.parametrize("codec", ["NONE", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_what_is_not_normalized_passes_through(folder, codec):
    data = table()
    pq.write_table(data, "x.parquet", row_group_size=130, compression=codec, use_dictionary=["id", "short"])
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    old, new = pq.ParquetFile("x.parquet"), pq.ParquetFile("y.parquet")
    written = new.read()
    assert written.schema.names == data.schema.names
    assert written.schema.metadata == {b"about": b"a test"}
    for name in data.schema.names:
        if name not in NUMBERS:
            assert written[name].to_pylist() == data[name].to_pylist()
            assert written.schema.field(name).equals(data.schema.field(name))
    rows = [130, 130, 130, 110]
    assert [new.metadata.row_group(k).num_rows for k in range(new.num_row_groups)] == rows
    for k in range(new.metadata.num_columns):
        before, after = (file.metadata.row_group(0).column(k) for file in (old, new))
        assert (after.compression, after.path_in_schema) == (before.compression, before.path_in_schema)
        assert after.has_dictionary_page <= before.has_dictionary_page
    assert new.metadata.row_group(0).column(0).has_dictionary_page


def test_numbers_are_the_bits_of_the_library_and_nulls_stay(folder):
    data = table()
    pq.write_table(data, "x.parquet", row_group_size=77)
    assert main(["stats", "x.parquet", "-o", "x.json"]) == 0
    assert main(["normalize", "x.parquet", "y.parquet", "--stats", "x.json", "--memory", "1MB"]) == 0
    stats = fastbn.ChannelStats.load("x.json")
    written = pq.read_table("y.parquet")
    for number, name in enumerate(NUMBERS):
        values, kept = column(data, name)
        wanted = fastbn.normalize(values, stats=stats.select(np.array([number])).select(0), channel_axis=None)
        found, there = column(written, name)
        np.testing.assert_array_equal(there, kept)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found[kept], wanted[kept])


def test_repeated_it_is_the_same_file(folder):
    pq.write_table(table(), "x.parquet")
    for name in ("y.parquet", "z.parquet"):
        assert main(["normalize", "x.parquet", name]) == 0
    assert (folder / "y.parquet").read_bytes() == (folder / "z.parquet").read_bytes()


def test_nan_is_data_and_null_is_missing(folder, capsys):
    pq.write_table(pa.table({"a": pa.array([1.0, float("nan"), None, 3.0])}), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet", "--nan-policy", "omit"]) == 0
    found = pq.read_table("y.parquet")["a"].to_pylist()
    assert found[0] == -1
    assert found[1] != found[1]
    assert found[2:] == [None, 1]
    assert main(["stats", "x.parquet", "--nan-policy", "raise"]) == 1
    assert "'a' has a NaN" in capsys.readouterr().err


def test_no_null_in_a_column_that_must_not_have_one(folder):
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False)])
    pq.write_table(pa.table([[1, -9, 3]], schema=schema), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet", "--nodata=-9"]) == 0
    written = pq.read_table("y.parquet")
    assert not written.schema.field("a").nullable
    np.testing.assert_array_equal(written["a"].to_numpy(), [-1, np.nan, 1])


def test_pandas_reads_it_with_its_index(folder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, None, False], dtype="boolean"),
            "f": np.float32([1, 2, 4]),
            "s": ["x", "y", "z"],
        },
        index=pd.Index([10, 20, 30], name="key"),
    )
    frame.to_parquet("x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    written = pd.read_parquet("y.parquet")
    pd.testing.assert_index_equal(written.index, frame.index)
    assert written.dtypes.astype(str).to_dict() | {"s": ""} == {"n": "Float64", "b": "Float32", "f": "float32", "s": ""}
    assert written["n"].isna().tolist() == [False, True, False]
    assert written["s"].tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("name", ["fair", "anes96", "grunfeld"])
def test_data_sets_of_statsmodels(folder, name):
    pd = pytest.importorskip("pandas")
    datasets = pytest.importorskip("statsmodels.api").datasets
    frame = getattr(datasets, name).load_pandas().data
    frame.to_parquet("x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    written = pd.read_parquet("y.parquet")
    for label in frame:
        if frame[label].dtype.kind not in "fi":
            assert written[label].tolist() == frame[label].tolist()
        else:
            np.testing.assert_array_equal(written[label], fastbn.zscore(frame[label].to_numpy(), channel_axis=None))


def test_columns_are_chosen_by_name(folder, capsys):
    pq.write_table(table(), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet", "--columns", "double", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["dtypes"] == ["float64"]
    written = pq.read_table("y.parquet")
    assert written.drop(["double"]).equals(table().drop(["double"]))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [("no", "no 'no'"), ("id", "'id' holds no numbers: string"), ("price", "decimal128"), ("nested", "struct")],
)
def test_columns_without_numbers_are_refused(folder, capsys, columns, reason):
    pq.write_table(table(), "x.parquet")
    assert main(["stats", "x.parquet", "--columns", columns]) == 1
    assert reason in capsys.readouterr().err


def test_a_name_with_a_dot_is_no_part_of_another(folder):
    data = pa.table({"a": [{"b": 7}, {"b": 8}], "a.b": [1.0, 3.0]})
    pq.write_table(data, "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    assert pq.read_table("y.parquet").to_pydict() == {"a": [{"b": 7}, {"b": 8}], "a.b": [-1.0, 1.0]}


def test_tensors_pass_through(folder):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(8.0).reshape(2, 4))
    pq.write_table(pa.table({"t": tensors, "a": [1, 3]}), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    written = pq.read_table("y.parquet")
    assert written["t"] == pq.read_table("x.parquet")["t"]
    assert written["a"].to_pylist() == [-1, 1]


def test_two_columns_without_names_are_refused(folder, capsys):
    pq.write_table(pa.table([[1], [2], [3]], names=["", "a", ""]), "x.parquet")
    assert main(["stats", "x.parquet"]) == 1
    assert capsys.readouterr().err == "fastbn: error: x.parquet: two columns have no name\n"


def test_rows_that_are_not_there_are_missed_at_once(folder, capsys, monkeypatch):
    monkeypatch.setattr("fastbn.cli.formats._parquet._rows", lambda path, metadata: 2**60)
    pq.write_table(pa.table({"a": [1, 3]}), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 1
    assert capsys.readouterr().err.endswith("damaged one: ends before its rows do\n")


def test_no_rows(folder):
    pq.write_table(table(0), "x.parquet")
    assert main(["normalize", "x.parquet", "y.parquet"]) == 0
    assert pq.read_table("y.parquet").num_rows == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff" * 8 + b"PAR1"])
def test_not_a_parquet_file(folder, capsys, content):
    (folder / "x.parquet").write_bytes(content)
    assert main(["stats", "x.parquet"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("fastbn: error: x.parquet: not a Parquet file")
    assert printed.count("\n") == 1


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_bytes_end_in_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    pq.write_table(table(20), folder / "good.parquet")
    content = bytearray((folder / "good.parquet").read_bytes())
    for place in data.draw(st.lists(st.integers(4, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2]))
    (folder / "bad.parquet").write_bytes(content[:end])
    assert main(["normalize", str(folder / "bad.parquet"), str(folder / "out.parquet"), "--overwrite"]) in {0, 1}
