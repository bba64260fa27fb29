"""UMAP's steps: are they umap-learn's, and do they not depend on what else is going on?"""

import warnings

import numpy as np
import pytest

from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors
from sslviz.diagnostics.projection.umap_layout import Edges, LayoutJob, curve, edges, fuzzy_weights, layouts
from sslviz.diagnostics.projection.umap_learn_layout import umap_learn_graph
from sslviz.features import Features
from sslviz.runtime.memory_cache import MemoryCache

K = 15


def features(n=400, d=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 4 * np.eye(3, d)[np.arange(n) % 3]
    x[7] = x[3]  # a repeated image
    return Features.from_array(x)


@pytest.mark.slow  # umap-learn is imported and compiled
class TestAgainstUmapLearn:
    @pytest.mark.parametrize("k", [3, K])
    def test_weights(self, k):
        graph = neighbors(features(), k)
        np.testing.assert_allclose(fuzzy_weights(graph).toarray(), umap_learn_graph(graph).toarray(), atol=2e-4)

    @pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5, 0.99])
    def test_curve(self, min_dist):
        from umap.umap_ import find_ab_params

        np.testing.assert_allclose(curve(min_dist), find_ab_params(1.0, min_dist), rtol=1e-6)

    def test_how_often_each_edge_is_drawn_together(self):
        from umap.umap_ import make_epochs_per_sample

        weights = fuzzy_weights(neighbors(features(), K))
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
        drawn = edges(fuzzy_weights(neighbors(features(), K)), 20)
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

        f = features(600)
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


def test_weights_of_a_row_sum_to_the_logarithm_of_k_and_the_nearest_has_one():
    """On a ring where everyone's neighbours are the next ones, nobody is named back and the union adds nothing."""
    n, k = 60, 8
    indices = (np.arange(n)[:, None] + np.arange(1, k + 1)) % n
    distances = np.sort(np.random.default_rng(0).uniform(0.1, 2, size=(n, k)), axis=1).astype(np.float32)
    ids = np.arange(n).astype(str)
    weights = fuzzy_weights(Neighbors(indices.astype(np.int32), distances, ids, ids, "cosine", 0)).toarray()
    np.testing.assert_array_equal(weights, weights.T)
    one_way = np.take_along_axis(weights, indices, axis=1)
    assert (one_way[:, -1] == 0).all()  # k - 1 others: a point counts among its own k
    assert (one_way[:, 0] == 1).all() and (np.diff(one_way, axis=1) <= 0).all()
    np.testing.assert_allclose(one_way.sum(axis=1), np.log2(k), atol=1e-9)


def job(seed=0, **changes):
    drawn = edges(fuzzy_weights(neighbors(features(), K)), 60)
    start = np.random.default_rng(5).normal(size=(400, 2)).astype(np.float32)
    return LayoutJob(**{"edges": drawn, "start": start, "min_dist": 0.3, "seed": seed} | changes)


def test_layouts_do_not_depend_on_how_many_there_are():
    together = list(layouts([job(s) for s in range(5)]))
    for s in (0, 3):
        np.testing.assert_array_equal(together[s], next(layouts([job(s)])))
    assert not np.array_equal(together[0], together[1])


def test_what_is_remembered_is_what_would_be_made_again(monkeypatch):
    from sslviz.diagnostics.projection import umap_layout as layout

    monkeypatch.setattr(layout, "cache", MemoryCache(2**26))
    first = next(layouts([job(name="a")]))
    second = next(layouts([job(name="a", min_dist=0.8)]))  # from the coarse layout that both have in common
    monkeypatch.setattr(layout, "cache", MemoryCache(0))
    np.testing.assert_array_equal(next(layouts([job(name="a")])), first)
    np.testing.assert_array_equal(next(layouts([job(name="a", min_dist=0.8)])), second)


def test_min_dist_packs_neighbours_as_if_it_had_counted_from_the_beginning(monkeypatch):
    """The last quarter is enough: distances to the nearest are what they are when it counts in every epoch."""
    from sslviz.diagnostics.projection import umap_layout as layout

    drawn = edges(fuzzy_weights(neighbors(features(), K)), 200)

    def packed(min_dist):
        xys = list(layouts([job(s, min_dist=min_dist, edges=drawn, name="b") for s in range(3)]))
        return np.mean(
            [np.median(neighbors(Features.from_array(xy), 5, metric="euclidean").distances[:, -1]) for xy in xys]
        )

    monkeypatch.setattr(layout, "cache", MemoryCache(0))
    short = {m: packed(m) for m in (0.0, 0.8)}
    monkeypatch.setattr(layout, "COARSE", 0.0)
    assert short[0.8] > 2 * short[0.0]
    for m, value in short.items():
        assert value == pytest.approx(packed(m), rel=0.15)


def test_an_axis_without_extent_and_points_in_one_place_are_laid_out():
    start = np.zeros((400, 2), np.float32)
    start[:, 0] = np.arange(400) // 100
    assert np.isfinite(next(layouts([job(start=start)]))).all()


def test_edges_too_weak_for_so_few_epochs_play_no_part():
    weights = fuzzy_weights(neighbors(features(), K))
    few, many = edges(weights, 10), edges(weights, 10**6)
    assert isinstance(few, Edges) and len(few.head) < len(many.head) == weights.nnz
    assert few.every.min() == 1 and few.every.max() <= 10
