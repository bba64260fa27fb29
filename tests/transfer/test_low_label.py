"""What an encoder is worth with few labels: accuracies that a formula gives, and intervals that hold them."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import sslviz
from sslviz.diagnostics.result import Partial, Replicated, Stratified
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.statistics import bootstrap_balanced_mean, percentile_interval
from sslviz.transfer.label_draws import label_draws
from sslviz.transfer.low_label import SHOTS, low_label
from sslviz.transfer.low_label_result import LowLabel

REPETITIONS = 120


def gaussians(n, d, distance, seed, prefix=""):
    """Two classes N(-m, I) and N(m, I), `distance` apart, equally far along each dimension: standardising keeps them so."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x = rng.normal(size=(n, d)) + (label - 0.5)[:, None] * distance / np.sqrt(d)
    return Features.from_array(x, table={"label": label}, ids=[f"{prefix}{i}" for i in range(n)])


def blobs(n=400, d=16, classes=4, shift=1.5, seed=0, prefix=""):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label]
    ids = [f"{prefix}{i}" for i in range(n)]
    return Features.from_array(x, table={"label": np.array(list("abcdefghij"))[label]}, ids=ids)


def nearest_centroid(distance, d, k):
    """The accuracy of nearest centroids of k images a class (transfer reference, section 1)."""
    return norm.cdf(distance**2 / 2 / np.sqrt(distance**2 * (1 + 1 / k) + 2 * d / k + d / k**2))


def expected_accuracy(distance, d, k, draws=20_000):
    """The same without an approximation: each draw's centroids cut a Gaussian by a plane, whose error is known exactly."""
    rng = np.random.default_rng(0)
    mean = np.full(d, distance / np.sqrt(d) / 2)
    first, second = -mean + rng.normal(size=(draws, d)) / np.sqrt(k), mean + rng.normal(size=(draws, d)) / np.sqrt(k)
    normal = second - first
    offset = (normal * (first + second)).sum(axis=1) / 2
    length = np.linalg.norm(normal, axis=1)
    return float((norm.cdf((normal @ mean - offset) / length) + norm.cdf((normal @ mean + offset) / length)).mean() / 2)


class TestClosedForm:
    def test_centroids_read_as_well_as_the_formula_says(self):
        """40 draws and 4,000 images: the standard error is .005 to .008, three of which are allowed."""
        fit, scored = gaussians(2000, 64, 4.0, 0, "fit"), gaussians(4000, 64, 4.0, 1)
        result = low_label(scored, fit=fit, shots=(1, 5, 20), draws=40, readout="centroid")
        for k, accuracy in zip(result.shots, result.accuracy.mean(axis=1), strict=True):
            assert accuracy == pytest.approx(nearest_centroid(4.0, 64, k), abs=0.024 if k == 1 else 0.015)
        assert result.scores()["all labels"].value == pytest.approx(norm.cdf(2.0), abs=0.015)  # Bayes

    @pytest.mark.parametrize("k", [1, 5])
    def test_the_formula_is_that_of_planes(self, k):
        assert nearest_centroid(4.0, 64, k) == pytest.approx(expected_accuracy(4.0, 64, k), abs=0.005)

    def test_intervals_hold_the_accuracy_of_other_draws_and_images_where_images_alone_do_not(self):
        held, images_alone = np.zeros(2), np.zeros(2)
        truth = [expected_accuracy(2.0, 16, k) for k in (1, 5)]
        for seed in range(REPETITIONS):
            fit, scored = gaussians(120, 16, 2.0, 2 * seed, "fit"), gaussians(600, 16, 2.0, 2 * seed + 1)
            result = low_label(scored, fit=fit, shots=(1, 5), readout="centroid", seed=seed)
            for i, name in enumerate(("1 label a class", "5 labels a class")):
                score = result.scores()[name]
                held[i] += score.low <= truth[i] <= score.high
                one = result.correct[i].mean(axis=0)
                low, high = percentile_interval(bootstrap_balanced_mean(one, result.truth, draws=300))
                images_alone[i] += low <= truth[i] <= high
        assert ((held / REPETITIONS >= 0.88) & (held / REPETITIONS <= 0.99)).all()
        assert images_alone[0] / REPETITIONS < 0.75


class TestReadout:
    def test_it_is_scikit_learns_at_the_penalty_that_was_chosen(self):
        fit, scored = blobs(400, 40, seed=1, prefix="fit"), blobs(seed=2, d=40)
        result = low_label(scored, fit=fit, shots=(2, 10), draws=3)
        center, scale = fit.x.mean(axis=0), fit.x.std(axis=0)
        x, new = (fit.x - center) / scale, (scored.x - center) / scale
        labels, right = fit.column("label"), scored.column("label")
        drawn = label_draws(np.unique(labels, return_inverse=True)[1], (2, 10), 3, 0)
        for i, k in enumerate((2, 10)):
            for rows, correct in zip(drawn[k], result.correct[i], strict=True):
                model = LogisticRegression(C=result.penalties["features"][str(k)], tol=1e-8, max_iter=5000)
                read = model.fit(x[rows], labels[rows]).predict(new)
                assert ((read == right) == correct).mean() > 0.99  # a few lie on the boundary
        model = LogisticRegression(C=result.penalties["features"]["all"], class_weight="balanced", max_iter=5000)
        read = model.fit(x, labels).predict(new)
        assert result.scores()["all labels"].value == pytest.approx(balanced_accuracy_score(right, read), abs=0.01)

    def test_the_penalty_is_about_the_best_there_is(self):
        """No other of the ten reads the scored images better by more than a choice by 500 images can tell."""
        fit, scored = blobs(1000, 60, seed=1, prefix="fit"), blobs(2000, 60, seed=2)
        result = low_label(scored, fit=fit, shots=(10,))
        x, new = fit.x / fit.x.std(axis=0), scored.x / fit.x.std(axis=0)
        labels = fit.column("label")
        drawn = label_draws(np.unique(labels, return_inverse=True)[1], (10,), 10, 0)[10]
        best = max(
            np.mean(
                [
                    (LogisticRegression(C=c).fit(x[r], labels[r]).predict(new) == scored.column("label")).mean()
                    for r in drawn
                ]
            )
            for c in np.logspace(-4, 1, 6)
        )
        assert result.accuracy.mean() > best - 0.03

    def test_more_labels_read_more(self):
        curve = low_label(blobs(1000), shots=(1, 2, 5, 10, 50)).accuracy.mean(axis=1)
        assert (np.diff(curve) > 0).all()

    def test_a_constant_space_reads_at_chance_and_does_not_beat_it(self):
        constant = Features.from_array(np.ones((200, 4)), table={"label": np.arange(200) % 4})
        for readout in ("logistic", "centroid"):
            for score in low_label(constant, shots=(1, 5), readout=readout).scores().values():
                assert score.value == pytest.approx(0.25) and score.beats_control is False

    def test_labels_that_mean_nothing_are_read_at_chance_in_95_of_100(self):
        """False alarms: the interval lies above chance in 1 to 10 % of 100 spaces; one-sided, about 2.5 % are due."""
        alarms = 0
        for seed in range(100):
            noise = Features.from_array(
                np.random.default_rng(seed).normal(size=(240, 8)), table={"label": np.arange(240) % 3}
            )
            alarms += (
                low_label(noise, shots=(2, 5), readout="centroid", seed=seed).scores()["5 labels a class"].beats_control
            )
        assert 1 <= alarms <= 10


class TestControls:
    def test_controls_are_read_after_the_same_draws(self):
        features = blobs()
        other = Features(np.random.default_rng(0).normal(size=(400, 9)), features.ids, features.table)
        same = Features(features.x[::-1], features.ids[::-1], features.table[::-1])  # in another order of its rows
        result = low_label(
            features, shots=(1, 5), control_features={"noise": other, "same": same}, scratch={5: [0.4, 0.5]}
        )
        score = result.scores()["5 labels a class"]
        assert score.controls["same"] == score.value and score.controls["chance"] == 0.25
        assert score.controls["noise"] == pytest.approx(0.25, abs=0.1) and score.controls["from scratch"] == 0.45
        np.testing.assert_array_equal(result.control_correct["same"], result.correct)
        assert "from scratch" not in result.scores()["1 label a class"].controls

    def test_the_first_score_is_of_ten_labels_or_the_most_below(self):
        for shots, first in [((1, 10, 20), "10 labels"), ((1, 5, 20), "5 labels"), ((20, 40), "20 labels")]:
            scores = low_label(blobs(), shots=shots).scores()
            assert [*scores][0] == f"{first} a class" and [*scores][-1] == "all labels"

    def test_it_is_stored_and_read_back_whole(self, tmp_path):
        features = blobs()
        result = low_label(features, shots=(1, 5, 80), control_features={"same": features}, scratch={5: [0.4]})
        save_result(tmp_path / "r.npz", result)
        back = load_result(tmp_path / "r.npz", LowLabel)
        assert back.scores() == result.scores() and back.penalties == result.penalties
        assert back.left_out == result.left_out == {"at 80 labels a class, as a has 50 to draw from": 200}
        assert back.labels_to_match("from scratch", 5) == result.labels_to_match("from scratch", 5)

    def test_the_input_and_the_answer_stay_as_they_are(self):
        features = blobs()
        before = features.digest
        a, b = (low_label(features, shots=(2,)) for _ in range(2))
        assert features.digest == before and a.scores() == b.scores()
        assert a.scores() != low_label(features, shots=(2,), seed=1).scores()

    def test_how_much_draws_share_is_said(self):
        result = low_label(blobs(), shots=(1, 5, 10, 50))
        assert result.shared[:2].tolist() == [0, 0] and 0 < result.shared[2] < 0.2 and result.shared[3] == 1
        assert isinstance(result, Partial) and isinstance(result, Stratified) and isinstance(result, Replicated)


class TestComparison:
    def test_equal_spaces_differ_in_5_of_100(self):
        """Two encoders of the same worth on the same images, beside each other after the same draws."""
        alarms = 0
        for seed in range(100):
            a, b = (blobs(200, 8, seed=1000 * s + seed) for s in (1, 2))
            first, second = (low_label(x, shots=(2, 5), readout="centroid", seed=seed) for x in (a, b))
            alarms += sslviz.compare(first, second).winner["5 labels a class"] != 0
        assert 1 <= alarms <= 10

    def test_a_better_space_wins_with_few_labels_and_with_all(self):
        better, worse = (low_label(blobs(shift=shift), shots=(2, 5)) for shift in (3.0, 1.0))
        winner = sslviz.compare(worse, better).winner
        assert winner == {"5 labels a class": 1, "2 labels a class": 1, "all labels": 1}

    def test_other_draws_give_no_interval(self):
        a, b = (low_label(blobs(), fit=blobs(prefix="fit", seed=1), shots=(2,), seed=seed) for seed in (0, 1))
        assert sslviz.compare(a, b).low["2 labels a class"] is None


class TestLabelsToMatch:
    def test_of_the_same_space_twice_the_ratio_holds_1_in_93_of_100(self):
        """Other images, other labels, the same worth."""
        held = 0
        for seed in range(100):
            fits = [blobs(400, 16, seed=1000 * s + seed, prefix=f"fit{s}") for s in (1, 2)]
            scored = blobs(200, 16, seed=3000 + seed)
            a, b = (
                low_label(scored, fit=f, shots=(1, 2, 5, 10, 20), readout="centroid", seed=s)
                for s, f in enumerate(fits)
            )
            ratio = a.labels_to_match(b, 5).ratio
            held += ratio.low <= 1 <= ratio.high
        assert held >= 93

    def test_never_reached_and_reached_at_once_are_said(self):
        good, bad = (low_label(blobs(shift=shift), shots=(1, 2, 5, 10)) for shift in (6.0, 0.3))
        never, at_once = bad.labels_to_match(good), good.labels_to_match(bad)
        assert never.needed_text == "> 10" and never.ratio.reason and not np.isfinite(never.needed)
        assert at_once.needed_text.startswith("1 or fewer") and at_once.ratio.reason
        assert at_once.sentence("x", "pixels").startswith("10 labels a class with pixels are worth 1 or fewer")

    def test_what_cannot_be_matched_is_one_sentence(self):
        result = low_label(blobs(), shots=(1, 5), control_features={"same": blobs()})
        with pytest.raises(ValueError, match="no control 'pixels' to match; there are: same"):
            result.labels_to_match("pixels")
        with pytest.raises(ValueError, match="known at 1, 5 labels a class; got 3"):
            result.labels_to_match("same", 3)
        with pytest.raises(ValueError, match="one column of the same images"):
            result.labels_to_match(low_label(blobs(300), shots=(1, 5)))


class TestBadInput:
    def test_a_class_with_fewer_images_than_the_fewest_labels_is_named(self):
        features = blobs(80)
        with pytest.raises(ValueError, match="'a' of 'label' has 10 images to label, fewer than the 12 labels"):
            low_label(features, shots=(12, 50))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"shots": (0, 5)}, "each at least 1"),
            ({"shots": ()}, "each at least 1"),
            ({"draws": 0}, "At least one draw"),
            ({"readout": "forest"}, "'logistic' or 'centroid'; got 'forest'"),
            ({"scratch": {5: [1.2]}}, "accuracy of each draw, 0 to 1}; got 5"),
            ({"scratch": {"all": [0.2]}}, "accuracy of each draw, 0 to 1}; got all"),
            ({"label": "hue"}, "no column 'hue'"),
            ({"fit": blobs(classes=3, prefix="fit")}, "show no such 'label'"),
            ({"fit": blobs()}, "also fitted on"),
        ],
    )
    def test_other_bad_input_is_one_sentence(self, given, message):
        with pytest.raises(ValueError, match=message) as caught:
            low_label(blobs(), **given)
        assert str(caught.value).count(". ") == 0

    def test_one_class_is_one_sentence(self):
        one = Features.from_array(np.eye(6), table={"label": ["a"] * 6})
        with pytest.raises(ValueError, match="have the 'label' 'a'"):
            low_label(one)

    def test_a_single_draw_and_few_images_have_no_interval(self):
        for result in (low_label(blobs(), shots=(5,), draws=1), low_label(blobs(60), shots=(5,))):
            assert result.scores()["5 labels a class"].low is None
        assert 50 in SHOTS
