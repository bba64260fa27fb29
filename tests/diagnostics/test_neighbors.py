import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sslviz.diagnostics.neighbors import directions, neighbor_ranks, neighbors, overlap
from sslviz.features import Features


def features(n=400, d=32, seed=0, shift=1.0):
    return Features.from_array(np.random.default_rng(seed).normal(size=(n, d)) + shift)


def brute_force(bank, queries, k, metric):
    """scikit-learn in float64; without `queries`, each row among the others."""
    model = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(bank.x.astype(float))
    return model.kneighbors(None if queries is None else queries.x.astype(float))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
class TestAgainstBruteForce:
    def test_among_the_others(self, metric):
        f = features()
        distances, indices = brute_force(f, None, 12, metric)
        graph = neighbors(f, 12, metric=metric)
        np.testing.assert_array_equal(graph.indices, indices)
        np.testing.assert_allclose(graph.distances, distances, atol=1e-5)
        assert graph.indices.dtype == np.int32 and graph.distances.dtype == np.float32
        assert (graph.ids == f.ids).all() and (graph.bank_ids == f.ids).all() and graph.k == 12

    def test_among_other_features(self, metric):
        f, bank = features(50), features(300, seed=1)
        distances, indices = brute_force(bank, f, 7, metric)
        graph = neighbors(f, 7, metric=metric, among=bank)
        np.testing.assert_array_equal(graph.indices, indices)
        np.testing.assert_allclose(graph.distances, distances, atol=1e-5)
        assert graph.indices.shape == (50, 7) and (graph.bank_ids == bank.ids).all()

    def test_in_more_than_one_block(self, metric):
        f = features(3100, 6)  # 3100^2 products do not fit into one block
        assert (neighbors(f, 3, metric=metric).indices == brute_force(f, None, 3, metric)[1]).mean() > 0.9999

    def test_where_all_rows_are_nearly_the_same(self, metric):
        """A collapsed encoder: cosines differ from 1 by 1e-7, which float32 cannot hold beside the 1."""
        f = Features.from_array(1 + 1e-3 * np.random.default_rng(0).normal(size=(200, 64)))
        assert (neighbors(f, 5, metric=metric).indices == brute_force(f, None, 5, metric)[1]).mean() > 0.99


def test_all_others_can_be_asked_for_and_no_more():
    f = features(10)
    graph = neighbors(f, 9)
    assert all(set(row) == set(range(10)) - {i} for i, row in enumerate(graph.indices))
    for k, among, most in ((10, None, 9), (0, None, 9), (6, features(5), 5)):
        with pytest.raises(ValueError, match=f"{k} neighbours are asked for.*between 1 and {most}"):
            neighbors(f, k, among=among)


def test_widths_must_agree():
    with pytest.raises(ValueError, match="32 dimensions.*16"):
        neighbors(features(), 3, among=features(d=16))


def test_a_repeated_row_is_counted_and_lies_at_distance_zero():
    x = np.random.default_rng(0).normal(size=(60, 8)) + 50
    x[50:] = x[:10]
    for metric in ("cosine", "euclidean"):
        graph = neighbors(Features.from_array(x), 3, metric=metric)
        assert graph.duplicates == 10
        assert (graph.indices[50:, 0] == np.arange(10)).all() and (graph.distances[50:, 0] == 0).all()


def test_equal_distances_come_in_the_order_of_the_rows():
    square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    graph = neighbors(Features.from_array(square), 3, metric="euclidean")
    assert graph.indices.tolist() == [[1, 2, 3], [0, 3, 2], [0, 3, 1], [1, 2, 0]]
    same = neighbors(Features.from_array(np.ones((5, 3))), 4)
    assert same.indices.tolist() == [[j for j in range(5) if j != i] for i in range(5)]


def test_a_row_of_zeros_has_no_direction():
    x = np.eye(4)
    x[0] = 0
    assert np.allclose(neighbors(Features.from_array(x), 3).distances[0], [0.5] * 3)
    np.testing.assert_array_equal(directions(x)[0], 0)


def test_a_graph_is_cut_to_what_is_needed():
    graph = neighbors(features(), 12)
    cut = graph.nearest(5)
    np.testing.assert_array_equal(cut.indices, neighbors(features(), 5).indices)
    np.testing.assert_allclose(cut.similarities, 1 - cut.distances)
    with pytest.raises(ValueError, match="holds 12.*13 are asked for"):
        graph.nearest(13)
    with pytest.raises(ValueError, match="Only cosine"):
        _ = neighbors(features(), 5, metric="euclidean").similarities


def test_overlap_counts_shared_members_in_any_order():
    a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 9, 1], [7, 8, 9]])
    np.testing.assert_allclose(overlap(a, b), [2 / 3, 0])
    rng = np.random.default_rng(0)
    n, k = 500, 10
    random = [np.argsort(rng.random((n, n - 1)), axis=1)[:, :k] for _ in range(2)]
    assert overlap(*random).mean() == pytest.approx(k / (n - 1), rel=0.1)


def test_ranks_are_those_of_a_full_sort():
    x = np.random.default_rng(0).normal(size=(2100, 5)) + 100  # in more than one block
    rows = np.arange(0, 2100, 300)
    every = np.tile(np.arange(2100), (2100, 1))[:, :40]
    ranks = neighbor_ranks(x, every)
    for i in rows:
        distances = np.linalg.norm(x - x[i], axis=1)
        distances[i] = -1  # rank 0
        expected = distances.argsort().argsort()[:40]
        others = np.arange(40) != i
        np.testing.assert_array_equal(ranks[i][others], expected[others])
