import numpy as np
import pytest
from scipy import stats

from sslviz.statistics import t_interval


def test_the_interval_over_seeds_is_students():
    values = np.random.default_rng(0).normal(size=5)
    expected = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)


def test_the_interval_over_seeds_holds_the_mean_in_95_of_100_studies_of_three():
    rng = np.random.default_rng(0)
    lows, highs = np.array([t_interval(rng.normal(size=3)) for _ in range(2000)]).T
    assert 0.93 <= ((lows < 0) & (highs > 0)).mean() <= 0.97


def test_one_seed_and_numbers_that_are_none_give_no_interval():
    assert t_interval(np.array([1.0])) == t_interval(np.array([1.0, np.nan])) == (None, None)
