import numpy as np
import pytest
from scipy import stats

from sslviz.statistics import balanced_intervals, low_of_perfect, t_interval


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


def test_the_interval_of_a_balanced_accuracy_is_that_of_the_binomials():
    """Of two classes with right answers in so many of 100: a mean of two independent shares, each resampled."""
    right = np.concatenate([np.arange(100) < 80, np.arange(100) < 60])
    groups = np.repeat([0, 1], 100)
    [(low, high)] = balanced_intervals(right[None], groups)
    spread = np.sqrt(0.8 * 0.2 / 100 + 0.6 * 0.4 / 100) / 2
    assert [low, high] == pytest.approx(stats.norm.interval(0.95, 0.7, spread), abs=0.01)


@pytest.mark.parametrize("smallest", [9, 10])
def test_there_is_an_interval_from_ten_images_or_units_of_each_class_on(smallest):
    groups = np.repeat([0, 1], [smallest, 40])
    values = np.random.default_rng(0).normal(size=(2, len(groups)))
    for ends in (
        balanced_intervals(values, groups),
        balanced_intervals(values.repeat(3, axis=1), groups.repeat(3), units=np.arange(len(groups)).repeat(3)),
    ):
        assert len(ends) == 2 and all((low is None) == (smallest < 10) for low, _ in ends)


@pytest.mark.parametrize("n", [20, 50, 200])
def test_where_nothing_is_wrong_as_many_errors_may_hide_as_are_missed_once_in_twenty(n):
    missed_once_in_twenty = 1 - 0.05 ** (1 / n)  # the rate that shows no error in n images in 5 of 100 samples
    assert 1 - low_of_perfect(np.array([n])) == pytest.approx(missed_once_in_twenty, abs=6 / n**2)
