"""What small networks, control tasks and description lengths add: what a line cannot read, memory, and effort."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sslviz.data import shapes
from sslviz.diagnostics.probes.description_length import SHUFFLED, description_length
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.mlp import mlp_probe
from sslviz.diagnostics.probes.selectivity import READOUTS, kinds, selectivity
from sslviz.features import Features


def blobs(n=400, d=8, classes=4, shift=2.0, seed=0, **columns):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label]
    return Features.from_array(x, table={"label": np.array(list("abcdefghij"))[label], **columns})


class TestNetwork:
    def test_reads_what_no_line_divides(self):
        rng = np.random.default_rng(0)
        a, b = rng.integers(0, 2, (2, 800))
        x = 0.3 * rng.normal(size=(800, 6))
        x[:, :2] += 2 * np.stack([a, b], axis=1) - 1
        either = Features.from_array(x, table={"label": a ^ b})
        assert mlp_probe(either).accuracy > 0.95 and abs(linear_probe(either).accuracy - 0.5) < 0.1

    def test_two_gaussians_are_read_as_well_as_bayes_allows(self):
        shift = 2.0
        fit, test = blobs(3000, 4, 2, shift), blobs(4000, 4, 2, shift, seed=1)
        test = Features(test.x, np.char.add("t", test.ids), test.table)
        assert mlp_probe(test, fit=fit).accuracy == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.015)

    def test_beats_chance_on_noise_in_at_most_5_of_100_seeds(self, monkeypatch):
        monkeypatch.setattr("sslviz.diagnostics.probes.mlp.EPOCHS", 10)
        alarms = sum(
            bool(mlp_probe(blobs(160, 4, shift=0.0, seed=s), seed=s).scores()["accuracy"].beats_control)
            for s in range(100)
        )
        assert alarms <= 5

    def test_the_seed_decides_and_a_rare_class_is_not_given_up(self):
        features = blobs(2000, classes=2, shift=1.5)
        features = features.rows((features.column("label") == "a") | (np.arange(2000) % 20 == 1))
        one, again = mlp_probe(features), mlp_probe(features)
        np.testing.assert_array_equal(one.predicted, again.predicted)
        assert one.accuracy > 0.7 and one.method == "mlp" and 1 <= one.params["epochs"] <= 60


class TestDescriptionLength:
    def test_random_labels_take_as_many_bits_as_without_features(self, monkeypatch):
        monkeypatch.setattr("sslviz.diagnostics.probes.description_length.SHUFFLES", 1)
        scores = [
            description_length(blobs(400, 10, classes, 0.0, seed), seed=seed).scores()["compression"]
            for seed in range(3)
            for classes in (2, 4)
        ]
        # The control's labels are random too.
        found = [value for score in scores for value in (score.value, score.controls[SHUFFLED])]
        assert 0.9 < np.mean(found) <= 1.01 and max(found) < 1.06

    def test_a_label_that_is_there_costs_little_more_than_the_first_block(self):
        result = description_length(blobs(2000, 8, 4, 40.0))
        first = result.ends[1]
        assert result.bits[:first] == pytest.approx(np.full(first, 2.0))
        assert first * 2 < result.bits.sum() < first * 2 + 0.06 * 2000
        scores = result.scores()
        assert (
            scores["compression"].value == pytest.approx(2000 * 2 / result.bits.sum())
            and scores["compression"].value > 15
        )
        assert scores["compression"].beats_control and scores["bits"].beats_control

    def test_bits_are_those_of_the_best_guess_where_classes_overlap(self):
        """In the end an image costs what it costs who knows both Gaussians."""
        shift = 1.0
        result = description_length(blobs(6000, 2, 2, shift))
        z = np.random.default_rng(0).normal(size=200_000) + shift / np.sqrt(2)  # the log odds are sqrt(2) shift z
        exact = np.log2(1 + np.exp(-np.sqrt(2) * shift * z)).mean()
        assert result.by_block(result.bits)[1][-1] == pytest.approx(exact, abs=0.03)

    def test_what_is_easier_costs_less_and_controls_are_coded_in_the_same_order(self):
        features = blobs(800, shift=3.0)
        result = description_length(
            features, control_features={"again": features, "noise": (blobs(800, shift=0.0, seed=1), None)}
        )
        np.testing.assert_array_equal(result.control_bits["again"], result.bits)
        scores = result.scores()["compression"]
        assert {SHUFFLED, "no features", "again", "noise"} == set(scores.controls)
        assert scores.value > 1.5 and scores.controls["noise"] == pytest.approx(1, abs=0.1)
        assert result.scores()["bits"].value == pytest.approx(2 / scores.value)

    def test_an_uneven_label_is_compressed_by_being_uneven_and_the_shuffled_one_says_so(self):
        features = blobs(1000, classes=2, shift=0.0)
        rare = pd.DataFrame({"label": np.where(np.arange(1000) % 10 == 0, "yes", "no")})
        score = description_length(Features(features.x, features.ids, rare)).scores()["compression"]
        assert score.value > 1.3 and score.controls[SHUFFLED] == pytest.approx(score.value, rel=0.1)
        assert not score.beats_control

    def test_beats_its_controls_on_noise_in_at_most_5_of_100_seeds(self, monkeypatch):
        monkeypatch.setattr("sslviz.diagnostics.probes.description_length.PENALTIES", (0.1,))
        monkeypatch.setattr("sslviz.diagnostics.probes.description_length.FEW", 0)
        alarms = 0
        for seed in range(100):
            score = description_length(blobs(80, 4, 2, 0.0, seed), seed=seed).scores()["compression"]
            alarms += bool(score.beats_control)
        assert alarms <= 5

    def test_too_few_images(self):
        with pytest.raises(ValueError, match="needs 40 images.*got 20"):
            description_length(blobs(20))


class TestSelectivity:
    def test_features_that_hold_the_kind_of_image_read_anything(self):
        """One-hot in the kind: meaningless labels of kinds are read as well as the label, so that nothing is selective."""
        rng = np.random.default_rng(0)
        kind, label = rng.integers(0, 40, 1200), rng.integers(0, 4, 1200)
        table = pd.DataFrame({"label": np.array(list("abcd"))[label], "kind": np.array([f"k{i}" for i in kind])})
        knows_both = np.concatenate([np.eye(40)[kind], 3 * np.eye(4)[label]], axis=1)
        result = selectivity(Features.from_array(knows_both, table=table))
        assert result.n_kinds == 40 and result.kind_columns == ["kind"]
        assert result.control_task_correct["linear"].mean() == 1 and result.scores()["linear"].value == pytest.approx(
            0, abs=0.01
        )

    def test_features_that_hold_the_label_alone_are_selective_by_all_but_chance(self):
        kind = np.random.default_rng(0).integers(0, 20, 800).astype(str)
        result = selectivity(blobs(800, shift=20.0, kind=kind))
        for score in result.scores().values():
            assert score.value == pytest.approx(0.75, abs=0.1) and score.beats_control

    def test_noise_is_not_selective_in_95_of_100_seeds(self, monkeypatch):
        monkeypatch.delitem(READOUTS, "mlp")
        alarms = 0
        for seed in range(100):
            kind = np.random.default_rng(seed).integers(0, 8, 200).astype(str)
            scores = selectivity(blobs(200, 4, 4, 0.0, seed, kind=kind), seed=seed).scores()
            alarms += bool(scores["linear"].beats_control)
        assert alarms <= 5

    def test_kinds_are_cells_of_the_other_columns_with_images_enough(self):
        table = shapes(n=1200, size=16).table
        cells, by = kinds(table, "color")
        assert {"texture"} <= set(by) and not {"color", "split"} & set(by) and len(table) / (cells.max() + 1) >= 10
        shape, by = kinds(table, "shape")
        assert "label" not in by  # which says the same
        alone = kinds(table[["color"]], "color")
        assert alone[1] == [] and len(np.unique(alone[0])) == 1200

    def test_controls_are_read_in_the_same_way(self):
        kind = np.random.default_rng(0).integers(0, 8, 400).astype(str)
        features = blobs(kind=kind)
        result = selectivity(
            features, control_features={"again": features, "noise": blobs(shift=0.0, seed=1, kind=kind)}
        )
        for score in result.scores().values():
            assert score.controls["again"] == pytest.approx(score.value) and abs(score.controls["noise"]) < 0.2

    def test_a_missing_column(self):
        with pytest.raises(ValueError, match="no column 'hue'"):
            selectivity(blobs(), "hue")
