"""Calibration: probabilities that are true, too sure, or wrong; definitions by loops; and how often luck is flagged."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from sslviz.features import Features
from sslviz.transfer.calibration import ITSELF, PRIOR, calibration
from sslviz.transfer.reliability import (
    bins_of,
    brier,
    calibration_error,
    null_errors,
    softmax,
    surprise,
    temperature_of,
)


def drawn(n=2000, classes=4, scale=1.5, seed=0):
    """Logits, and labels drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(n, classes))
    cumulative = softmax(logits).cumsum(axis=1)
    return logits, (rng.random(n)[:, None] > cumulative).sum(axis=1).clip(max=classes - 1)


def blobs(n=600, d=6, classes=3, shift=1.5, seed=0, shares=None, prefix=""):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes if shares is None else rng.choice(len(shares), n, p=shares)
    x = rng.normal(size=(n, d)) + shift * np.eye(label.max() + 1, d)[label]
    return Features.from_array(x, table={"label": label}, ids=[f"{prefix}{i}" for i in range(n)])


class TestDefinitions:
    def test_the_error_is_a_loop_over_bins_of_equally_many(self):
        rng = np.random.default_rng(0)
        confidence, correct = rng.random(343), rng.random(343) < 0.4
        bins = bins_of(confidence)
        assert list(np.bincount(bins)) == [49] * 7
        order, expected = np.argsort(confidence), 0.0
        for part in np.array_split(order, 7):
            expected += abs(correct[part].mean() - confidence[part].mean()) * len(part) / 343
        assert calibration_error(confidence, correct.astype(float)) == pytest.approx(expected)

    def test_brier_and_likelihood_are_scikit_learns(self):
        logits, truth = drawn(300, 2)
        p = softmax(logits)
        assert surprise(p, truth).mean() == pytest.approx(log_loss(truth, p))
        assert brier(p, truth).mean() == pytest.approx(2 * brier_score_loss(truth, p[:, 1]))

    @pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
    def test_the_temperature_undoes_what_logits_were_multiplied_by(self, factor):
        logits, truth = drawn(8000)
        found, draws = temperature_of(factor * logits, truth)
        assert found == pytest.approx(factor, rel=0.05) and np.quantile(draws, 0.005) <= factor <= np.quantile(
            draws, 0.995
        )

    def test_intervals_of_the_temperature_hold_the_true_one(self):
        held = 0
        for seed in range(100):
            logits, truth = drawn(300, seed=seed)
            low, high = np.quantile(temperature_of(logits, truth, seed=seed)[1], [0.025, 0.975])
            held += low <= 1 <= high
        print(f"calibration: intervals of 100 that hold the temperature: {held}")
        assert held >= 88

    @pytest.mark.parametrize("n", [100, 2000])
    def test_the_null_is_that_of_coins(self, n):
        """A bin of m coins lies sqrt(2 m v / pi) / m from its mean on average, v the mean of p (1 - p): never 0."""
        confidence = softmax(drawn(n)[0]).max(axis=1)
        bins = bins_of(confidence)
        variance = np.bincount(bins, confidence * (1 - confidence))
        expected = np.sqrt(2 * variance / np.pi).sum() / n
        assert null_errors(confidence).mean() == pytest.approx(expected, rel=0.06) and expected > 0.015


def test_true_probabilities_lie_inside_their_null_in_95_of_100():
    inside = 0
    for seed in range(200):
        logits, truth = drawn(400, seed=seed)
        p = softmax(logits)
        confidence = p.max(axis=1)
        error = calibration_error(confidence, (p.argmax(axis=1) == truth).astype(float))
        inside += error <= np.quantile(null_errors(confidence, seed=seed), 0.95)
    print(f"calibration: true probabilities inside their null, of 200: {inside}")
    low, high = binom.ppf([0.005, 0.995], 200, 0.95)
    assert low <= inside <= high


def test_a_head_with_enough_images_is_seldom_flagged():
    """Two Gaussians, whose log odds are linear: the head is right about itself but for what its fit lacks."""
    flagged = sum(calibration(blobs(1200, 2, 2, seed=s), seed=s).found for s in range(40))
    print(f"calibration: heads flagged, of 40: {flagged}")
    assert flagged <= 7


def test_who_is_sure_and_wrong_is_flagged():
    fit, scored = blobs(600, shift=4.0), blobs(600, shift=4.0, seed=1, prefix="t")
    rng = np.random.default_rng(0)
    label = scored.column("label").copy()
    wrong = rng.random(600) < 0.3
    label[wrong] = (label[wrong] + 1) % 3
    honest = calibration(scored, fit=fit)
    lying = calibration(Features(scored.x, scored.ids, scored.table.assign(label=label)), fit=fit)
    assert lying.found and lying.p < 0.01 and lying.ece == pytest.approx(0.3 * honest.confidence.mean(), abs=0.06)
    assert honest.ece < 0.05 and lying.scores()["ece"].value > 3 * lying.scores()["ece"].controls[ITSELF]


def test_a_head_fitted_to_noise_is_no_better_than_the_class_shares():
    result = calibration(blobs(800, 40, shift=0.0))
    for name in ("brier", "nll"):
        score = result.scores()[name]
        assert not score.beats_control and score.value == pytest.approx(score.controls[PRIOR], abs=0.06)
    there = calibration(blobs(800, 40, shift=3.0)).scores()
    assert there["brier"].beats_control and there["nll"].beats_control


def test_classes_are_not_weighted():
    """The mean probability of a class is its share; a head with balanced classes says more of the rare one."""
    features = blobs(3000, shares=[0.9, 0.1], shift=1.0)
    result = calibration(features)
    rare = np.where(result.predicted == 1, result.confidence, 1 - result.confidence).mean()
    balanced = LogisticRegression(class_weight="balanced").fit(features.x, features.column("label"))
    assert rare == pytest.approx(0.1, abs=0.015) and balanced.predict_proba(features.x)[:, 1].mean() > 0.2
    assert result.scores()["temperature"].value == pytest.approx(1, abs=0.35) and result.ece < 0.04


def test_controls_are_read_in_the_same_way_and_few_images_have_no_temperature():
    features, other = blobs(), blobs(shift=0.5, seed=3)
    turned = Features(other.x[::-1], other.ids[::-1], other.table[::-1])
    score = calibration(features, control_features={"pixels": turned}).scores()["nll"]
    assert score.controls["pixels"] == pytest.approx(calibration(other).scores()["nll"].value)
    few = calibration(blobs(18))
    assert few.params == {"C": 0.01, "held_out": 0} and few.temperature == 1 and few.scores()["temperature"].low is None


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="no column 'hue'"):
        calibration(blobs(40), "hue")
    with pytest.raises(ValueError, match="also fitted on"):
        calibration(blobs(40), fit=blobs(40))
