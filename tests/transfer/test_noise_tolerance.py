"""Noise tolerance: the closed form of a vote among wrong labels, exact rates, `linear_probe` at rate 0, and the area."""

from math import comb, factorial

import numpy as np
import pytest

from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.features import Features
from sslviz.statistics import balanced_mean
from sslviz.transfer.label_noise import clean_accuracy, noisy_accuracy, noisy_labels
from sslviz.transfer.noise_tolerance import KNOWN, noise_tolerance, vote


def blobs(n=400, d=8, classes=4, shift=3.0, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    return Features.from_array(
        spread * rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label], table={"label": label}
    )


def plurality(k, classes, rate):
    """The probability that the true class wins a vote of k, others each with rate / (classes - 1), ties by lot."""
    wrong, total = rate / (classes - 1), 0.0
    for m in range(1, k + 1):
        for tied in range(classes):
            left = k - m - tied * m  # votes of those that have fewer than m
            if left < 0:
                break
            others = np.zeros(left + 1)  # ways of `left` votes on the others, each below m, divided by left!
            others[0] = 1
            below = np.array([1 / factorial(i) for i in range(min(m, left + 1))])
            for _ in range(classes - 1 - tied):
                others = np.convolve(others, below)[: left + 1]
            ways = comb(classes - 1, tied) * factorial(k) / factorial(m) ** (tied + 1) * others[left]
            total += ways * (1 - rate) ** m * wrong ** (k - m) / (tied + 1)
    return total


class TestClosedForms:
    @pytest.mark.parametrize(
        ("k", "classes", "rate", "printed"),
        [(1, 4, 0.4, 0.60), (20, 4, 0.4, 0.991), (20, 10, 0.6, 0.959), (20, 10, 0.8, 0.482)],
    )
    def test_a_vote_of_neighbours_is_a_multinomial_plurality(self, k, classes, rate, printed):
        rng = np.random.default_rng(0)
        n = 40_000
        labels = np.where(rng.random((n, k)) < rate, rng.integers(1, classes, (n, k)), 0)
        share = (vote(labels) == 0).mean()
        exact = plurality(k, classes, rate)
        assert exact == pytest.approx(printed, abs=0.003)  # the last was found by drawing
        assert share == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / n))

    def test_neighbours_in_pure_clusters_vote_so(self):
        """Neighbours of a cluster's images are some 20 of its 250, whose labels are wrong at random."""
        features = blobs(2000, shift=30.0)
        fitted, scored = features.rows(np.arange(1000)), features.rows(np.arange(1000, 2000))
        near, truth = neighbors(scored, 20, among=fitted).indices, scored.column("label")
        found = [
            (vote(noisy_labels(fitted.column("label"), 4, 0.6, "symmetric", seed)[near]) == truth).mean()
            for seed in range(40)
        ]
        assert np.mean(found) == pytest.approx(plurality(20, 4, 0.6), abs=4 * np.std(found) / np.sqrt(40))

    def test_the_clean_part_alone_is_read_without_a_fault(self):
        result = noise_tolerance(blobs(shift=30.0), rates=(0.6,))
        assert all((result.accuracy(correct) == 1).all() for correct in result.known_correct.values())
        assert result.accuracy(result.correct["neighbours"])[1] < 0.9

    @pytest.mark.parametrize("classes", [2, 4, 10])
    def test_accuracy_on_wrong_labels_is_undone(self, classes):
        assert noisy_accuracy(0.9, 0.3, 4) == pytest.approx(0.64)
        rng = np.random.default_rng(0)
        truth = rng.integers(0, classes, 200_000)
        read = np.where(rng.random(len(truth)) < 0.8, truth, (truth + rng.integers(1, classes, len(truth))) % classes)
        measured = (read == noisy_labels(truth, classes, 0.3, "symmetric", 1)).mean()
        assert measured == pytest.approx(noisy_accuracy(0.8, 0.3, classes), abs=0.005)
        assert clean_accuracy(measured, 0.3, classes) == pytest.approx(0.8, abs=0.012)
        with pytest.raises(ValueError, match="say nothing of the true ones"):
            clean_accuracy(0.5, 1 - 1 / classes, classes)


class TestWrongLabels:
    @pytest.mark.parametrize("kind", ["symmetric", "pair"])
    def test_the_realised_rate_is_exact_in_every_class(self, kind):
        codes = np.repeat(np.arange(5), 100)
        for rate in (0, 0.2, 0.35, 0.6):
            wrong = noisy_labels(codes, 5, rate, kind, 0) != codes
            np.testing.assert_array_equal(np.bincount(codes, wrong), np.full(5, round(100 * rate)))

    def test_symmetric_ones_fall_on_all_other_classes_and_pairs_on_the_next(self):
        codes = np.repeat(np.arange(4), 3000)
        counts = np.zeros((4, 4))
        np.add.at(counts, (codes, noisy_labels(codes, 4, 0.6, "symmetric", 0)), 1 / 3000)
        np.testing.assert_allclose(counts, 0.2 + 0.2 * np.eye(4), atol=0.03)
        pairs = noisy_labels(codes, 4, 0.4, "pair", 0)
        assert set((pairs - codes) % 4) == {0, 1}

    def test_those_of_a_lower_rate_stay_wrong(self):
        codes = np.arange(900) % 3
        few, many = (noisy_labels(codes, 3, rate, "symmetric", 0) for rate in (0.2, 0.5))
        wrong = few != codes
        assert wrong.sum() == 180 and (many[wrong] == few[wrong]).all() and ((many != codes).sum()) == 450


class TestTolerance:
    def test_without_wrong_labels_it_is_the_linear_probe(self):
        features, other = blobs(shift=1.5), blobs(shift=0.7, seed=2)
        turned = Features(other.x[::-1], other.ids[::-1], other.table[::-1])
        result = noise_tolerance(features, control_features={"pixels": turned})
        probe = linear_probe(features, control_features={"pixels": turned})
        np.testing.assert_array_equal(result.correct["linear"][0], probe.correct)
        np.testing.assert_array_equal(result.control_correct["pixels"]["linear"][0], probe.control_correct["pixels"])
        np.testing.assert_array_equal(result.correct["linear"][0], result.known_correct["linear"][0])

    def test_the_area_is_the_trapezoids_of_accuracies(self):
        result = noise_tolerance(blobs(shift=1.5))
        for name in ("linear", "neighbours"):
            accuracy = result.accuracy(result.correct[name])
            area = sum((accuracy[i] + accuracy[i + 1]) / 2 * 0.2 for i in range(3)) / 0.6
            score, lost = result.scores()[name], result.scores()[f"{name} lost"]
            assert score.value == pytest.approx(area) and lost.value == pytest.approx(accuracy[0] - area)
            assert score.value == pytest.approx(balanced_mean(result.per_image()[name], result.groups()))
            assert score.low < score.value < score.high and score.beats_control
        known = result.accuracy(result.known_correct["linear"])
        assert result.scores()["linear lost"].controls[KNOWN] == pytest.approx(
            known[0] - np.trapezoid(known, result.rates) / 0.6
        )

    def test_more_dimensions_bear_fewer_wrong_labels(self):
        """A linear readout learns noise by heart where there are as many dimensions as images."""
        low, high = (noise_tolerance(blobs(400, d, shift=4.0)).scores()["linear lost"].value for d in (4, 400))
        assert low < 0.03 < high

    def test_pairs_cost_more_than_others_near_a_half(self):
        symmetric, pair = (
            noise_tolerance(blobs(800), rates=(0.45,), kind=kind).scores()["neighbours lost"].value
            for kind in ("symmetric", "pair")
        )
        assert pair > 2 * symmetric

    @pytest.mark.slow  # a thousand logistic regressions
    def test_noise_beats_chance_in_few_of_100_seeds(self):
        alarms = {"linear": 0, "neighbours": 0}
        for seed in range(100):
            scores = noise_tolerance(blobs(120, 4, shift=0.0, seed=seed), rates=(0, 0.4), seed=seed).scores()
            for name in alarms:
                alarms[name] += bool(scores[name].beats_control)
        print(f"noise tolerance, false alarms of 100: {alarms}")
        assert all(n <= 7 for n in alarms.values())

    def test_rates_at_which_labels_point_elsewhere_are_left_out_and_said(self):
        two = noise_tolerance(blobs(classes=2))
        assert list(two.rates) == [0, 0.2, 0.4] and two.rates_left_out == [0.6]
        pair = noise_tolerance(blobs(), kind="pair", rates=(0.1, 0.5, 0.6))
        assert list(pair.rates) == [0, 0.1] and pair.rates_left_out == [0.5, 0.6]

    def test_bad_input_is_one_sentence(self):
        for given, message in [
            ({"kind": "human"}, "'symmetric' or 'pair'"),
            ({"rates": (0, 1.2)}, "from 0 to below 1"),
            ({"rates": (0,)}, "name a rate between 0"),
            ({"rates": (0.8,)}, "name a rate between 0"),
            ({"label": "hue"}, "no column 'hue'"),
        ]:
            with pytest.raises(ValueError, match=message):
                noise_tolerance(blobs(80), **given)
        with pytest.raises(ValueError, match="too few images"):
            noise_tolerance(blobs(8))
