"""LiDAR: closed forms, scipy's generalised eigenvalues, and views that say nothing of their object."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import eigh

from sslviz.diagnostics.geometry.lidar import Lidar, lidar
from sslviz.features import Features
from sslviz.runs import load_result, save_result


def of(x, owner, **keywords) -> Lidar:
    return lidar(Features.from_array(x, table={"object": owner}), **keywords)


def value(result):
    return result.scores()["lidar"].value


def viewed(rng, objects=300, views=8, d=32, rank=4, noise=0.01):
    """Objects that differ in `rank` directions, and views that differ a little in all of them."""
    owner = np.repeat(np.arange(objects), views)
    x = rng.normal(size=(objects, rank)) @ np.linalg.qr(rng.normal(size=(d, rank)))[0].T
    return x[owner] + noise * rng.normal(size=(len(owner), d)), owner


def entropy_rank(p):
    p = p[p > 0] / p.sum()
    return float(np.prod(p**-p))


class TestClosedForms:
    @pytest.mark.parametrize(("rank", "expected"), [(1, 1.00), (4, 3.99), (16, 15.86)])
    def test_directions_in_which_objects_differ_are_counted(self, rank, expected):
        x, owner = viewed(np.random.default_rng(0), objects=1000, rank=rank)
        assert value(of(x, owner)) == pytest.approx(expected, abs=0.05)

    def test_a_direction_in_which_only_views_differ_changes_nothing(self):
        rng = np.random.default_rng(0)
        x, owner = viewed(rng, rank=4)
        loud = x + 30 * np.outer(rng.normal(size=len(x)), np.linalg.qr(rng.normal(size=(32, 1)))[0])
        # the mean of 8 views keeps an eighth of the loud direction's variance, whitened to 1 / 8 of a unit, beside 1e4
        assert value(of(loud, owner)) == pytest.approx(value(of(x, owner)), abs=0.15)

    def test_objects_that_are_all_alike_are_0_and_two_objects_1(self):
        assert value(of(np.ones((20, 3)), np.arange(20) % 5)) == 0
        rng = np.random.default_rng(0)
        assert value(of(rng.normal(size=(20, 3)), np.arange(20) % 2)) == pytest.approx(1)


class TestBesideScipy:
    @pytest.mark.parametrize(("objects", "d"), [(60, 8), (10, 40)])
    def test_the_eigenvalues_are_those_of_the_two_covariances(self, objects, d):
        rng = np.random.default_rng(0)
        x, owner = viewed(rng, objects=objects, views=4, d=d, rank=min(d, 6), noise=0.5)
        owner = owner[:-1]  # one object has a view less
        x = x[:-1].astype(np.float32).astype(float)
        means = np.stack([x[owner == o].mean(axis=0) for o in range(objects)])
        within = x - means[owner]
        pooled = within.T @ within / len(x) + 1e-4 * np.eye(d)
        expected = eigh(np.cov(means.T, bias=True), pooled, eigvals_only=True)[::-1][: min(d, objects - 1)]
        result = of(x, owner)
        np.testing.assert_allclose(result.eigenvalues, expected, rtol=1e-5, atol=1e-8 * expected[0])
        assert value(result) == pytest.approx(entropy_rank(expected), rel=1e-4)

    def test_without_a_tenth_of_the_objects_it_is_the_score_of_the_others(self):
        from sslviz.statistics import delete_groups

        x, owner = viewed(np.random.default_rng(0), objects=40, noise=0.3)
        group = delete_groups(40, 10, 0)
        rests = [value(of(x[(group != g)[owner]], owner[(group != g)[owner]])) for g in range(10)]
        np.testing.assert_allclose(of(x, owner).replicates["lidar"], rests, rtol=1e-6)


class TestInvariances:
    def test_order_names_rotation_and_place_do_not_matter(self):
        rng = np.random.default_rng(0)
        x, owner = viewed(rng)
        order = rng.permutation(len(x))
        turned = (x @ np.linalg.qr(rng.normal(size=(32, 32)))[0] + 4)[order]
        names = np.array([f"image {o}" for o in owner])[order]
        assert value(of(turned, names)) == pytest.approx(value(of(x, owner)), rel=1e-4)

    def test_scale_does_not_matter_once_delta_follows(self):
        x, owner = viewed(np.random.default_rng(0), noise=0.3)
        assert value(of(10 * x, owner, delta=1e-2)) == pytest.approx(value(of(x, owner)), rel=1e-5)


class TestControl:
    def test_views_that_say_nothing_read_the_control_and_the_interval_holds_it(self):
        held, values, controls = 0, [], []
        for seed in range(100):
            rng = np.random.default_rng(seed)
            score = of(rng.normal(size=(240, 8)), np.repeat(np.arange(60), 4)).scores()["lidar"]
            values.append(score.value)
            controls.append(score.control)
        for seed in range(100):
            rng = np.random.default_rng(seed)
            score = of(rng.normal(size=(240, 8)), np.repeat(np.arange(60), 4)).scores()["lidar"]
            held += score.low <= np.mean(values) <= score.high
        assert np.mean(values) == pytest.approx(np.mean(controls), rel=0.01)
        print(f"lidar: the interval holds the expectation in {held} of 100 samples")
        assert held >= 90

    def test_it_is_a_ceiling_that_low_rank_objects_stay_below(self):
        score = of(*viewed(np.random.default_rng(0))).scores()["lidar"]
        assert score.control_is == "ceiling" and score.beats_control is None
        assert score.high < 5 < 20 < score.control < 32


class TestBadInput:
    def test_rows_without_objects_are_refused_and_the_column_is_named(self):
        with pytest.raises(ValueError, match="a column 'object'.*the columns are: label"):
            lidar(Features.from_array(np.eye(4), table={"label": list("abcd")}))

    @pytest.mark.parametrize(
        ("owner", "says"),
        [
            (["a", "a", "a", "a"], "got 1 objects, 0 of them with a single view"),
            (["a", "a", "b", "c"], "got 3 objects, 2 of them with a single view"),
            (["a", "a", "b", None], "2 objects, 1 of them with a single view, and 1 rows without one"),
        ],
    )
    def test_single_views_single_objects_and_gaps_are_refused(self, owner, says):
        with pytest.raises(ValueError, match=says):
            lidar(Features.from_array(np.eye(4), table=pd.DataFrame({"object": owner})))

    def test_delta_must_be_positive(self):
        with pytest.raises(ValueError, match="delta > 0"):
            of(np.eye(4), list("aabb"), delta=0)

    def test_few_objects_have_no_interval(self):
        assert of(*viewed(np.random.default_rng(0), objects=19)).scores()["lidar"].low is None
        assert of(*viewed(np.random.default_rng(0), objects=20)).scores()["lidar"].low is not None


def test_it_is_stored_and_read_back_whole(tmp_path):
    result = of(*viewed(np.random.default_rng(0)))
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Lidar).scores() == result.scores()
