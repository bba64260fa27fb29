"""Label choice: one blob a class, definitions by loops, the oracle, and how often luck is taken for a gain."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.statistics import balanced_mean
from sslviz.transfer import label_choice as module
from sslviz.transfer.label_choice import RANDOM, label_choice
from sslviz.transfer.selection import chosen, clusters, coverage, k_centre, stratified, typical, uniform


def blobs(n=240, d=8, classes=6, shift=20.0, seed=0, shares=None):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes if shares is None else np.repeat(np.arange(len(shares)), shares)
    x = rng.normal(size=(len(label), d)) + shift * np.eye(label.max() + 1, d)[label]
    return Features.from_array(x, table={"label": label})


def unit(x):
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


class TestChoices:
    @pytest.mark.parametrize("how", ["typical", "coverage", "k_centre"])
    def test_one_blob_a_class_is_covered_with_one_label_a_class(self, how):
        features = blobs(shares=[100, 60, 40, 30, 20, 12])
        for seed in range(5):
            taken = chosen(features.x, 6, how, classes=6, seed=seed)
            assert len(set(features.column("label")[taken])) == 6
        drawn = uniform(len(features), 6, 200, 0)
        covered = np.mean([len(set(features.column("label")[some])) for some in drawn])
        assert covered < 4.5

    def test_typical_ones_are_the_densest_of_their_cluster_the_largest_first(self):
        x = unit(blobs(shares=[80, 50, 30]).x)
        cluster, taken = clusters(x, 3, 0), typical(x, 3, 0)
        assert list(np.bincount(cluster)[cluster[taken]]) == [80, 50, 30]
        for row in taken:
            rows = np.flatnonzero(cluster == cluster[row])
            distances = np.sort(cdist(x[rows], x[rows]), axis=1)[:, 1:21].mean(axis=1)
            assert row == rows[distances.argmin()]

    def test_tiny_clusters_come_last(self):
        features = blobs(shares=[60, 40, 3])
        assert set(features.column("label")[typical(unit(features.x), 3, 0)][:2]) == {0, 1}

    def test_centres_are_a_loop_over_the_farthest(self):
        x = unit(np.random.default_rng(0).normal(size=(60, 4)))
        taken = list(k_centre(x, 8))
        for i in range(1, 8):
            away = cdist(x, x[taken[:i]]).min(axis=1)
            assert away[taken[i]] == pytest.approx(away.max(), rel=1e-5)

    def test_a_cover_takes_what_covers_most_and_every_image_is_a_candidate(self):
        x = unit(blobs(n=520, classes=4, shift=2.0).x)  # the last 20 of 520 too, which the authors' code leaves out
        taken = coverage(x, 12, 4, 0)
        cluster, distance = clusters(x, 4, 0), cdist(x, x)
        to_other = np.sort(np.where(cluster[:, None] == cluster, np.inf, distance).min(axis=1))
        radius = to_other[int(0.05 * len(x))]
        assert (to_other < radius).mean() <= 0.05
        near, open_ = (distance < radius - 1e-6) | np.eye(len(x), dtype=bool), np.ones(len(x), bool)
        for row in taken:
            gain = (near & open_).sum(axis=1)
            assert gain[row] >= gain.max() - 1  # distances in float32
            open_ &= ~near[row]
        lonely = np.zeros((520, 3), np.float32)
        lonely[:, 0], lonely[519] = 1, (0, 1, 0)
        assert 519 in coverage(lonely, 2, 2, 0)

    @pytest.mark.parametrize("how", ["typical", "coverage", "k_centre"])
    def test_no_image_is_chosen_twice_even_where_all_are_the_same(self, how):
        for x in (np.ones((30, 3)), np.random.default_rng(0).normal(size=(30, 3))):
            for budget in (2, 17, 30):
                assert len(set(chosen(x, budget, how, classes=3, seed=0))) == budget

    def test_draws_are_uniform_and_stratified_ones_have_the_classes_alike(self):
        times = np.bincount(uniform(20, 5, 4000, 0).ravel(), minlength=20)
        assert times.sum() == 20_000 and np.abs(times - 1000).max() < 5 * np.sqrt(1000)
        codes = np.repeat([0, 1, 2], [50, 30, 4])
        for some in stratified(codes, 9, 20, 0):
            assert list(np.bincount(codes[some])) == [3, 3, 3] and len(set(some)) == 9
        assert sorted(np.bincount(codes[stratified(codes, 20, 1, 0)[0]])) == [4, 8, 8]


class TestGain:
    def test_one_label_a_blob_reads_everything_and_random_draws_do_not(self):
        result = label_choice(blobs(), budget=6)
        gain = result.scores()["gain"]
        assert result.accuracy > 0.98 and gain.value > 0.1 and gain.low > 0 and gain.beats_control
        assert result.p == pytest.approx(1 / 21)
        assert result.scores()["classes covered"].value == 6 > result.scores()["classes covered"].controls[RANDOM]
        oracle = np.mean([balanced_mean(row, result.truth) for row in result.oracle_correct])
        assert oracle > result.random.mean() + 0.05

    def test_with_all_labels_there_is_nothing_to_choose(self):
        features = blobs(120, classes=3, shift=1.5)
        result = label_choice(features, budget=60, draws=3)
        probe = linear_probe(features)
        assert abs(result.accuracy - probe.accuracy) < 0.05 and abs(result.scores()["gain"].value) < 0.05
        half = stratified_half(features.column("label"))
        assert set(result.chosen_ids) == set(features.ids[half])

    def test_outliers_are_a_bad_choice_at_a_small_budget(self):
        rng = np.random.default_rng(0)
        features = blobs(400, classes=4, shift=3.0)
        x = features.x.copy()
        odd = rng.permutation(400)[:40]
        x[odd] = 5 * rng.normal(size=(40, 8))
        features = Features(x, features.ids, features.table)
        centre, dense = (label_choice(features, how=how).scores()["gain"].value for how in ("k_centre", "typical"))
        assert centre < 0 < dense

    @pytest.mark.slow  # six readouts of each of a hundred samples
    def test_a_draw_is_taken_for_a_gain_in_few_of_100_seeds(self, monkeypatch):
        """The choice is itself a draw: so its interval over nineteen others should lie above 0 in about 1 of 20, or fewer
        where draws tie."""
        monkeypatch.setattr(
            module, "chosen", lambda x, b, how, *, classes, seed: uniform(len(x), b, 1, seed + 10_000)[0]
        )
        monkeypatch.setattr(module, "stratified", lambda codes, b, draws, seed: uniform(len(codes), b, 1, seed))
        alarms = sum(
            label_choice(blobs(100, 3, 3, 1.5, s), budget=5, seed=s).scores()["gain"].low > 0 for s in range(100)
        )
        print(f"label choice, false alarms of 100: {alarms}")
        assert alarms <= 10

    def test_controls_choose_and_these_features_are_read(self):
        features, noise = blobs(), blobs(shift=0.0, seed=5)
        turned = Features(noise.x[::-1], noise.ids[::-1], noise.table[::-1])
        result = label_choice(features, budget=6, control_features={"pixels": turned})
        same = label_choice(features, budget=6, control_features={"pixels": features})
        np.testing.assert_array_equal(same.control_correct["pixels"], same.correct)
        assert result.scores()["gain"].controls["chosen by pixels"] < result.scores()["gain"].value

    def test_more_images_than_are_looked_at_are_said(self, monkeypatch):
        monkeypatch.setattr(module, "MOST_POOL", 50)
        assert sum(label_choice(blobs(), draws=1).left_out.values()) == 70

    def test_bad_input_is_one_sentence(self):
        for given, message in [
            ({"how": "margin"}, "'typical', 'coverage', 'k_centre'"),
            ({"draws": 0}, "at least one draw"),
            ({"budget": 1}, "Between 2 and all 30"),
            ({"budget": 31}, "Between 2 and all 30"),
            ({"label": "hue"}, "no column 'hue'"),
        ]:
            with pytest.raises(ValueError, match=message):
                label_choice(blobs(60), **given)
