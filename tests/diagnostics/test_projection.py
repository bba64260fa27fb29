import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from sslviz.diagnostics.map_quality import align, map_chance, map_quality, seed_agreement
from sslviz.diagnostics.neighbors import directions, neighbors
from sslviz.diagnostics.projection import projection
from sslviz.features import Features

K = 15
SCORES = {"trustworthiness", "continuity", "knn_preservation"}


def blobs(n=300, d=20, classes=3, shift=6.0, seed=0, prefix=""):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    x = rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label]
    return Features.from_array(x, table={"label": label}, ids=[f"{prefix}{i}" for i in range(n)])


def unit(features):
    return directions(features.x.astype(float))


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
        for seed in range(20):
            x = np.random.default_rng(seed).normal(size=(200, 12)) * np.arange(1, 13.0) ** -0.5 + 0.3
            scores = projection(Features.from_array(x), "pca", seed=seed).scores()
            assert scores["trustworthiness"].value == pytest.approx(
                scores["trustworthiness"].controls["null map"], abs=0.06
            )
            beaten += scores["trustworthiness"].value > scores["trustworthiness"].controls["null map"]
        assert 3 <= beaten <= 17

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
        assert (one.null_xy != projection(features, "pca", seed=1).null_xy).any()


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
        assert {"umap-learn", "numba"} <= set(result.versions)

    @pytest.mark.filterwarnings("ignore::UserWarning:umap")
    def test_equals_umap_learns_own_class_fed_with_the_same_neighbours(self, result):
        import umap

        features, graph = blobs(), neighbors(blobs(), K)
        knn = (
            np.hstack([np.arange(300)[:, None], graph.indices[:, : K - 1]]),
            np.hstack([np.zeros((300, 1), np.float32), graph.distances[:, : K - 1]]),
        )
        ours = projection(features, epochs=20, graph=graph)
        pca = projection(features, "pca").xy
        jitter = np.random.default_rng(0).standard_normal((300, 2)) * 1e-4 * np.ptp(pca, axis=0).max()
        theirs = umap.UMAP(
            n_neighbors=K, metric="cosine", n_epochs=20, random_state=0, init=(pca + jitter).astype(np.float32),
            precomputed_knn=knn,
        ).fit_transform(features.x)  # fmt: skip
        np.testing.assert_allclose(ours.xy, theirs, atol=1e-3)

    def test_the_same_seed_gives_the_same_map(self, result):
        np.testing.assert_array_equal(projection(blobs()).xy, result.xy)

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

    def test_an_unknown_method(self):
        with pytest.raises(ValueError, match="no projection 'tsne'; there are: umap, pca"):
            projection(blobs(), "tsne")
