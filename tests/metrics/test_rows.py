"""Rows by key, in memory and on disk."""

import numpy as np
import pytest

from facesr_bench.errors import DataError
from facesr_bench.metrics.rows import RowTable


@pytest.mark.parametrize("memory", [0, 100, 10**6])
def test_rows_come_back_in_the_order_asked_for(memory):
    table = RowTable(memory)
    rows = np.random.default_rng(0).standard_normal((9, 2, 3)).astype(np.float32)
    keys = list("hbdfaicge")
    for start in range(0, 9, 2):
        table.add(keys[start : start + 2], rows[start : start + 2])
        assert len(table.take(table.keys)) == len(table)  # reading between writes
    assert table.keys == sorted(keys)
    np.testing.assert_array_equal(table.take(keys), rows)
    taken = table.take(["a", "h"])
    np.testing.assert_array_equal(taken, rows[[4, 0]])
    taken += 1  # a copy
    np.testing.assert_array_equal(table.take(["a", "h"]), rows[[4, 0]])


def test_a_padded_sample_counts_once_and_the_first_stays():
    table = RowTable()
    buffer = np.array([1.0, 2.0])
    table.add(["a", "b"], buffer)
    buffer += 10  # the caller reuses its buffer
    table.add(["b", "c"], buffer)
    assert table.take(["a", "b", "c"]).tolist() == [1, 2, 12]


def test_refusals_are_sentences():
    table = RowTable()
    table.add([], np.zeros((0, 5)))  # an empty last batch says nothing about shapes
    table.add(["a"], np.zeros((1, 2)))
    with pytest.raises(DataError, match="row of 'b' is float64"):
        table.add(["b"], np.zeros((1, 3)))
    with pytest.raises(DataError, match="2 rows were given for 1 keys"):
        table.add(["b"], np.zeros((2, 2)))
    with pytest.raises(DataError, match="no row for the image 'x'"):
        table.take(["x"])
