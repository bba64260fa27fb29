from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from sslviz.diagnostics.neighbors.neighbors import neighbors, overlap, unit_rows
from sslviz.diagnostics.projection.displacement import OTHER_SEED, RANDOM_PAIRS, displacement
from sslviz.diagnostics.projection.projection import aligned_projections, projection
from sslviz.diagnostics.projection.projection_strip import projection_strip
from sslviz.diagnostics.projection.quality import align, map_chance, map_quality, seed_agreement
from sslviz.features import Features
from sslviz.runtime.memory_cache import cache

K = 15
SCORES = {"trustworthiness", "continuity", "knn_preservation"}


def blobs(n=300, d=20, classes=3, shift=6.0, seed=0, prefix=""):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label]
    return Features.from_array(x, table={"label": label}, ids=[f"{prefix}{i}" for i in range(n)])


def unit(features):
    return unit_rows(features.x.astype(float))


def rotated(xy, degrees, *, mirrored=False):
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return xy @ turn * ([1, -1] if mirrored else [1, 1])


class TestQuality:
    @pytest.mark.parametrize(("n", "k"), [(200, 5), (2100, 15)])  # the second in more than one block
    def test_equals_scikit_learn_and_continuity_is_trust_the_other_way_round(self, n, k):
        features = blobs(n)
        x, xy = unit(features), np.random.default_rng(1).normal(size=(n, 2)) + unit(features)[:, :2] * 3
        quality = map_quality(x, {"": xy}, neighbors(features, k).indices)[""]
        assert quality["trustworthiness"].mean() == pytest.approx(trustworthiness(x, xy, n_neighbors=k), abs=1e-12)
        assert quality["continuity"].mean() == pytest.approx(trustworthiness(xy, x, n_neighbors=k), abs=1e-12)
        cosine = trustworthiness(features.x.astype(float), xy, n_neighbors=k, metric="cosine")
        assert quality["trustworthiness"].mean() == pytest.approx(cosine, abs=1e-12)

    def test_a_map_that_loses_nothing_is_perfect_and_a_reversed_one_is_worthless(self):
        xy = np.random.default_rng(0).normal(size=(120, 2))
        near = neighbors(Features.from_array(xy), 10, metric="euclidean").indices
        for values in map_quality(xy, {"itself": rotated(3 * xy, 40)}, near)["itself"].values():
            np.testing.assert_array_equal(values, 1)
        line = np.arange(101.0)[:, None]
        farthest = np.argsort(-np.abs(line - line.T), axis=1)[:, :10]  # the nearest of a map that turns near into far
        of_ends = map_quality(line, {"": np.hstack([line, line])}, farthest)[""]
        assert of_ends["continuity"][[0, -1]] == pytest.approx(0, abs=0.06) and of_ends["knn_preservation"][0] == 0

    def test_random_maps_score_the_closed_form(self):
        n, features = 200, blobs(200)
        near = neighbors(features, K).indices
        rng = np.random.default_rng(0)
        maps = {str(i): rng.normal(size=(n, 2)) for i in range(60)}
        quality = map_quality(unit(features), maps, near)
        for score, chance in map_chance(n, K).items():
            means = [points[score].mean() for points in quality.values()]
            assert np.mean(means) == pytest.approx(chance, abs=4 * np.std(means) / np.sqrt(60))

    def test_maps_are_scored_together_as_they_are_alone(self):
        features = blobs(100)
        near = neighbors(features, 5).indices
        maps = {str(i): np.random.default_rng(i).normal(size=(100, 2)) for i in range(3)}
        together = map_quality(unit(features), maps, near)
        for name, xy in maps.items():
            for score, values in map_quality(unit(features), {name: xy}, near)[name].items():
                np.testing.assert_array_equal(together[name][score], values)

    def test_ranks_on_a_map_are_counted_exactly_with_equal_ones_sharing_the_lowest(self):
        """On a grid of whole numbers many are equally far away, or at the same place."""
        from sslviz.diagnostics.projection.quality import _ranks_on_map

        rng = np.random.default_rng(0)
        xy = rng.integers(0, 6, size=(150, 2)).astype(np.float32)
        members = (np.arange(150)[:, None] + rng.integers(1, 150, size=(150, 9))) % 150
        square = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
        for i in range(150):
            others = np.delete(square[i], i)
            expected = [1 + (others < square[i, j]).sum() for j in members[i]]
            np.testing.assert_array_equal(_ranks_on_map(xy, members)[i], expected)

    def test_points_in_one_place_are_each_others_neighbours(self):
        near = neighbors(blobs(60), 5).indices
        quality = map_quality(unit(blobs(60)), {"": np.zeros((60, 2))}, near)[""]
        assert all(np.isfinite(values).all() for values in quality.values())


class TestAlign:
    IDS = np.arange(50).astype(str)
    XY = np.random.default_rng(0).normal(size=(50, 2)) * [3, 1]

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_undoes_turning_mirroring_scaling_and_shifting(self, mirrored):
        moved = rotated(7 * self.XY, 130, mirrored=mirrored) + [100, -3]
        np.testing.assert_allclose(align(moved, self.IDS, self.XY, self.IDS), self.XY, atol=1e-5)

    def test_finds_the_common_images_in_any_order(self):
        order = np.random.default_rng(1).permutation(50)
        shown = order[:20]  # the reference shows 20 of them
        aligned = align(rotated(self.XY, 70), self.IDS, self.XY[shown], self.IDS[shown])
        np.testing.assert_allclose(aligned, self.XY, atol=1e-5)

    def test_keeps_the_size_of_a_map_that_has_nothing_in_common(self):
        other = np.random.default_rng(9).normal(size=(50, 2)) * 40
        aligned = align(other, self.IDS, self.XY, self.IDS)
        assert aligned.var(axis=0).sum() == pytest.approx(self.XY.var(axis=0).sum(), rel=1e-4)

    def test_needs_three_common_images(self):
        with pytest.raises(ValueError, match="3 common images or more; these share 2"):
            align(self.XY, self.IDS, self.XY[:2], self.IDS[:2])


def test_seeds_that_agree_have_no_spread_and_share_all_neighbours():
    xy = np.random.default_rng(0).normal(size=(200, 2))
    agreement, spread = seed_agreement([xy, rotated(2 * xy, 30), rotated(xy, 60, mirrored=True)], K)
    np.testing.assert_array_equal(agreement, 1)
    np.testing.assert_allclose(spread, 0, atol=1e-6)
    unrelated, wide = seed_agreement([np.random.default_rng(i).normal(size=(200, 2)) for i in range(8)], K)
    assert unrelated.mean() == pytest.approx(K / 199, rel=0.15) and wide.mean() > 0.5


class TestPCA:
    def test_is_that_of_scikit_learn_up_to_sign(self):
        features = blobs()
        xy, oracle = projection(features, "pca").xy, PCA(2).fit_transform(unit(features))
        np.testing.assert_allclose(np.abs(xy), np.abs(oracle), atol=1e-5)

    def test_scores_beside_chance_and_the_null_map(self):
        features = blobs()
        result = projection(features, "pca")
        scores = result.scores()
        assert set(scores) == SCORES and result.stability is None and result.method == "pca" and result.k == K
        for name, score in scores.items():
            assert set(score.controls) == {"chance", "null map"}
            assert score.low < score.value < score.high
            assert score.controls["chance"] == pytest.approx(map_chance(300, K)[name])
        oracle = trustworthiness(unit(features), result.xy, n_neighbors=K)
        assert scores["trustworthiness"].value == pytest.approx(oracle, abs=1e-6)
        assert scores["trustworthiness"].value == pytest.approx(result.trustworthiness.mean())

    def test_a_gaussian_scores_as_its_null_map_does(self):
        """Where there is nothing but a covariance, map and null map are two draws of the same thing."""
        beaten = 0
        for seed in range(12):
            x = np.random.default_rng(seed).normal(size=(200, 12)) * np.arange(1, 13.0) ** -0.5 + 0.3
            scores = projection(Features.from_array(x), "pca", control_seed=seed).scores()
            assert scores["trustworthiness"].value == pytest.approx(
                scores["trustworthiness"].controls["null map"], abs=0.06
            )
            beaten += scores["trustworthiness"].value > scores["trustworthiness"].controls["null map"]
        assert 1 <= beaten <= 11

    def test_lies_on_the_map_it_is_to_be_like(self):
        features = blobs()
        first = projection(features, "pca")
        turned = Features.from_array(features.x[::-1, ::-1], ids=features.ids[::-1], table=features.table)
        np.testing.assert_allclose(projection(turned, "pca", like=first).xy[::-1], first.xy, atol=1e-3)

    def test_takes_a_larger_graph_that_is_there(self):
        features = blobs()
        given = projection(features, "pca", graph=neighbors(features, 40))
        np.testing.assert_array_equal(given.continuity, projection(features, "pca").continuity)
        for wrong in (neighbors(features, 40, metric="euclidean"), neighbors(blobs(prefix="other"), 40)):
            with pytest.raises(ValueError, match="of other images or not by cosine"):
                projection(features, "pca", graph=wrong)

    def test_leaves_the_features_alone(self):
        features = blobs()
        before = features.x.copy()
        one, again = projection(features, "pca"), projection(features, "pca")
        np.testing.assert_array_equal(features.x, before)
        np.testing.assert_array_equal(one.null_xy, again.null_xy)
        assert (one.null_xy != projection(features, "pca", control_seed=1).null_xy).any()

    def test_each_image_has_its_share_of_the_scores(self):
        result = projection(blobs(), "pca")
        assert set(result.per_image()) == SCORES
        for name, values in result.per_image().items():
            assert values.shape == (300,) and result.scores()[name].value == pytest.approx(values.mean())
        assert result.scores() is result.scores()

    def test_a_random_map_is_reliable_nowhere_and_a_faithful_one_everywhere(self):
        """At the 95 % point of chance: counted by drawing neighbourhoods, not from the formula."""
        result = projection(blobs(), "pca")
        rng = np.random.default_rng(0)
        near = neighbors(blobs(), K).indices
        kept = np.concatenate(
            [
                overlap(near, map_rows)
                for map_rows in (
                    np.argsort(rng.random((300, 300)) + 10 * np.eye(300), axis=1)[:, :K] for _ in range(40)
                )
            ]
        )
        by_chance = replace(result, preservation=kept[:12_000], ids=result.ids)
        assert 0.005 < by_chance.reliable.mean() <= 0.05
        assert replace(result, preservation=np.ones(300)).reliable.all()
        assert not replace(result, preservation=np.zeros(300)).reliable.any()

    def test_repeated_images_and_a_space_of_heaps_are_mapped(self):
        x = np.repeat(np.random.default_rng(0).normal(size=(20, 6)), 5, axis=0)
        result = projection(Features.from_array(x), "pca")
        assert all(np.isfinite(v).all() and v.min() >= 0 and v.max() <= 1 for v in result.per_image().values())


@pytest.fixture(scope="module")
def result():
    return projection(blobs())


@pytest.mark.slow
class TestUMAP:
    def test_shows_planted_clusters_and_scores_them_beside_their_controls(self, result):
        scores = result.scores()
        assert set(scores) == SCORES | {"seed_stability"}
        for name, score in scores.items():
            expected = {"chance", "null map"} | ({"PCA"} if name in SCORES else set())
            assert set(score.controls) == expected and 0 <= score.low <= score.value <= score.high <= 1
            assert score.value > 2 * score.controls["chance"] or name in ("trustworthiness", "continuity")
        label = blobs().column("label")
        nearest = neighbors(Features.from_array(result.xy), 1, metric="euclidean").indices[:, 0]
        assert (label[nearest] == label).mean() > 0.95
        assert scores["trustworthiness"].value == pytest.approx(
            trustworthiness(unit(blobs()), result.xy, n_neighbors=K)
        )
        assert scores["trustworthiness"].controls["PCA"] == pytest.approx(
            projection(blobs(), "pca").scores()["trustworthiness"].value
        )
        assert result.xy.shape == result.null_xy.shape == (300, 2) and result.xy.dtype == np.float32
        assert result.spread.shape == result.stability.shape == (300,)
        assert {"numpy", "numba"} <= set(result.versions)

    def test_the_same_seed_gives_the_same_map_whatever_is_remembered(self, result):
        cache.clear()
        again = projection(blobs())
        for field in ("xy", "null_xy", "stability", "spread", "continuity"):
            np.testing.assert_array_equal(getattr(again, field), getattr(result, field))
        assert again.control_values == result.control_values
        projection(blobs(), min_dist=0.4), projection(blobs(), seed=3)
        np.testing.assert_array_equal(projection(blobs()).xy, result.xy)

    def test_another_seed_is_another_map_beside_the_same_controls(self, result):
        other = projection(blobs(), seed=1)
        assert (other.xy != result.xy).any() and np.array_equal(other.null_xy, result.null_xy)
        assert other.control_values == result.control_values
        assert projection(blobs(), control_seed=1).control_values != result.control_values

    def test_min_dist_loosens_the_map_and_its_null_map(self, result):
        loose = projection(blobs(), min_dist=0.9)
        for tight, other in ((result.xy, loose.xy), (result.null_xy, loose.null_xy)):
            gaps = [neighbors(Features.from_array(xy), 5, metric="euclidean").distances[:, -1] for xy in (tight, other)]
            assert np.median(gaps[1]) > 1.3 * np.median(gaps[0])

    def test_a_graph_that_is_given_is_used(self):
        features = blobs(100)
        ring = (np.arange(100)[:, None] + np.arange(1, 16)) % 100
        given = replace(neighbors(features, K), indices=ring.astype(np.int32))
        before = projection(features)
        assert (projection(features, graph=given).xy != before.xy).any()
        np.testing.assert_array_equal(projection(features).xy, before.xy)

    def test_points_stay_where_they_were_on_a_map_like_another(self, result):
        moved = Features.from_array(blobs().x + 0.1, table=pd.DataFrame(index=range(300)), ids=blobs().ids)
        alike = projection(moved.rows(np.arange(0, 300, 2)), like=result)
        alone = projection(moved.rows(np.arange(0, 300, 2)), seed=7)
        radius = np.sqrt(result.xy.var(axis=0).sum())
        shift = np.linalg.norm(alike.xy - result.xy[::2], axis=1).mean() / radius
        assert shift < 0.5 and alike.params["aligned"]
        assert shift < np.linalg.norm(alone.xy - result.xy[::2], axis=1).mean() / radius

    def test_a_space_of_one_direction_is_still_drawn(self):
        rng = np.random.default_rng(0)
        flat = np.outer(rng.normal(size=100), np.ones(6)) + np.arange(6.0)  # unit rows on an arc
        assert np.isfinite(projection(Features.from_array(flat)).xy).all()


class TestBadInput:
    @pytest.mark.parametrize("n", [10, 16, 30])
    def test_too_few_images_for_the_neighbours(self, n):
        with pytest.raises(ValueError, match=f"15 neighbours needs .* got {n}"):
            projection(blobs(n))

    @pytest.mark.parametrize("x", [np.ones((50, 4)), np.zeros((50, 4)), np.outer(np.arange(1, 51), np.ones(4))])
    def test_features_that_all_point_the_same_way(self, x):
        with pytest.raises(ValueError, match="All features point the same way.*nothing to map"):
            projection(Features.from_array(x))

    def test_too_many_images_to_draw(self):
        many = Features.from_array(np.zeros((100_000, 2)))
        with pytest.raises(ValueError, match="at most 99,999 images, but there are 100,000; draw a sample"):
            projection(many)

    @pytest.mark.parametrize("wrong", [{"min_dist": -0.1}, {"min_dist": 1.5}, {"epochs": 5}])
    def test_settings_that_umap_has_no_meaning_for(self, wrong):
        with pytest.raises(ValueError, match=r"min_dist in \[0, 1\] and 10 epochs or more"):
            projection(blobs(), **wrong)

    def test_maps_of_other_images_are_not_aligned(self):
        with pytest.raises(ValueError, match="same images in the same order.*'b'"):
            aligned_projections({"a": blobs(), "b": blobs(prefix="x")}, "pca")
        with pytest.raises(ValueError, match="dict is empty"):
            aligned_projections({})

    def test_a_displacement_needs_the_same_images_and_a_change_for_each(self):
        a, b = projection(blobs(), "pca"), projection(blobs(prefix="x"), "pca")
        with pytest.raises(ValueError, match="two maps of the same images"):
            displacement(a, b, np.zeros(300))
        for wrong in (np.zeros(299), np.full(300, 2.0), np.full(300, np.nan)):
            with pytest.raises(ValueError, match="share of changed neighbours"):
                displacement(a, a, wrong)

    def test_an_unknown_method(self):
        with pytest.raises(ValueError, match="no projection 'tsne'; there are: umap, umap-learn, torchdr, pca"):
            projection(blobs(), "tsne")


def drifting(steps=4, n=300, d=20, movers=20):
    """A space that turns a little from step to step, in which at last the first `movers` go to another cluster."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 5
    noise = rng.normal(size=(n, d))
    turn = np.linalg.qr(np.eye(d) + 0.03 * (lambda a: a - a.T)(rng.normal(size=(d, d))))[0]
    x = noise + 7 * np.eye(5, d)[label]
    found = {}
    for step in range(steps):
        x = x @ turn + 0.05 * rng.normal(size=(n, d))
        found[f"step {step}"] = Features.from_array(x)
    moved = x.copy()
    centers = np.stack([x[label == c].mean(axis=0) for c in range(5)])
    goal = (label[:movers] + 1) % 5
    moved[:movers] += centers[goal] - centers[label[:movers]]
    found["moved"] = Features.from_array(moved)
    return found, label, goal


@pytest.fixture(scope="module")
def family():
    spaces, label, goal = drifting()
    return spaces, aligned_projections(spaces), label, goal


def shift(a, b):
    """How far each point moved, in radii of the first map."""
    return np.linalg.norm(b.xy - a.xy, axis=1) / np.sqrt(a.xy.var(axis=0).sum())


@pytest.mark.slow
class TestAligned:
    def test_points_of_a_turning_space_stay_where_they_are(self, family):
        spaces, maps, _, _ = family
        assert list(maps) == list(spaces)
        names = [name for name in spaces if name != "moved"]
        steady = [np.median(shift(maps[a], maps[b])) for a, b in zip(names, names[1:], strict=False)]
        free = {name: projection(spaces[name], seed=i) for i, name in enumerate(names)}
        laid = {name: replace(m, xy=align(m.xy, m.ids, free[names[0]].xy, m.ids)) for name, m in free.items()}
        alone = [np.median(shift(laid[a], laid[b])) for a, b in zip(names, names[1:], strict=False)]
        assert max(steady) < 0.5 * min(alone) and min(alone) > 0.2

    def test_images_that_go_to_another_cluster_are_seen_to_go(self, family):
        spaces, maps, label, goal = family
        before, after = maps["step 3"], maps["moved"]
        moved = shift(before, after)
        assert np.median(moved[:20]) > 5 * np.median(moved[20:])
        stayed = np.arange(300) >= 20
        centers = np.stack([np.median(after.xy[stayed & (label == c)], axis=0) for c in range(5)])
        nearest = np.linalg.norm(after.xy[:20, None] - centers, axis=2).argmin(axis=1)
        assert (nearest == goal).mean() > 0.8

    def test_being_held_back_costs_little_faithfulness(self, family):
        spaces, maps, _, _ = family
        for name in ("step 3", "moved"):
            free = projection(spaces[name]).scores()["trustworthiness"].value
            assert maps[name].scores()["trustworthiness"].value > free - 0.02

    def test_displacement_tells_artefacts_from_hidden_changes(self, family):
        from sslviz.diagnostics.similarity.changed import changed

        spaces, maps, _, _ = family
        a, b = "step 3", "moved"
        result = displacement(maps[a], maps[b], changed(spaces[a], spaces[b]).change)
        scores = result.scores()
        assert set(scores["displacement"].controls) == {RANDOM_PAIRS, OTHER_SEED}
        assert scores["displacement"].value < scores["displacement"].controls[RANDOM_PAIRS]
        assert scores["map_tells_change"].low > 0
        assert sum(result.quadrants.values()) == pytest.approx(1)


def test_displacement_of_a_turned_map_is_none_and_of_an_unrelated_one_that_of_random_pairs():
    a = projection(blobs(), "pca")
    turned = replace(a, xy=rotated(3 * a.xy, 50)[::-1].astype(np.float32) + 9, ids=a.ids[::-1])
    none = displacement(a, turned, np.zeros(300))
    np.testing.assert_allclose(none.moved, 0, atol=1e-5)
    assert none.by_seed is None and none.quadrants["stayed, same neighbours"] == 1
    assert none.scores()["map_tells_change"].value == 0
    other = replace(a, xy=np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32))
    apart = displacement(a, other, np.ones(300)).scores()["displacement"]
    assert apart.value == pytest.approx(apart.controls[RANDOM_PAIRS], rel=0.1)


def test_how_far_seeds_move_points_is_read_off_their_spread():
    """Three noisy copies of a map, twice: any two copies are as far apart as the two results together say."""
    rng = np.random.default_rng(0)
    a = projection(blobs(), "pca")
    radius = np.sqrt(a.xy.var(axis=0).sum())
    copies = [a.xy + 0.05 * radius * rng.normal(size=(300, 2)) for _ in range(6)]
    spreads = [seed_agreement(copies[:3], K)[1], seed_agreement(copies[3:], K)[1]]
    one, two = (
        replace(a, xy=c.astype(np.float32), spread=s) for c, s in zip((copies[0], copies[3]), spreads, strict=True)
    )
    found = displacement(one, two, np.zeros(300))
    assert found.by_seed == pytest.approx(np.sqrt((found.moved**2).mean()), rel=0.1)


def test_displacement_follows_change_where_it_is_made_to():
    a = projection(blobs(), "pca")
    change = np.linspace(0, 1, 300)
    ways = np.random.default_rng(0).normal(size=(300, 2))
    moved = a.xy + 0.2 * change[:, None] * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    score = displacement(a, replace(a, xy=moved.astype(np.float32)), change).scores()["map_tells_change"]
    assert score.value > 0.9 and score.low > 0.8
    unrelated = [
        displacement(a, replace(a, xy=moved.astype(np.float32)), np.random.default_rng(s).permutation(change)).scores()
        for s in range(100)
    ]
    alarms = np.mean([s["map_tells_change"].beats_control for s in unrelated])
    assert alarms <= 0.1


@pytest.mark.slow
def test_a_strip_has_a_scored_map_for_every_setting():
    features = blobs(400)
    strip = projection_strip(features, (5, 15), (0.0, 0.5), most=200)
    assert list(strip) == [(5, 0.0), (5, 0.5), (15, 0.0), (15, 0.5)]
    for (nearest, min_dist), result in strip.items():
        assert (result.params["n_neighbors"], result.params["min_dist"], result.k) == (nearest, min_dist, 15)
        assert len(result.ids) == 200 and set(result.ids) < set(features.ids) and result.stability is None
        assert set(result.scores()["trustworthiness"].controls) == {"chance", "PCA", "null map"}
        x = unit(features.select(result.ids))
        assert result.scores()["trustworthiness"].value == pytest.approx(trustworthiness(x, result.xy, n_neighbors=15))
    sample = features.select(strip[15, 0.5].ids)
    alone = projection(sample, min_dist=0.5)
    np.testing.assert_array_equal(strip[15, 0.5].xy, alone.xy)
    np.testing.assert_array_equal(strip[15, 0.5].null_xy, alone.null_xy)
    with pytest.raises(ValueError, match="50 neighbours needs"):
        projection_strip(blobs(80), (5, 50))
