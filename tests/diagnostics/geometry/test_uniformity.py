"""Uniformity: closed forms on the sphere, all pairs by brute force, and its interval."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from sslviz.diagnostics.geometry.uniformity import Uniformity, sphere_uniformity, uniformity
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.statistics import delete_groups


def of(x, **keywords) -> Uniformity:
    return uniformity(Features.from_array(x), **keywords)


def by_brute_force(x, t):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.log(np.exp(-t * pdist(unit, "sqeuclidean")).mean())


class TestClosedForms:
    @pytest.mark.parametrize(
        ("d", "value"), [(2, -1.57503), (3, -2.07978), (16, -3.51304), (128, -3.93753), (512, -3.98438)]
    )
    def test_the_sphere(self, d, value):
        assert sphere_uniformity(d) == pytest.approx(value, abs=1e-5)
        assert of(np.random.default_rng(0).normal(size=(2000, d))).value == pytest.approx(value, abs=5e-3)

    def test_two_points_on_a_line_and_three_dimensions_have_elementary_forms(self):
        for t in (0.5, 2.0, 7.0, 100.0):
            assert sphere_uniformity(1, t) == pytest.approx(np.log((1 + np.exp(-4 * t)) / 2))
            # In three dimensions the squared distance is uniform on [0, 4].
            assert sphere_uniformity(3, t) == pytest.approx(np.log((1 - np.exp(-4 * t)) / (4 * t)))

    def test_one_point_is_0_and_two_opposite_ones_half_of_it(self):
        assert of(np.ones((50, 6))).value == pytest.approx(0, abs=1e-6)
        sides = np.where(np.arange(2000) % 2, 1.0, -1.0)[:, None] * np.ones(5)
        same = 999 / 1999
        assert of(sides).value == pytest.approx(np.log(same + (1 - same) * np.exp(-8)), abs=1e-5)

    @pytest.mark.parametrize("d", [1, 2, 3, 20])
    def test_the_distances_drawn_for_the_sphere_are_those_of_points_on_it(self, d):
        result = of(np.random.default_rng(0).normal(size=(1000, d)))
        assert result.shares.sum() == pytest.approx(1) and result.sphere_shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(np.cumsum(result.shares), np.cumsum(result.sphere_shares), atol=0.02)


class TestBesideBruteForce:
    @pytest.mark.parametrize("t", [0.5, 2.0, 30.0])
    def test_the_score_and_what_it_is_without_some_images(self, t, monkeypatch):
        monkeypatch.setattr("sslviz.diagnostics.geometry.uniformity.BLOCK", 500)
        x = np.random.default_rng(0).normal(size=(90, 5)) + 0.5
        result, group = of(x, t=t), delete_groups(90, 10, 0)
        assert result.value == pytest.approx(by_brute_force(x, t), rel=1e-4, abs=1e-5)
        expected = [by_brute_force(x[group != g], t) for g in range(10)]
        np.testing.assert_allclose(result.replicates["uniformity"], expected, rtol=1e-4)

    def test_a_sample_is_near_the_whole_and_always_the_same(self):
        x = np.random.default_rng(0).normal(size=(3000, 8))
        few = of(x, sample=500)
        assert few.sample == 500 and few.value == of(x, sample=500).value != of(x, sample=500, seed=1).value
        assert few.value == pytest.approx(of(x).value, abs=0.02)

    def test_rotation_and_length_do_not_matter(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(100, 6)) + 1
        turned = rng.uniform(1, 9, (100, 1)) * x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
        assert of(turned).value == pytest.approx(of(x).value, abs=1e-5)


def test_noise_reads_its_control_and_the_interval_holds_it():
    """100 samples of 200 points on the sphere; the expectation over all pairs is the closed form at every n."""
    scores = [of(np.random.default_rng(seed).normal(size=(200, 12))).scores()["uniformity"] for seed in range(100)]
    assert np.mean([s.value for s in scores]) == pytest.approx(scores[0].control, abs=0.002)
    held = sum(s.low <= s.control <= s.high for s in scores)
    print(f"uniformity: the interval holds the closed form in {held} of 100 samples")
    assert held >= 90
    assert all(s.beats_control is None and s.control_is == "ceiling" for s in scores)


def test_the_interval_holds_the_expectation_of_a_space_that_is_not_uniform():
    samples = [
        of(np.random.default_rng(seed).normal(size=(150, 6)) + np.array([2.0, 0, 0, 0, 0, 0])).scores()["uniformity"]
        for seed in range(100)
    ]
    expected = np.mean([s.value for s in samples])
    assert sum(s.low <= expected <= s.high for s in samples) >= 90


class TestBadInput:
    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_constant_features_are_one_point(self, value):
        score = of(np.full((30, 4), value)).scores()["uniformity"]
        assert score.value == pytest.approx(0, abs=1e-6) and score.low <= score.value <= score.high

    def test_too_few_images_and_a_wrong_t_are_refused_in_a_sentence(self):
        x = np.eye(4)
        for keywords in ({"t": 0}, {"t": -1}, {"t": 1000}, {"t": np.nan}, {"sample": 1}):
            with pytest.raises(ValueError, match="at least 2 images.*0 < t <= 100"):
                of(x, **keywords)
        with pytest.raises(ValueError, match="got 1, "):
            of(np.ones((1, 3)))

    def test_few_rows_have_no_interval(self):
        assert of(np.random.default_rng(0).normal(size=(19, 4))).scores()["uniformity"].low is None
        assert of(np.random.default_rng(0).normal(size=(2, 1))).value <= 0


def test_it_is_stored_and_read_back_whole(tmp_path):
    result = of(np.random.default_rng(0).normal(size=(40, 4)))
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Uniformity).scores() == result.scores()
