"""Maps by umap-learn itself: our loop's steps and maps are as good, and both stand beside the same controls."""

import random
import sys
import warnings

import numpy as np
import pytest

from sslviz.diagnostics.neighbors.neighbors import neighbors
from sslviz.diagnostics.projection.projection import aligned_projections, projection
from sslviz.diagnostics.projection.space import Space
from sslviz.diagnostics.projection.umap_layout import LayoutJob, curve, edges, fuzzy_weights, layouts, stretched
from sslviz.diagnostics.projection.umap_learn_layout import UmapLearnJob, umap_learn_graph
from sslviz.features import Features

N, D, K, SEEDS = 600, 16, 15, 6
pytestmark = pytest.mark.slow  # umap-learn is imported and compiled: 15 seconds


def clusters(rng):
    return rng.normal(size=(N, D)) + 4 * np.eye(5, D)[np.arange(N) % 5]


def noise(rng):
    return rng.normal(size=(N, D))


def band(rng):
    """A strip along a circle, with noise in all directions."""
    angle = rng.uniform(0, 2 * np.pi, N)
    x = 0.1 * rng.normal(size=(N, D))
    x[:, :3] += np.stack([np.cos(angle), np.sin(angle), rng.normal(size=N)], axis=1)
    return x


@pytest.fixture(scope="module")
def features():
    return Features.from_array(clusters(np.random.default_rng(0)))


@pytest.fixture(scope="module")
def made(features):
    return projection(features, "umap-learn")


def job(features, **changes):
    space = Space.of(features, K)
    given = {"graph": space.graph, "start": space.pca, "min_dist": 0.1, "epochs": 40, "seed": 0}
    return UmapLearnJob(**given | changes)


@pytest.mark.parametrize("shape", [clusters, noise, band])
def test_our_loop_is_as_good_as_the_reference_within_the_spread_over_seeds(shape):
    """The contract by which "umap" stays our own loop.  Means of six seeds each, apart by less than twice what seeds differ."""
    space = Space.of(Features.from_array(shape(np.random.default_rng(0))), K)
    maps = {
        f"{make.__name__} {seed}": make(space, K, 0.1, 200, seed).layout()
        for make in (Space.umap_job, Space.umap_learn_job)
        for seed in range(SEEDS)
    }
    quality = list(space.quality(maps).values())
    for score in ("trustworthiness", "continuity", "knn_preservation"):
        ours, theirs = np.split(np.array([points[score].mean() for points in quality]), 2)
        spread = max(ours.std(ddof=1), theirs.std(ddof=1))
        print(f"{shape.__name__}: {score} ours {ours.mean():.4f}, umap-learn {theirs.mean():.4f}, seeds {spread:.4f}")
        assert abs(ours.mean() - theirs.mean()) < 2 * spread, score


def test_it_stands_beside_the_same_controls(features, made):
    ours = projection(features)
    assert made.method == "umap-learn" and {"umap-learn", "numba"} <= set(made.versions)
    for name, score in made.scores().items():
        other = ours.scores()[name]
        assert set(score.controls) == set(other.controls)
        for shared in {"chance", "PCA"} & set(score.controls):
            assert score.controls[shared] == other.controls[shared]
        near = 0.15 if name == "seed_stability" else 0.05  # the first is of two layouts only
        assert score.controls["null map"] == pytest.approx(other.controls["null map"], abs=near)
    assert made.null_xy.shape == (N, 2) and made.stability is not None


def test_it_starts_from_our_start(features):
    """umap-learn brings a start to [0, 10] on each axis, as `stretched` has done already."""
    start = stretched(Space.of(features, K).pca, warm=False)
    still = job(features, min_dist=0.5, epochs=1).layout()
    assert np.corrcoef(start[:, 0], still[:, 0])[0, 1] > 0.9


def test_the_same_seed_gives_the_same_map_and_another_another(features):
    first, again, other = (job(features, seed=s).layout() for s in (0, 0, (0, 1)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 and first.dtype == np.float32


def test_generators_stay_as_they_were(features):
    before = random.getstate(), np.random.get_state()[1].copy()
    job(features).layout()
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_repeated_images_and_a_flat_start_are_laid_out(features):
    x = np.concatenate([features.x[:300], features.x[:20], np.zeros((2, D))])
    assert np.isfinite(projection(Features.from_array(x), "umap-learn", epochs=40).xy).all()
    flat = job(features, start=np.stack([np.arange(N), np.zeros(N)], axis=1).astype(np.float32)).layout()
    assert np.isfinite(flat).all() and flat[:, 1].std() > 0.1


def test_a_map_like_another_starts_from_it(features):
    moved = Features.from_array(features.x + 0.1 * np.random.default_rng(1).standard_normal(features.x.shape))
    maps = aligned_projections({"a": features, "b": moved}, "umap-learn")
    radius = np.sqrt(maps["a"].xy.var(axis=0).sum())
    apart = np.linalg.norm(maps["a"].xy - maps["b"].xy, axis=1)
    assert np.median(apart) < 0.2 * radius


def test_a_graph_that_is_given_is_used(features):
    given = neighbors(features, 40)
    np.testing.assert_array_equal(job(features, graph=given.nearest(K)).layout(), job(features).layout())


def test_the_package_is_imported_only_where_it_lays_out():
    import subprocess

    code = "import sys, numpy as np, sslviz\nf = sslviz.Features.from_array(np.random.default_rng(0).normal(size=(50, 4)))\n"
    code += "sslviz.projection(f), sslviz.projection(f, 'pca')\nassert 'umap' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def three_classes(n=400, d=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 4 * np.eye(3, d)[np.arange(n) % 3]
    x[7] = x[3]  # a repeated image
    return Features.from_array(x)


class TestStepsAgainstUmapLearn:
    @pytest.mark.parametrize("k", [3, K])
    def test_weights(self, k):
        graph = neighbors(three_classes(), k)
        np.testing.assert_allclose(fuzzy_weights(graph).toarray(), umap_learn_graph(graph).toarray(), atol=2e-4)

    @pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5, 0.99])
    def test_curve(self, min_dist):
        from umap.umap_ import find_ab_params

        np.testing.assert_allclose(curve(min_dist), find_ab_params(1.0, min_dist), rtol=1e-6)

    def test_how_often_each_edge_is_drawn_together(self):
        from umap.umap_ import make_epochs_per_sample

        weights = fuzzy_weights(neighbors(three_classes(), K))
        ours, graph = edges(weights, 50), weights.tocoo()
        expected = make_epochs_per_sample(graph.data, 50)[graph.data >= graph.data.max() / 50]
        np.testing.assert_allclose(np.sort(ours.every), np.sort(expected), rtol=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_epochs_of_attraction_and_repulsion(self, seed):
        """After one epoch the two agree to rounding and to the tables' 1e-4.  What is left of that grows a hundredfold in the
        next, so that two epochs are held to how far umap-learn comes from itself when its start is off by as little, five
        times."""
        from umap.layouts import optimize_layout_euclidean

        from sslviz.diagnostics.projection.umap_loops import move, tables

        a, b = curve(0.1)
        drawn = edges(fuzzy_weights(neighbors(three_classes(), K)), 20)
        rng = np.random.default_rng(seed)
        start = rng.uniform(0, 10, size=(400, 2)).astype(np.float32)
        seeds = np.array([11, -22, 33])

        def theirs(start, epochs):
            xy = start.copy()
            every = drawn.every.copy()
            optimize_layout_euclidean(
                xy, xy, drawn.head, drawn.tail, epochs + 1, 400, every, a, b, seeds, move_other=True
            )
            return xy

        def ours(epochs):
            xy, states = start.copy(), seeds + start[:, 0].astype(np.float64).view(np.int64)[:, None]
            move(
                xy,
                states,
                drawn.head,
                drawn.tail,
                drawn.every,
                drawn.every.copy(),
                drawn.every / 5,
                *tables(a, b),
                0,
                epochs + 1,
                epochs + 1,
            )
            return xy

        def apart(a, b):
            return np.abs(a - b).max(axis=1)

        one, two = apart(ours(1), theirs(start, 1)), apart(ours(2), theirs(start, 2))
        assert (apart(theirs(start, 2), start) > 0.5).mean() > 0.9
        assert np.median(one) < 5e-5 and (one < 1e-3).mean() > 0.95

        def nudged():
            off = rng.normal(0, np.median(one), size=400).astype(np.float32)
            return start + np.stack(
                [np.zeros(400, np.float32), off], axis=1
            )  # the first coordinate seeds the numbers drawn

        own = [apart(theirs(nudged(), 2), theirs(start, 2)) for _ in range(5)]
        assert np.median(two) < 2 * max(np.median(far) for far in own)
        assert (two < 0.1).mean() > min((far < 0.1).mean() for far in own) - 0.1

    def test_the_same_scores_as_umap_learns_class(self):
        import umap
        from sklearn.manifold import trustworthiness

        f = three_classes(600)
        start = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
        job = LayoutJob(edges(fuzzy_weights(neighbors(f, K)), 200), start, 0.1, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of umap-learn, that a seed leaves it one thread
            other = [
                umap.UMAP(metric="cosine", n_epochs=200, init=start, random_state=s).fit_transform(f.x) for s in (0, 1)
            ]
        ours = [next(layouts([LayoutJob(job.edges, start, 0.1, s)])) for s in (0, 1)]
        score = [trustworthiness(f.x, xy, n_neighbors=K, metric="cosine") for xy in (*ours, *other)]
        assert abs(np.mean(score[:2]) - np.mean(score[2:])) < 0.02
        spread = [np.sqrt(xy.var(axis=0).sum()) for xy in (*ours, *other)]
        assert np.mean(spread[:2]) == pytest.approx(np.mean(spread[2:]), rel=0.25)
