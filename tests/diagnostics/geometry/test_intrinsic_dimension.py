import warnings
from pathlib import Path

import numpy as np
import pytest

from sslviz.diagnostics.geometry.intrinsic_dimension import (
    IntrinsicDimension,
    intrinsic_dimension,
    local_dimension,
    two_nn,
)
from sslviz.features import Features
from sslviz.runs import load_result, save_result

FIXTURES = np.load(Path(__file__).parents[2] / "fixtures" / "dimensions.npz", allow_pickle=False)


def of(x, **keywords) -> IntrinsicDimension:
    return intrinsic_dimension(Features.from_array(x), **keywords)


def values(result):
    return {name: score.value for name, score in result.scores().items()}


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def turned(x, width, seed=0):
    """The same points, turned into a space of `width` dimensions."""
    return x @ np.linalg.qr(gaussian(width, x.shape[1], seed))[0].T


class TestClosedForms:
    @pytest.mark.parametrize("d", [1.0, 4.0, 30.0])
    @pytest.mark.parametrize("discard", [0.0, 0.1, 0.5])
    def test_a_pareto_law_is_found_again_without_bias(self, d, discard):
        rng = np.random.default_rng(0)
        read = [two_nn(1 + rng.pareto(d, size=50), discard=discard) for _ in range(2000)]
        assert np.mean(read) == pytest.approx(d, rel=0.02)

    def test_distances_that_grow_as_r_to_the_d(self):
        """j-th neighbour at (j / k)^(1 / d): the estimate is (k - 1) d / sum of log(k / j)."""
        j, d = np.arange(1, 21), 6
        exact = 19 * d / np.log(20 / j).sum()
        np.testing.assert_allclose(local_dimension(((j / 20) ** (1 / d))[None]), [exact])

    def test_neighbours_at_random_in_a_ball_average_to_its_dimension(self):
        rng = np.random.default_rng(0)
        near = np.sort(rng.random((4000, 20)), axis=1) ** (1 / 8)
        assert 1 / (1 / local_dimension(near)).mean() == pytest.approx(8, rel=0.02)

    def test_copies_are_left_out_of_a_neighbourhood(self):
        near = np.array([[0.5, 0.7, 1.0]])
        with_copies = np.array([[0, 0, 0.5, 0.7, 1.0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 2.0], [1, 1, 1, 1, 1]])
        read = local_dimension(with_copies)
        assert read[0] == pytest.approx(local_dimension(near)[0]) and np.isnan(read[1:]).all()


class TestPlantedSpaces:
    @pytest.mark.parametrize(("d", "expected"), [(2, 1.95), (5, 4.76), (10, 8.85)])
    def test_uniform_cubes(self, d, expected):
        """n = 3,000, where borders pull the estimate down; one sample varies by d / sqrt(n)."""
        read = [values(of(np.random.default_rng(seed).random((3000, d)))) for seed in range(2)]
        assert np.mean([r["two_nn"] for r in read]) == pytest.approx(expected, rel=0.07)
        assert np.mean([r["lid"] for r in read]) == pytest.approx(expected, rel=0.1)

    @pytest.mark.parametrize("d", [1, 3, 6])
    def test_planted_subspaces(self, d):
        read = values(of(turned(gaussian(2000, d), 100) + 4))
        assert read["two_nn"] == pytest.approx(d, rel=0.1) and read["lid"] == pytest.approx(d, rel=0.1)

    def test_a_line_whose_points_lie_nearer_than_the_graph_resolves(self):
        """First neighbours 1e-5 of the spread away: their squares are lost beside it in float32."""
        read = of(np.random.default_rng(0).random((4000, 1)) @ np.ones((1, 8)))
        assert values(read)["two_nn"] == pytest.approx(1, rel=0.1) and read.duplicates < 40

    def test_each_image_has_the_dimension_of_its_part(self):
        x = np.concatenate([turned(gaussian(600, 2), 50, 1), turned(gaussian(600, 10), 50, 2) + 100])
        lid = of(x).lid
        assert np.median(lid[:600]) == pytest.approx(2, rel=0.15) and np.median(lid[600:]) == pytest.approx(
            8.5, rel=0.15
        )

    def test_noise_on_few_directions_counts_as_many(self):
        x = turned(gaussian(1500, 2), 60)
        assert values(of(x + 1e-4 * gaussian(1500, 60, 1)))["two_nn"] < 2.3
        assert values(of(x + 0.3 * gaussian(1500, 60, 1)))["two_nn"] > 10

    def test_turning_shifting_and_scaling_change_nothing(self):
        x = gaussian(500, 6) * [3, 2, 1, 1, 1, 0.5]
        here = values(of(x))
        for moved in (turned(x, 6), turned(x, 40), x + 7, 1e-30 * x, 1e20 * x):
            there = values(of(moved))
            assert there["two_nn"] == pytest.approx(here["two_nn"], rel=1e-3)
            assert there["lid"] == pytest.approx(here["lid"], rel=1e-3)


class TestAgainstScikitDimension:
    @pytest.mark.parametrize("space", ["ball", "sphere", "sheet", "gaussian"])
    @pytest.mark.parametrize("discard", [0.0, 0.1, 0.3])
    def test_two_nn(self, space, discard):
        result = of(FIXTURES[space], discard=discard)
        assert values(result)["two_nn"] == pytest.approx(float(FIXTURES[f"{space}_two_nn_{discard}"]), rel=1e-5)
        assert result.duplicates == (20 if space == "sheet" else 0)

    @pytest.mark.parametrize("space", ["ball", "sphere", "gaussian"])
    def test_lid(self, space):
        result = of(FIXTURES[space])
        np.testing.assert_allclose(result.lid, FIXTURES[f"{space}_lid_per_point"], rtol=1e-5)
        assert values(result)["lid"] == pytest.approx(float(FIXTURES[f"{space}_lid"]), rel=1e-5)


class TestControl:
    def test_noise_reads_as_it_does(self):
        """Features that are such noise read as much as the control, and the control is a ceiling of structured ones."""
        for name, score in of(gaussian(1500, 12, seed=5)).scores().items():
            assert set(score.controls) == {"noise"} and score.control_is == "ceiling" and score.beats_control is None
            assert score.higher_is_better is None
            assert score.controls["noise"] == pytest.approx(score.value, rel=0.1), name
        for score in of(turned(gaussian(1500, 4), 30)).scores().values():
            assert score.high < score.control

    def test_the_seed_changes_the_noise_and_nothing_else(self):
        one, other = of(gaussian(200, 5)), of(gaussian(200, 5), seed=1)
        assert (one.noise_ratios != other.noise_ratios).any() and (one.ratios == other.ratios).all()


class TestIntervals:
    @pytest.mark.parametrize("d", [2, 8])
    def test_hold_the_expected_score_in_19_of_20_samples(self, d):
        samples = [of(np.random.default_rng(seed).random((200, d)), k=10).scores() for seed in range(100)]
        for name in ("two_nn", "lid"):
            expected = np.mean([scores[name].value for scores in samples])
            held = sum(scores[name].low <= expected <= scores[name].high for scores in samples)
            assert held >= 88, f"{name}: {held} of 100"

    def test_replicates_are_those_of_the_images_left(self):
        from sslviz.statistics import delete_groups

        x = gaussian(300, 4)
        result = of(x)
        left = values(of(x[delete_groups(300) != 3]))
        for name, value in left.items():
            assert result.replicates[name][3] == pytest.approx(value, rel=1e-3)

    def test_few_images_have_none(self):
        assert of(gaussian(19, 3), k=5).scores()["two_nn"].low is None
        assert of(gaussian(40, 3), k=5).scores()["two_nn"].low is not None


class TestBadInput:
    def test_constant_features_have_no_dimension(self):
        with pytest.raises(ValueError, match="50 of 50 images have an exact copy"):
            of(np.ones((50, 4)))

    def test_a_grid_has_no_dimension_to_read(self):
        grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
        with pytest.raises(ValueError, match="as on a grid"):
            of(grid)

    def test_too_few_images_and_too_few_neighbours(self):
        with pytest.raises(ValueError, match="20 neighbours are asked for.*between 1 and 14"):
            of(gaussian(15, 3))
        with pytest.raises(ValueError, match="use k = 2 or more"):
            of(gaussian(15, 3), k=1)
        with pytest.raises(ValueError, match="at least 2 ratios.*1 are left of 2"):
            two_nn(np.array([1.5, 2.0]))

    def test_nearly_all_copies_have_no_interval(self):
        x = gaussian(60, 4)
        x[3:] = x[3]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = of(x, k=10)
            score = result.scores()["two_nn"]
        assert result.duplicates == 57 and np.isfinite(score.value) and score.low is None

    def test_zeros_crash_nothing(self):
        x = gaussian(100, 4)
        x[:2] = 0
        result = of(x)
        assert result.duplicates == 2 and len(result.ratios) == 98
        assert all(np.isfinite(score.value) for score in result.scores().values())


def test_is_stored_and_read_back_whole(tmp_path):
    x = gaussian(80, 5)
    x[:40] = x[0]  # so many copies that some neighbourhoods hold nothing else
    result = of(x)
    assert np.isnan(result.lid).any()
    save_result(tmp_path / "r.npz", result)
    back = load_result(tmp_path / "r.npz", IntrinsicDimension)
    assert back.scores() == result.scores()
    np.testing.assert_array_equal(back.lid, result.lid)
