"""Where two curves of accuracy meet: planted ratios, and isotonic regression beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from sslviz.transfer.labels_to_match import Curve, labels_to_match, reached, rising

SHOTS = np.array([1, 2, 5, 10, 50])


def curve(accuracy, draws=10, noise=0.0, seed=0):
    values = np.asarray(accuracy)[:, None] + noise * np.random.default_rng(seed).normal(size=(len(SHOTS), draws))
    return Curve(SHOTS, values)


@pytest.mark.parametrize("ratio", [1, 2, 5])
def test_a_curve_further_along_by_a_factor_needs_so_much_less(ratio):
    """Accuracy rises with the logarithm of labels, in one as in `ratio` times as many of the other."""
    this, other = curve(0.4 + 0.1 * np.log(SHOTS * ratio)), curve(0.4 + 0.1 * np.log(SHOTS))
    found = labels_to_match(this, other, 10, seed=0)
    assert found.needed == pytest.approx(10 / ratio) and found.ratio.value == pytest.approx(ratio)
    assert found.ratio.low == pytest.approx(ratio) and found.ratio.high == pytest.approx(ratio)


def test_the_interval_grows_with_the_spread_of_draws_and_holds_the_planted_ratio():
    widths = []
    for noise in (0.01, 0.05):
        pair = [curve(0.4 + 0.1 * np.log(SHOTS * r), noise=noise, seed=r) for r in (2, 1)]
        ratio = labels_to_match(*pair, 10, seed=0).ratio
        assert ratio.low <= 2 <= ratio.high
        widths.append(ratio.high - ratio.low)
    assert widths[1] > 2 * widths[0]


def test_of_paired_curves_what_both_share_drops_out():
    """The same luck of draws in both: apart it would spread the ratio, together it does not."""
    luck = 0.05 * np.random.default_rng(0).normal(size=10)
    correct = np.clip(0.3 + 0.1 * np.log(SHOTS)[:, None] + luck, 0, 1)[..., None].repeat(8, axis=2)
    groups = np.arange(8) % 2
    paired, apart = (
        labels_to_match(*(Curve(SHOTS, correct.mean(axis=2), correct, groups, p) for p in pairing), 10, seed=0).ratio
        for pairing in (("same", "same"), ("", ""))
    )
    assert (paired.low, paired.high) == pytest.approx((1, 1)) and apart.high > 1.3


def test_curves_are_made_to_rise_as_scikit_learn_does():
    curves = np.random.default_rng(0).normal(size=(200, 5)) + np.linspace(0, 1, 5)
    oracle = [IsotonicRegression().fit_transform(np.arange(5), one) for one in curves]
    np.testing.assert_allclose(rising(curves), oracle, atol=1e-12)


def test_the_least_number_is_that_of_a_straight_line_in_the_logarithm():
    curves = np.array([[0.2, 0.4, 0.4, 0.5, 0.9]])
    for target, expected in [
        (0.1, 1),
        (0.2, 1),
        (0.3, np.sqrt(2)),
        (0.4, 2),
        (0.5, 10),
        (0.7, np.sqrt(500)),
        (0.95, np.inf),
    ]:
        assert reached(curves, SHOTS, np.array([target]))[0] == pytest.approx(expected)


def test_a_single_draw_has_no_interval():
    found = labels_to_match(curve(0.1 * np.log(SHOTS), draws=1), curve(0.1 * np.log(SHOTS), draws=1), 5, seed=0)
    assert found.needed_low is None and found.ratio.low is None and found.needed_text == "5"


def test_an_end_beyond_what_was_tried_is_said():
    """Where some resamples never reach it, the interval of the number needed has no upper end."""
    this, other = curve(0.4 + 0.05 * np.log(SHOTS), noise=0.1), curve(0.6 + 0.0 * SHOTS, noise=0.1, seed=1)
    found = labels_to_match(this, other, 10, seed=0)
    assert "> 50]" in found.needed_text and found.ratio.low == 0
