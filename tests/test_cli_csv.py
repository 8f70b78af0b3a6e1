"""CSV files on the command line: columns are channels, and all else passes through."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbn
from fastbn.cli import main

pytest.importorskip("pyarrow")


@pytest.fixture
def normalized(folder):
    """Normalize the text of a file; returns that of the output."""

    def call(text, *argv, name="x.csv"):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        assert main(["normalize", name, f"y{name}", *argv]) == 0
        return (folder / f"y{name}").read_bytes().decode()

    return call


CASES = {
    "text passes through": ('id,x,t\n007,1,"a,""b"\n008,3,"l\nm"\n', 'id,x,t\n007,-1,"a,""b"\n008,1,"l\nm"\n'),
    "nulls stay null": ("x,t\n1,a\nNA,b\n,c\n3,d\n", "x,t\n-1,a\n,b\n,c\n1,d\n"),
    "one column": ('x\n1\n""\n3\n', 'x\n-1\n""\n1\n'),
    "spaces": ("a, x\nu, 1\nv, 3\n", "a, x\nu,-1\nv,1\n"),
    "ends of lines and signature": ("\ufeffx,t\r\n1,a\r\n3,b\r\n", "\ufeffx,t\r\n-1,a\r\n1,b\r\n"),
    "empty lines": ("x,t\n1,a\n\n3,b\n\n", "x,t\n-1,a\n1,b\n"),
    "no end of the last line": ("x,t\n1,a\n3,b", "x,t\n-1,a\n1,b\n"),
    "semicolons and commas": ("x;y;t\n1,5;1;a\n2,5;3;b,c\n", "x;y;t\n-1;-1;a\n1;1;b,c\n"),
    "semicolons and points": ("x;t\n1.5;1,5\n2.5;b\n", "x;t\n-1;1,5\n1;b\n"),
    "an index without a name": (",x\n0,1\n1,3\n", ",x\n0,-1\n1,1\n"),
    "dates": ("d,x\n2020-01-01,1\n2020-01-02,3\n", "d,x\n2020-01-01,-1\n2020-01-02,1\n"),
    "more than 64 bits": ("n,x\n12345678901234567890,1\n1,3\n", "n,x\n12345678901234567890,-1\n1,1\n"),
    "labels with a sign": ("n,x\n+012,1\n-013,3\n", "n,x\n+012,-1\n-013,1\n"),
    "phones": ("n,x\n+4930123456,1\n+33123456789,3\n", "n,x\n+4930123456,-1\n+33123456789,1\n"),
    "signs": ("y,x\n+1,1\n+3.5,3\n", "y,x\n-1,-1\n1,1\n"),
    "a late word": ("n,x\n" + "1,2\n" * 100000 + "word,2\n", "n,x\n" + "1,0\n" * 100000 + "word,0\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_normalized_passes_through(normalized, case):
    text, wanted = CASES[case]
    assert normalized(text) == wanted


def test_tabs(normalized):
    assert normalized("a,b\tx\nu,v\t1\nw\t3\n", name="x.tsv") == "a,b\tx\nu,v\t-1\nw\t1\n"


def test_columns_that_are_not_chosen_keep_their_digits(normalized):
    assert normalized("x,y\n1,2.50\n3,1e3\n", "--columns", "x") == "x,y\n-1,2.50\n1,1e3\n"


def test_names_with_commas_are_chosen_in_quotes(normalized):
    text = '"x, m",y,"z ""in"""\n1,5,1\n3,6,3\n'
    wanted = '"x, m",y,"z ""in"""\n-1,5,-1\n1,6,1\n'
    assert normalized(text, "--columns", '"x, m","z ""in"""') == wanted


@pytest.mark.parametrize("names", ['"x', "", "x,", ",", '"x"y', "x,x"])
def test_bad_lists_of_names_are_refused(names, capsys):
    assert main(["stats", "x.csv", "--columns", names]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("argv", [["stats"], ["quantiles"], ["info"], ["stats", "--dry-run"]])
def test_names_do_not_steer_the_terminal(folder, capsys, argv):
    (folder / "x.csv").write_text('"a\nb",\x1b[31mred,größe\n1,2,3\n')
    assert main([*argv, "x.csv"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "a\nb" not in shown
    assert all(name in shown for name in ("a\\nb", "\\x1b[31mred", "größe"))
    assert main(["stats", "x.csv", "--columns", "\x1b"]) == 1
    assert capsys.readouterr().err.rstrip("\n").isprintable()


def test_long_integers_are_exact(folder):
    values = [2**53 + 1, 2**53 + 3, -5]
    (folder / "x.csv").write_text("n\n" + "".join(f"{value}\n" for value in values))
    assert main(["stats", "x.csv", "-o", "x.json"]) == 0
    found, wanted = fastbn.ChannelStats.load("x.json"), fastbn.channel_stats(np.array(values), channel_axis=None)
    assert found.mean[0] == wanted.mean
    assert int(found.max[0]) == 2**53 + 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_the_shortest_that_read_back(normalized, dtype):
    values = np.random.default_rng(1).normal(size=200)
    text = normalized("x\n" + "".join(f"{value!r}\n" for value in values.tolist()), "--dtype", dtype)
    wanted = fastbn.zscore(values, channel_axis=None, dtype=dtype)
    lines = text.splitlines()[1:]
    np.testing.assert_array_equal(np.array(lines, dtype=dtype), wanted)
    assert all(len(line.replace("e-0", "e-")) <= len(str(value)) for line, value in zip(lines, wanted, strict=True))


@given(
    cells=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=6), min_size=1),
    numbers=st.integers(0, 9),
)
def test_any_text_passes_through(tmp_path_factory, cells, numbers):
    folder = tmp_path_factory.mktemp("text")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["x", "t", "end"], *([k % (numbers + 1), cell, "."] for k, cell in enumerate(cells))])
    (folder / "x.csv").write_bytes(file.getvalue().encode())
    assert main(["normalize", str(folder / "x.csv"), str(folder / "y.csv"), "--columns", "x"]) == 0
    written = list(csv.reader(io.StringIO((folder / "y.csv").read_bytes().decode(), newline="")))
    assert [row[1] for row in written[1:]] == cells


REFUSED = {
    "empty": (b"", "no line with the names"),
    "blank": (b"\n\n", "no line with the names"),
    "no header": (b"1.5,2\n3,4\n", "first line are numbers"),
    "the same name": (b"a,a\n1,2\n", "two columns have the name 'a'"),
    "only a header": (b"a,b\n", "no column holds numbers"),
    "too few": (b"a,b\n1,2\n3\n", "Row #2: Expected 2 columns, got 1"),
    "too many": (b"a,b\n1,2,3\n", "Row #1: Expected 2 columns, got 3"),
    "open quote": (b'a,b\n1,"2\n3,4\n', "a quote is not closed"),
    "open quote in the first line": (b'"a,b\n1,2\n', "a quote in it is not closed"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "Latin-1": ("a,b\n1,ü\n".encode("latin-1"), "invalid UTF8"),
    "null bytes": (b"a\0,b\n1,2\n", "null bytes"),
    "one long line": (b"a,b\n1," + b"x" * 10**7 + b"\n", "a row of more than"),
    "a long first line": (b"x" * 10**7, "first line does not end"),
    "too many columns": (b"a" + b",b" * 10**5 + b"\n", "columns"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(folder, capsys, case):
    content, reason = REFUSED[case]
    (folder / "x.csv").write_bytes(content)
    assert main(["stats", "x.csv"]) == 1
    printed = capsys.readouterr().err
    assert reason in printed
    assert printed.startswith("fastbn: error: x.csv: ")
    assert printed.count("\n") == 1


def test_a_column_of_text_is_refused_with_a_cell(folder, capsys):
    (folder / "x.csv").write_text("a,b\n1,x\n")
    assert main(["stats", "x.csv", "--columns", "b"]) == 1
    assert "'b' holds no numbers: Failed to parse string: 'x'" in capsys.readouterr().err


def test_repeated_and_with_less_memory_it_is_the_same_file(folder):
    values = np.random.default_rng(2).integers(0, 9, (5000, 2))
    np.savetxt(folder / "x.csv", values, "%d", ",", header="a,b", comments="")
    assert main(["stats", "x.csv", "-o", "x.json"]) == 0
    for name, memory in (("y.csv", "512MB"), ("z.csv", "1MB")):
        assert main(["normalize", "x.csv", name, "--stats", "x.json", "--memory", memory]) == 0
    assert (folder / "y.csv").read_bytes() == (folder / "z.csv").read_bytes()


@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
def test_tables_of_scikit_learn(folder, name):
    pd = pytest.importorskip("pandas")
    datasets = pytest.importorskip("sklearn.datasets")
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    frame.to_csv("x.csv", index=False)
    assert main(["normalize", "x.csv", "y.csv"]) == 0
    written = pd.read_csv("y.csv", dtype=str)
    for label in frame:
        wanted = fastbn.zscore(frame[label].to_numpy(float), channel_axis=None)
        np.testing.assert_array_equal(written[label].to_numpy(float), wanted)


@given(data=st.data())
def test_damaged_bytes_end_in_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(b'id,x,"t"\n007,1.5,"a,b"\n008,2,c\n009,NA,\n')
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (folder / "x.csv").write_bytes(content)
    assert main(["normalize", str(folder / "x.csv"), str(folder / "y.csv")]) in {0, 1}


def test_columns_in_another_order_need_a_word(folder, refused, run):
    Path("d").mkdir()
    Path("d/1.csv").write_text("a,b\n1,2\n3,5\n")
    Path("d/2.csv").write_text("b,a\n7,4\n8,6\n")
    assert "2.csv: channels b, a, but d/1.csv has channels a, b: name them in one order, by --columns" in refused(
        "stats", "d"
    )
    run("stats", "d", "--columns", "a,b", "-o", "s.json")
    assert fastbn.ChannelStats.load("s.json").mean.tolist() == [3.5, 5.5]
