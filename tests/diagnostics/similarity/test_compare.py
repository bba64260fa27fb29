from dataclasses import dataclass, field

import numpy as np
import pytest

from sslviz.diagnostics.bias.retrieval import retrieval
from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.diagnostics.geometry.neural_collapse import neural_collapse
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.diagnostics.geometry.uniformity import uniformity
from sslviz.diagnostics.probes.knn import knn_probe
from sslviz.diagnostics.probes.linear import linear_probe
from sslviz.diagnostics.probes.probe import Probe
from sslviz.diagnostics.projection.projection import projection
from sslviz.diagnostics.similarity.changed import changed
from sslviz.diagnostics.similarity.compare import Comparison, compare
from sslviz.diagnostics.similarity.similarity import similarity
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.statistics import Score


def two(seed=0, n=400, d=16, noise=(0.7, 0.7)):
    """The same images seen through two encoders that differ in their noise."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 4
    signal = rng.normal(size=(n, d)) * np.arange(1, d + 1.0) ** -0.5
    signal[np.arange(n), label] += 1.2
    return [
        Features.from_array(signal + size * rng.normal(size=(n, d)), table={"label": label.astype(str)})
        for size in noise
    ]


def probe(right, truth, ids=None, **fields):
    n = len(truth)
    predicted = np.where(right, truth, (truth + 1) % (truth.max() + 1))
    ids = np.arange(n).astype(str) if ids is None else ids
    given = {"method": "linear", "label": "shape", "classes": np.arange(truth.max() + 1).astype(str)} | fields
    return Probe(truth=truth, predicted=predicted, ids=ids, n_fit=n, params={}, control_correct={}, seed=0, **given)


@dataclass
class Told:
    """A result with scores and nothing behind them."""

    given: dict[str, Score]
    replicates: dict[str, np.ndarray] = field(default_factory=dict)

    def scores(self):
        return self.given

    def paired_replicates(self):
        return self.replicates


class TestClosedForms:
    def test_the_difference_of_means_has_the_interval_of_paired_differences(self):
        rng = np.random.default_rng(0)
        truth, n = np.arange(600) % 3, 600
        one = rng.random(n) < 0.6
        other = np.where(rng.random(n) < 0.2, rng.random(n) < 0.9, one)  # agrees mostly with the first
        score = compare(probe(one, truth), probe(other, truth)).scores()["accuracy"]
        difference = other.astype(float) - one
        within = np.mean([difference[truth == c].var() / (truth == c).sum() for c in range(3)]) / 3
        reach = 1.96 * np.sqrt(within)
        assert score.value == pytest.approx(difference.mean())
        assert (score.low, score.high) == pytest.approx((score.value - reach, score.value + reach), abs=0.004)
        unpaired = 1.96 * np.sqrt((one.var() + other.var()) / n)
        assert score.high - score.low < 1.4 * unpaired  # 2 without pairing

    def test_classes_count_alike(self):
        truth = np.array([0] * 380 + [1] * 20)
        one, other = np.ones(400, bool), np.arange(400) >= 190  # wrong on half of the common class
        assert compare(probe(one, truth), probe(other, truth)).scores()["accuracy"].value == pytest.approx(-0.25)

    def test_a_jackknife_difference_is_students_t_of_the_differences(self):
        a, b = two(noise=(0.2, 1.0))
        a, b = spectrum(a), spectrum(b)
        score = compare(a, b).scores()["rankme"]
        differences = b.replicates["rankme"] - a.replicates["rankme"]
        reach = 2.262157 * 3 * differences.std()  # t of 9 degrees at 0.975; (g - 1) / g times the sum of squares
        assert score.high - score.value == pytest.approx(reach, rel=1e-5)
        assert score.value == pytest.approx(b.scores()["rankme"].value - a.scores()["rankme"].value)

    def test_nothing_differs_from_itself(self):
        a, _ = two()
        for result in (spectrum(a), knn_probe(a), projection(a, "pca")):
            found = compare(result, result)
            for score in found.scores().values():
                assert (score.value, score.control, score.higher_is_better) == (0, 0, None)
                assert score.low == pytest.approx(0, abs=1e-12) and score.high == pytest.approx(0, abs=1e-12)
            assert set(found.winner.values()) == {0}

    def test_the_other_way_round_is_the_negative(self):
        for diagnose in (spectrum, knn_probe, lambda f: projection(f, "pca")):
            a, b = map(diagnose, two(noise=(0.2, 1.0)))
            there, back = compare(a, b), compare(b, a)
            for name, score in there.scores().items():
                other = back.scores()[name]
                assert (other.value, other.low, other.high) == pytest.approx((-score.value, -score.high, -score.low))
                assert there.winner[name] == -back.winner[name]


class TestNull:
    @pytest.mark.parametrize("diagnose", [spectrum, knn_probe, pytest.param(linear_probe, marks=pytest.mark.slow)])
    def test_the_same_noise_drawn_twice_differs_in_1_to_10_of_100_seeds(self, diagnose):
        seeds, differ = 120, {}
        for seed in range(seeds):
            a, b = (diagnose(features, seed=seed) for features in two(seed))
            for name, score in compare(a, b).scores().items():
                differ[name] = differ.get(name, 0) + (not score.low <= 0 <= score.high)
        shares = {name: count / seeds for name, count in differ.items()}
        print(shares)
        assert max(shares.values()) <= 0.10, shares
        assert shares.get("rankme", shares.get("accuracy")) >= 0.01, shares

    def test_more_noise_is_found(self):
        for seed in range(10):
            a, b = two(seed, noise=(0.3, 1.5))
            assert compare(linear_probe(a), linear_probe(b)).winner == {"accuracy": -1}
            assert compare(spectrum(a), spectrum(b)).winner["rankme"] == 1


class TestPairing:
    def test_images_are_paired_by_id(self):
        truth = np.arange(300) % 3
        rng = np.random.default_rng(0)
        one, other = rng.random(300) < 0.6, rng.random(300) < 0.7
        order = rng.permutation(300)
        ids = np.array([f"image {i}" for i in range(300)])
        here = compare(probe(one, truth, ids), probe(other, truth, ids)).scores()["accuracy"]
        there = compare(probe(one, truth, ids), probe(other[order], truth[order], ids[order])).scores()["accuracy"]
        assert here == there

    def test_a_map_is_compared_point_by_point(self):
        a, b = two(noise=(0.2, 1.0))
        one, other = projection(a, "pca"), projection(b, "pca")
        found = compare(one, other).scores()
        assert set(found) == {"trustworthiness", "continuity", "knn_preservation"}
        difference = other.preservation - one.preservation
        reach = 1.96 * difference.std() / 20
        score = found["knn_preservation"]
        assert (score.low, score.high) == pytest.approx((score.value - reach, score.value + reach), abs=0.003)

    def test_similarities_and_changes_are_paired_too(self):
        a, b = two(noise=(0.1, 1.0))
        reference = two(noise=(0.1, 0.1))[0]
        found = compare(similarity(reference, a), similarity(reference, b))
        assert found.winner == {"cka": -1, "procrustes": -1, "mutual_knn": -1, "rsa": -1}
        found = compare(changed(reference, a), changed(reference, b))
        assert found.scores()["neighbours_changed"].low > 0 and found.winner == {"neighbours_changed": 0}

    @pytest.mark.parametrize("diagnose", [spectrum, collapse, uniformity, lambda x: neural_collapse(x, "label")])
    def test_jackknifed_scores_are_of_the_same_images(self, diagnose):
        one, other = two(n=80)
        assert compare(diagnose(one), diagnose(other)).low
        others = Features(other.x, np.array([f"other {name}" for name in other.ids]), other.table)
        for features in (others, other.rows(np.arange(80)[::-1])):
            with pytest.raises(ValueError, match="are of images with other ids, or in another order"):
                compare(diagnose(one), diagnose(features))

    def test_retrieval_is_paired_by_its_replicates(self):
        pairs = [Features.from_array(x.x, table={"label": x.column("label"), "a": np.arange(400) % 3}) for x in two()]
        told = compare(*(retrieval(x, "label", "a") for x in pairs))
        assert told.low["retrieval"] < told.second["retrieval"] - told.first["retrieval"] < told.high["retrieval"]

    def test_replicates_of_other_images_give_no_interval(self):
        a, b = two()
        found = compare(similarity(a, b), similarity(a, b, seed=1)).scores()["cka"]
        assert found.value == pytest.approx(0, abs=1e-6) and found.low is None
        order = np.random.default_rng(0).permutation(400)
        again = compare(similarity(a, b), similarity(a.rows(order), b)).scores()["cka"]
        assert again.value == pytest.approx(0, abs=1e-6) and again.low is None

    def test_too_few_images_of_a_class_have_no_interval(self):
        truth = np.arange(27) % 3
        found = compare(probe(truth == 0, truth), probe(truth >= 0, truth))
        assert found.scores()["accuracy"].low is None and found.winner == {"accuracy": 0}
        assert found.sentence("accuracy") == (
            "a and b differ by 0.67 in shape accuracy; there is no interval to judge it by."
        )


class TestWords:
    def words(self, better, difference, spread=0.01, label=""):
        replicates = np.linspace(-spread, spread, 10)
        one = Told({"rank_of_it": Score(1.0, 0.9, 1.1, higher_is_better=better)}, {"rank_of_it": np.zeros(10)})
        two = Told(
            {"rank_of_it": Score(1.0 + difference, 0.9, 2.1, higher_is_better=better)}, {"rank_of_it": replicates}
        )
        found = compare(one, two)
        return found.winner["rank_of_it"], found.sentence("rank_of_it", "old", "new")

    def test_say_who_is_better_and_by_how_much(self):
        assert self.words(True, 0.5) == (1, "new is better than old in rank of it, higher by 0.5 [0.46, 0.54].")
        assert self.words(True, -0.5) == (-1, "old is better than new in rank of it, higher by 0.5 [0.46, 0.54].")
        assert self.words(False, 0.5) == (-1, "old is better than new in rank of it, lower by 0.5 [0.46, 0.54].")
        assert self.words(False, -0.5) == (1, "new is better than old in rank of it, lower by 0.5 [0.46, 0.54].")

    def test_say_when_neither_is(self):
        winner, said = self.words(None, -0.5)
        assert winner == 0
        assert (
            said
            == "old has rank of it higher than new by 0.5 [0.46, 0.54], which is neither better nor worse in itself."
        )
        winner, said = self.words(True, 0.01, spread=1.0)
        assert winner == 0 and said.startswith("No difference in rank of it between old and new can be told: 0.01 [-4.")

    def test_say_what_a_probe_reads(self):
        truth = np.arange(300) % 3
        found = compare(probe(np.arange(300) < 150, truth), probe(np.arange(300) < 200, truth))
        said = found.sentence("accuracy", "simclr", "dino")
        assert said.startswith("dino reads shape better than simclr by 0.17 [0.1") and said.endswith("].")
        assert found.sentences["accuracy"].startswith("b reads shape better than a by")


def test_is_stored_and_read_back(tmp_path):
    found = compare(*map(spectrum, two()))
    save_result(tmp_path / "c.npz", found)
    back = load_result(tmp_path / "c.npz", Comparison)
    assert back.scores() == found.scores() and back.winner == found.winner and back.kind == "Spectrum"


class TestBadInput:
    def test_is_answered_in_one_sentence(self):
        a, b = two()
        with pytest.raises(ValueError, match="a Spectrum and a Probe"):
            compare(spectrum(a), knn_probe(a))
        with pytest.raises(ValueError, match="a Features and a Features"):
            compare(a, b)
        with pytest.raises(ValueError, match="their n is 400 and 300; look at the same images"):
            compare(spectrum(a), spectrum(b.rows(np.arange(300))))
        with pytest.raises(ValueError, match="their d is 16 and 8.*one width"):
            compare(spectrum(a), spectrum(Features.from_array(b.x[:, :8])))
        with pytest.raises(ValueError, match="their k is 10 and 5"):
            compare(changed(a, b), changed(a, b, k=5))
        truth = np.arange(60) % 2
        with pytest.raises(ValueError, match="their label is 'shape' and 'color'"):
            compare(probe(truth == 0, truth), probe(truth == 0, truth, label="color"))
        with pytest.raises(ValueError, match="of 60 and 60 images only 0 are in both"):
            compare(probe(truth == 0, truth), probe(truth == 0, truth, np.array([f"x{i}" for i in range(60)])))
        with pytest.raises(ValueError, match="of other classes in the second"):
            compare(probe(truth == 0, truth), probe(truth == 0, 1 - truth))
        with pytest.raises(ValueError, match="no score in common: one and two"):
            compare(Told({"one": Score(1.0)}), Told({"two": Score(1.0)}))
