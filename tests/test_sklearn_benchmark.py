"""The comparison with scikit-learn's scalers runs."""

import pytest

import fastbn

pytest.importorskip("sklearn")

import scalers


def test_scalers_prints_its_tables(capsys):
    threads = fastbn.get_num_threads()
    try:
        scalers.main(["--quick", "--threads", "1"])
    finally:
        fastbn.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert printed.count("| StandardScaler.fit_transform |") == printed.count("\n### ") >= 2
    assert printed.count("| MinMaxScaler.inverse_transform |") == 2
