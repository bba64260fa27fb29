import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from sslviz.diagnostics.geometry.hubness import Hubness, hubness, robin_hood, skewness
from sslviz.features import Features
from sslviz.runs import load_result, save_result


def of(x, **keywords) -> Hubness:
    return hubness(Features.from_array(x), **keywords)


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def star(n=300, d=100, seed=0):
    """A planted hub: images on a sphere around image 7, which is nearer to all than they are to one another."""
    x = gaussian(n, d, seed)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x[7] = 0
    return x


class TestNumbers:
    def test_all_chosen_alike_is_none(self):
        assert robin_hood(np.full(50, 10)) == skewness(np.full(50, 10)) == 0

    def test_all_places_held_by_k_images(self):
        """The others have k each to be given: n - k of n images are to be served."""
        n, k = 200, 10
        counts = np.zeros(n)
        counts[:k] = n
        assert robin_hood(counts) == pytest.approx((n - k) / n)

    def test_places_moved_by_hand(self):
        assert robin_hood(np.array([5, 1, 3, 3])) == pytest.approx(2 / 12)

    @pytest.mark.parametrize("hubs", [1, 20, 100])
    def test_skewness_of_two_kinds_of_images(self, hubs):
        """A share p that are hubs and all others not: (1 - 2 p) / sqrt(p (1 - p)), as of a coin."""
        counts, p = np.where(np.arange(200) < hubs, 70, 3), hubs / 200
        assert skewness(counts) == pytest.approx((1 - 2 * p) / np.sqrt(p * (1 - p)), abs=1e-9)


class TestCounts:
    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    def test_are_those_of_brute_force(self, metric):
        x = gaussian(300, 12) + 0.5
        found = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(x).kneighbors()[1]
        result = of(x, k=7, metric=metric)
        np.testing.assert_array_equal(result.counts, np.bincount(found.ravel(), minlength=300))
        assert result.counts.mean() == 7 == result.noise_counts.mean()

    def test_a_planted_hub_is_found_and_named(self):
        result = of(star(), metric="euclidean")
        assert result.counts[7] == 299 and result.hubs[0] == "7"
        assert (np.diff(result.counts[result.hubs.astype(int)]) <= 0).all() and len(set(result.hubs)) == 300

    @pytest.mark.parametrize(
        ("d", "skew", "antihubs"),
        [
            (3, (-0.6, -0.1), (0, 0.01)),
            (20, (1.2, 4), (0.05, 0.1)),
            (100, (3, 13), (0.17, 0.23)),
            (300, (4, 16), (0.24, 0.3)),
        ],
    )
    def test_gaussians_grow_hubs_with_their_dimensions(self, d, skew, antihubs):
        """By Euclidean distance, n = 2,000 and k = 10: skewness -0.35, 2.3, 4.8, 12.5 and 27 % of antihubs at d = 300."""
        scores = of(gaussian(2000, d), metric="euclidean").scores()
        assert skew[0] < scores["skewness"].value < skew[1]
        assert antihubs[0] <= scores["antihubs"].value < antihubs[1]

    def test_by_cosine_isotropic_noise_has_none_and_a_mean_makes_them(self):
        x = gaussian(1000, 100)
        assert (
            of(x).scores()["robin_hood"].value
            < 0.15
            < 0.3
            < of(x * np.geomspace(1, 8, 100) + 3).scores()["robin_hood"].value
        )

    def test_all_others_can_be_neighbours(self):
        result = of(gaussian(12, 4), k=11)
        assert (result.counts == 11).all()
        assert all((score.value, score.control) == (0, 0) for score in result.scores().values())


class TestControls:
    @pytest.mark.parametrize(("n", "k"), [(200, 10), (1000, 3), (41, 20)])
    def test_the_random_graph_reads_what_neighbours_drawn_by_lot_read(self, n, k):
        rng = np.random.default_rng(0)
        drawn = []
        for _ in range(60):
            lots = rng.random((n, n)) + np.eye(n) * 2  # nobody draws itself
            counts = np.bincount(np.argpartition(lots, k, axis=1)[:, :k].ravel(), minlength=n)
            drawn.append([robin_hood(counts), stats.skew(counts), (counts == 0).mean()])
        control = {name: score.controls["random graph"] for name, score in of(gaussian(n, 5), k=k).scores().items()}
        expected, error = np.mean(drawn, axis=0), np.std(drawn, axis=0) / np.sqrt(60)
        assert abs(control["robin_hood"] - expected[0]) < 4 * error[0] + 0.005  # the mean is k in every graph
        assert abs(control["skewness"] - expected[1]) < 4 * error[1] + 0.01
        assert abs(control["antihubs"] - expected[2]) < 4 * error[2] + 1e-3

    def test_noise_is_of_the_same_shape_through_the_same_steps(self):
        one = of(gaussian(500, 30, seed=3), metric="euclidean")
        for name, score in one.scores().items():
            assert set(score.controls) == {"noise", "random graph"} and score.higher_is_better is False
            if name != "skewness":
                assert score.controls["noise"] == pytest.approx(score.value, abs=0.05)
        again, other = of(gaussian(500, 30, seed=3), seed=0), of(gaussian(500, 30, seed=3), seed=1)
        assert (again.noise_counts != other.noise_counts).any() and (again.counts == other.counts).all()

    def test_a_planted_crowd_does_not_beat_them_and_a_ring_does(self):
        crowd = of(gaussian(500, 100), metric="euclidean").scores()
        assert not any(score.beats_control for score in crowd.values())
        assert of(star(), metric="euclidean").scores()["skewness"].value > 10
        ring = np.linspace(0, 2 * np.pi, 400, endpoint=False) + 1e-4 * gaussian(400, 1)[:, 0]
        even = of(np.stack([np.cos(ring), np.sin(ring)], axis=1), metric="euclidean").scores()
        assert even["robin_hood"].beats_control
        assert (even["antihubs"].value, even["antihubs"].high) == (0, 3 / 400)  # none seen: the rule of three
        assert not even["antihubs"].beats_control


class TestIntervals:
    @pytest.mark.parametrize(("d", "metric"), [(8, "euclidean"), (30, "euclidean"), (30, "cosine")])
    def test_hold_the_expected_score_in_19_of_20_samples(self, d, metric):
        samples = [of(gaussian(200, d, seed) + 0.5, k=5, metric=metric).scores() for seed in range(100)]
        for name in ("robin_hood", "skewness", "antihubs"):
            expected = np.mean([scores[name].value for scores in samples])
            held = sum(scores[name].low <= expected <= scores[name].high for scores in samples)
            assert held >= 88, f"{name}: {held} of 100"

    def test_replicates_are_those_of_the_images_left(self):
        """The neighbours among the images left are those that a search among these alone would find."""
        from sslviz.statistics import delete_groups

        x = gaussian(200, 6) + 1
        result = of(x)
        kept = delete_groups(200) != 3
        assert of(x[kept]).scores()["robin_hood"].value == pytest.approx(result.replicates["robin_hood"][3])
        assert result.replicates["skewness"].shape == (10,)

    def test_few_images_have_none(self):
        assert of(gaussian(19, 3), k=3).scores()["robin_hood"].low is None
        assert of(gaussian(20, 3), k=3).scores()["robin_hood"].low is not None


class TestBadInput:
    def test_constant_features_have_no_neighbours(self):
        with pytest.raises(ValueError, match="All 50 images have the same features"):
            of(np.ones((50, 4)))

    def test_more_neighbours_than_images(self):
        with pytest.raises(ValueError, match="10 neighbours are asked for.*between 1 and 9"):
            of(gaussian(10, 4))

    def test_copies_and_zeros_are_counted_and_crash_nothing(self):
        x = gaussian(60, 4)
        x[30:50] = x[:20]
        x[50:] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = of(x, k=5)
            assert all(np.isfinite(score.value) for score in result.scores().values())
        assert result.duplicates == 29


def test_is_stored_and_read_back_whole(tmp_path):
    result = of(gaussian(80, 5))
    save_result(tmp_path / "r.npz", result)
    back = load_result(tmp_path / "r.npz", Hubness)
    assert back.scores() == result.scores() and (back.hubs == result.hubs).all()
