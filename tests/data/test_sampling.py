import numpy as np
import pytest

from sslviz.data.sampling import sample_rows, spread_rows


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize(("n", "count"), [(1, 1), (1, 5), (7, 7), (7, 20), (100, 6), (1000, 16)])
def test_spread_rows_run_evenly_from_the_first_to_the_last(n, count, nearest):
    rows = spread_rows(n, count, nearest=nearest)
    assert len(rows) == min(n, count) and rows[0] == 0 and (count == 1 or rows[-1] == n - 1)
    assert np.ptp(np.diff(rows)) <= 1 if len(rows) > 1 else True


def test_rows_are_rounded_down_or_to_the_nearest():
    assert spread_rows(8, 4).tolist() == [0, 2, 4, 7] and spread_rows(8, 4, nearest=True).tolist() == [0, 2, 5, 7]


def test_a_sample_is_the_same_each_time_and_in_order():
    rows = sample_rows(1000, 50)
    assert len(set(rows.tolist())) == 50 and (np.diff(rows) > 0).all() and np.array_equal(rows, sample_rows(1000, 50))
    assert np.array_equal(sample_rows(5, 50), np.arange(5))
