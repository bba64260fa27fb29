from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import linear_probe, linear_weights, readout_probabilities
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.statistics import balanced_mean

PROBES = [knn_probe, linear_probe]


def blobs(n=400, d=8, classes=4, shift=2.0, seed=0, prefix=""):
    """Gaussian classes, `shift` along an axis of their own."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label]
    ids = [f"{prefix}{i}" for i in range(n)]
    return Features.from_array(x, table={"label": np.array(list("abcdefghij"))[label]}, ids=ids)


def relabelled(features, label, **columns):
    return Features(features.x, features.ids, pd.DataFrame({"label": label, **columns}), features.source)


class TestAgainstScikitLearn:
    def test_neighbours_vote_as_its_classifier_does_with_these_weights(self):
        fit, test = blobs(300, shift=1.0), blobs(200, shift=1.0, seed=1)
        oracle = KNeighborsClassifier(20, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07))
        oracle.fit(fit.x.astype(float), fit.column("label"))
        probe = knn_probe(test, fit=fit)
        np.testing.assert_array_equal(probe.classes[probe.predicted], oracle.predict(test.x.astype(float)))

    def test_the_linear_readout_is_a_penalised_logistic_regression(self):
        fit, test = blobs(300, shift=1.0), blobs(400, shift=1.0, seed=1)
        probe = linear_probe(test, fit=fit)
        oracle = make_pipeline(StandardScaler(), LogisticRegression(C=probe.params["C"], tol=1e-8, max_iter=5000))
        oracle.fit(fit.x.astype(float), fit.column("label"))
        read = oracle.predict(test.x.astype(float))
        assert (probe.classes[probe.predicted] == read).mean() >= 0.98  # float32 leaves a few at the boundary undecided
        assert probe.accuracy == pytest.approx(balanced_accuracy_score(test.column("label"), read), abs=0.01)

    @pytest.mark.parametrize("classes", [2, 4])
    def test_its_weights_decide_as_it_does(self, classes):
        fit, test = blobs(300, classes=classes, shift=1.0), blobs(400, classes=classes, shift=1.0, seed=1)
        names, w, b = linear_weights(fit, "label")
        probe = linear_probe(test, fit=fit)
        assert w.shape == (classes, 8) and list(names) == list(probe.classes)
        read = (test.x @ w.T + b).argmax(1)
        assert (read == probe.predicted).mean() >= 0.99  # float32 leaves a few at the boundary undecided

    @pytest.mark.parametrize("classes", [2, 4])
    def test_its_probabilities_are_those_of_scikit_learn(self, classes):
        fit, test = blobs(300, classes=classes, shift=1.0), blobs(100, classes=classes, shift=1.0, seed=1)
        penalty = linear_probe(test, fit=fit).params["C"]
        oracle = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, tol=1e-8, max_iter=5000))
        expected = oracle.fit(fit.x.astype(float), fit.column("label")).predict_proba(test.x.astype(float))
        _, w, b = linear_weights(fit, "label")
        found = readout_probabilities(test.x, w, b)
        np.testing.assert_allclose(found, expected, atol=0.01)  # L-BFGS stops a little earlier here
        np.testing.assert_allclose(found.sum(1), 1)

    def test_accuracy_and_confusion_are_class_balanced(self):
        features = blobs(shift=1.0)
        features = features.rows(np.flatnonzero((features.column("label") != "a") | (np.arange(400) % 3 == 0)))
        probe = linear_probe(features)
        assert probe.accuracy == pytest.approx(balanced_accuracy_score(probe.truth, probe.predicted))
        np.testing.assert_array_equal(probe.confusion, confusion_matrix(probe.truth, probe.predicted))
        np.testing.assert_array_equal(probe.correct, probe.truth == probe.predicted)


class TestPlanted:
    @pytest.mark.parametrize("probe", PROBES)
    def test_far_classes_are_all_read_right_and_the_interval_admits_doubt(self, probe):
        score = probe(blobs(shift=30.0)).scores()["accuracy"]
        assert (score.value, score.high) == (1, 1)
        assert score.low == pytest.approx(1 - 3 / 50)  # rule of three in each of the four classes of 50

    @pytest.mark.parametrize("probe", PROBES)
    def test_a_constant_space_reads_at_chance_and_does_not_beat_it(self, probe):
        constant = Features.from_array(np.ones((200, 4)), table={"label": np.arange(200) % 4})
        score = probe(constant).scores()["accuracy"]
        assert score.beats_control is False and score.value == pytest.approx(0.25, abs=0.1)

    def test_two_gaussians_are_read_as_well_as_bayes_allows(self):
        shift = 2.0
        probe = linear_probe(blobs(8000, 4, 2, shift, seed=1), fit=blobs(8000, 4, 2, shift))
        assert probe.accuracy == pytest.approx(
            norm.cdf(shift / np.sqrt(2)), abs=0.01
        )  # the means are shift sqrt(2) apart

    def test_the_interval_holds_the_bayes_accuracy_in_90_to_99_percent_of_samples(self):
        shift, samples = 1.0, 200
        bayes = norm.cdf(shift / np.sqrt(2))
        fit = blobs(4000, 2, 2, shift, prefix="fit")
        drawn = [blobs(400, 2, 2, shift, seed + 1, prefix=f"sample {seed}, ") for seed in range(samples)]
        x, ids = (np.concatenate([getattr(one, part) for one in drawn]) for part in ("x", "ids"))
        table = {"label": np.concatenate([one.column("label") for one in drawn])}
        read = linear_probe(Features.from_array(x, ids=ids, table=table), fit=fit)  # one readout reads all samples
        scores = [
            replace(read, truth=read.truth[rows], predicted=read.predicted[rows], ids=read.ids[rows]).scores()
            for rows in np.split(np.arange(len(ids)), samples)
        ]
        held = np.mean([score["accuracy"].low <= bayes <= score["accuracy"].high for score in scores])
        assert 0.90 <= held <= 0.99

    @pytest.mark.parametrize("probe", PROBES)
    @pytest.mark.parametrize("null", ["noise features", "shuffled labels"])
    def test_on_null_data_it_beats_chance_in_at_most_5_of_100_seeds(self, probe, null):
        alarms = 0
        for seed in range(100):
            features = blobs(240, seed=seed, shift=0.0 if null == "noise features" else 2.0)
            if null == "shuffled labels":
                features = relabelled(features, np.random.default_rng(seed).permutation(features.column("label")))
            alarms += bool(probe(features, seed=seed).scores()["accuracy"].beats_control)
        assert alarms <= 5

    @pytest.mark.parametrize(("classes", "images"), [(50, 2), (20, 20), (2, 20)])
    def test_few_images_of_a_class_claim_nothing_or_alarm_in_at_most_5_of_100_seeds(self, classes, images):
        scores = []
        for seed in range(100):
            x = np.random.default_rng(seed).normal(size=(classes * images, 8))
            features = Features.from_array(x, table={"label": np.arange(len(x)) % classes})
            scores.append(knn_probe(features, k=5, seed=seed).scores()["accuracy"])
        assert sum(bool(score.beats_control) for score in scores) <= 5
        assert {score.low is None for score in scores} == {images < 20}  # half of them are scored

    def test_one_small_class_takes_the_interval(self):
        features = blobs(shift=30.0)
        few = (features.column("label") != "a") | (np.cumsum(features.column("label") == "a") <= 18)  # 9 of them scored
        score = linear_probe(features.rows(few)).scores()["accuracy"]
        assert score.value == 1 and score.low is None and score.high is None and score.beats_control is None

    def test_rare_classes_are_not_given_up_for_the_common_one(self):
        features = blobs(2000, classes=2, shift=1.5)
        keep = (features.column("label") == "a") | (np.arange(2000) % 20 == 1)  # one b to ten a
        assert linear_probe(features.rows(keep)).accuracy > 0.75


def test_per_image_and_groups_give_the_score_again():
    probe = knn_probe(blobs(shift=1.0))
    assert balanced_mean(probe.per_image()["accuracy"], probe.groups()) == probe.scores()["accuracy"].value
    assert probe.scores() is probe.scores()  # resampled once


class TestControls:
    def test_are_read_in_the_same_way_for_the_same_images(self):
        features = blobs()
        noise = Features.from_array(np.random.default_rng(1).normal(size=(400, 3)), ids=features.ids)
        order = np.random.default_rng(2).permutation(400)  # in any order of their own
        for probe in PROBES:
            result = probe(features, control_features={"pixels": noise, "untrained": (features.rows(order), None)})
            np.testing.assert_array_equal(result.control_correct["untrained"], result.correct)
            score = result.scores()["accuracy"]
            assert set(score.controls) == {"chance", "pixels", "untrained"}
            assert score.controls["chance"] == result.chance == 0.25
            assert score.controls["untrained"] == score.value == score.control
            assert score.controls["pixels"] == pytest.approx(0.25, abs=0.12)

    def test_may_have_their_own_images_to_fit_on(self):
        fit, test = blobs(prefix="fit"), blobs(seed=1, prefix="test")
        for probe in PROBES:
            result = probe(test, fit=fit, control_features={"again": (test, fit)})
            np.testing.assert_array_equal(result.control_correct["again"], result.correct)

    def test_must_be_of_the_same_images(self):
        with pytest.raises(ValueError, match="not among these features"):
            knn_probe(blobs(), control_features={"pixels": blobs(prefix="other")})

    def test_a_graph_that_is_there_is_used(self):
        fit, test = blobs(prefix="fit"), blobs(seed=1)
        graph = neighbors(test, 30, among=fit)
        np.testing.assert_array_equal(
            knn_probe(test, fit=fit, graph=graph).predicted, knn_probe(test, fit=fit).predicted
        )
        with pytest.raises(ValueError, match="of other images"):
            knn_probe(test, fit=fit, graph=neighbors(test, 30))


class TestHalves:
    def test_each_class_is_split_in_two(self):
        labels = np.repeat(["a", "b", "c"], [10, 7, 2])
        half = stratified_half(labels)
        assert [int(half[labels == c].sum()) for c in "abc"] == [5, 4, 1]
        assert (half == stratified_half(labels)).all() and (half != stratified_half(labels, seed=1)).any()

    @pytest.mark.parametrize("probe", PROBES)
    def test_the_seed_decides_and_no_image_is_on_both_sides(self, probe):
        features = blobs()
        one, again, other = probe(features), probe(features), probe(features, seed=1)
        assert len(one.ids) == one.n_fit == 200
        assert set(one.ids) == set(features.ids[~stratified_half(features.column("label"))])
        np.testing.assert_array_equal(one.predicted, again.predicted)
        assert (one.ids != other.ids).any()


def test_classes_that_are_numbers_are_in_their_order():
    features = blobs(480, 12, 4)
    features = relabelled(features, np.arange(480) % 12)
    assert knn_probe(features).classes.tolist() == [str(i) for i in range(12)]


@pytest.mark.parametrize("probe", PROBES)
class TestBadInput:
    def test_a_missing_column_is_answered_with_those_there_are(self, probe):
        with pytest.raises(ValueError, match="no column 'color'; its columns are: label"):
            probe(blobs(), "color")

    def test_a_single_class(self, probe):
        with pytest.raises(ValueError, match="tells classes apart"):
            probe(relabelled(blobs(), ["a"] * 400))
        with pytest.raises(ValueError, match="all images scored have the 'label' 'a'"):
            probe(blobs(seed=1).rows(np.arange(0, 400, 4)), fit=blobs())

    def test_a_class_of_one_image(self, probe):
        with pytest.raises(ValueError, match="'z' of 'label' has a single image"):
            probe(relabelled(blobs(), ["z"] + ["a", "b", "c"] * 133))

    def test_a_class_the_fit_never_saw(self, probe):
        with pytest.raises(ValueError, match="'d'.*fit on images of every class"):
            probe(blobs(seed=1), fit=blobs(classes=3))

    @pytest.mark.parametrize("hole", [None, np.nan])
    def test_labels_that_are_missing(self, probe, hole):
        labels = np.array(["a", "b"] * 200, dtype=object)
        labels[:3] = hole
        with pytest.raises(ValueError, match="no value for 3 of 400 images"):
            probe(relabelled(blobs(), labels))

    def test_images_that_are_fitted_on_and_scored(self, probe):
        with pytest.raises(ValueError, match="400 of the 400 images to score are also fitted on"):
            probe(blobs(), fit=blobs())


def test_fewer_images_than_neighbours():
    with pytest.raises(ValueError, match="20 neighbours.*between 1 and 12"):
        knn_probe(blobs(20))
