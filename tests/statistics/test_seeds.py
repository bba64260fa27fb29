"""Is the spread over seeds that of numpy, and its interval one that holds the truth as often as it says?"""

import numpy as np
import pytest
from scipy import stats

from sslviz.statistics import Score, SeedSpread


def test_mean_spread_and_interval_are_those_of_numpy_and_scipy():
    values = np.random.default_rng(0).normal(0.8, 0.02, 5)
    one = SeedSpread.of([Score(v, v - 1, v + 1, {"chance": 0.1 * i, "pixels": 0.5}) for i, v in enumerate(values)])
    assert (one.score.value, one.spread, one.n) == (
        pytest.approx(values.mean()),
        pytest.approx(np.std(values, ddof=1)),
        5,
    )
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (one.score.low, one.score.high) == pytest.approx(expected)
    assert one.score.controls == pytest.approx({"chance": 0.2, "pixels": 0.5})


def test_the_interval_holds_the_mean_of_all_seeds_in_95_of_100_studies():
    rng = np.random.default_rng(1)
    spreads = [SeedSpread.of(map(Score, rng.normal(0.5, 0.1, 4))).score for _ in range(1000)]
    held = np.mean([s.low <= 0.5 <= s.high for s in spreads])
    assert 0.93 <= held <= 0.97  # three standard errors of a share of 1,000


def test_two_seeds_have_a_spread_and_no_interval_and_one_has_neither():
    two, one = SeedSpread.of([Score(0.4), Score(0.6)]), SeedSpread.of([Score(0.4)])
    assert two.score.low is None and two.spread == pytest.approx(np.std([0.4, 0.6], ddof=1)) and np.isnan(one.spread)
    assert str(two) == "0.50 ± 0.14 over 2 seeds" and str(one) == "0.40 over 1 seed"


def test_what_cannot_be_told_is_left_out():
    nan = Score.unknown("too few images", {})
    assert SeedSpread.of([Score(0.4), nan, Score(0.6)]).n == 2
    assert SeedSpread.of([nan]).n == 0 and np.isnan(SeedSpread.of([]).score.value)
