"""Intervals over draws and images at once: do they hold the truth as often as they say?"""

import numpy as np
import pytest

from sslviz.statistics import (
    bootstrap_balanced_mean,
    bootstrap_crossed_means,
    crossed_interval,
    interaction_variance,
    percentile_interval,
    wider_levels,
)

REPETITIONS = 200


def table(rng, draws, n, of_draws, of_images):
    """Numbers of mean 0 that depend on the draw, on the image, and on both: (1, draws, n)."""
    parts = of_draws * rng.normal(size=(draws, 1)) + of_images * rng.normal(size=n)
    return (parts + 0.3 * rng.normal(size=(draws, n)))[None]


@pytest.mark.parametrize(("of_draws", "of_images"), [(0.3, 1.0), (0.1, 1.0), (0.3, 0.3), (0.0, 0.0)])
def test_it_holds_the_truth_in_95_of_100_where_images_alone_do_not(of_draws, of_images):
    """Also where all spread is peculiar to a draw and an image together.

    The standard errors are .1 and .1, .03 and .1, .1 and .03; 200 repetitions leave 95 % a band of 91 to 98.
    """
    rng = np.random.default_rng(0)
    groups = np.arange(100) % 4
    held = images_alone = 0
    for seed in range(REPETITIONS):
        values = table(rng, 10, 100, of_draws, of_images)
        resampled = bootstrap_crossed_means(values, groups, resamples=500, seed=seed)[:, 0]
        low, high = crossed_interval(resampled, values[0].mean(axis=1))
        held += low <= 0 <= high
        low, high = percentile_interval(bootstrap_balanced_mean(values[0].mean(axis=0), groups, draws=500, seed=seed))
        images_alone += low <= 0 <= high
    assert 0.91 <= held / REPETITIONS <= 0.985
    if of_draws == 0.3:
        assert images_alone / REPETITIONS < 0.88


def test_its_spread_is_that_of_draws_and_of_images_added():
    rng = np.random.default_rng(0)
    of_draws, of_images = rng.normal(size=8), rng.normal(size=50)
    values = (of_draws[:, None] + of_images)[None]
    resampled = bootstrap_crossed_means(values, np.zeros(50), resamples=20_000)
    expected = np.var(of_draws, ddof=1) / 8 + np.var(of_images) / 50
    assert np.var(resampled) == pytest.approx(expected, rel=0.05)


def test_what_is_peculiar_to_a_draw_and_an_image_counts_once():
    rng = np.random.default_rng(0)
    groups = np.arange(40) % 2
    values = rng.normal(size=(300, 6, 40))  # 300 tables of independent numbers: the variance of each mean is 1 / 240
    assert interaction_variance(values, groups).mean() == pytest.approx(1 / 240, rel=0.03)
    spread = bootstrap_crossed_means(values, groups, resamples=400).var(axis=0)
    # Not below a third of what it was, so that the mean of many lies a little above; uncorrected it is three times as much.
    assert spread.mean() == pytest.approx(1 / 240, rel=0.15)
    added = values + rng.normal(size=(300, 6, 1)) + rng.normal(size=(300, 1, 40))
    np.testing.assert_allclose(interaction_variance(added, groups), interaction_variance(values, groups))


def test_all_quantities_see_the_same_draws_and_images():
    values = np.random.default_rng(0).normal(size=(1, 5, 30))
    both = bootstrap_crossed_means(np.concatenate([values, values + 1]), np.arange(30) % 3, resamples=50)
    np.testing.assert_allclose(both[:, 1] - both[:, 0], 1)


def test_a_single_draw_is_one_sentence():
    with pytest.raises(ValueError, match="takes at least two"):
        bootstrap_crossed_means(np.zeros((1, 1, 9)), np.zeros(9))


def test_levels_are_the_normal_ones_for_many_degrees_of_freedom_and_wider_for_few():
    assert wider_levels(1e6) == pytest.approx((0.025, 0.975), abs=1e-5)
    low, high = wider_levels(9)
    assert low < 0.015 and low + high == pytest.approx(1)


def test_equal_numbers_give_an_interval_of_no_width():
    values = np.ones((1, 4, 20))
    assert crossed_interval(bootstrap_crossed_means(values, np.zeros(20))[:, 0], np.ones(4)) == (1, 1)
