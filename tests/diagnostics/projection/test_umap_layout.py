"""UMAP's steps: what they are by definition, and that they do not depend on what else is going on.

That they are umap-learn's is tested beside its own maps, where the package is imported and compiled once for both.
"""

import numpy as np
import pytest

from sslviz.diagnostics.neighbors.neighbors import Neighbors, neighbors
from sslviz.diagnostics.projection.umap_layout import Edges, LayoutJob, edges, fuzzy_weights, layouts
from sslviz.features import Features
from sslviz.runtime.memory_cache import MemoryCache

K = 15


def features(n=400, d=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 4 * np.eye(3, d)[np.arange(n) % 3]
    x[7] = x[3]  # a repeated image
    return Features.from_array(x)


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
