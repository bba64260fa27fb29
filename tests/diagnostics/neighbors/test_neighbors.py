from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from sslviz.diagnostics.neighbors import exact_search as search_module
from sslviz.diagnostics.neighbors import neighbors as module
from sslviz.diagnostics.neighbors.neighbors import neighbor_ranks, neighbors, overlap, power_of_two, unit_rows
from sslviz.features import Features
from sslviz.runtime.memory_cache import MemoryCache


@pytest.fixture
def searches(monkeypatch):
    """Which searches were made, each as (rows, k); none is remembered from before."""
    made = []

    def counted(queries, bank, k, **options):
        made.append((len(queries), k))
        return search(queries, bank, k, **options)

    search = module.search
    monkeypatch.setattr(module, "search", counted)
    monkeypatch.setattr(module, "cache", MemoryCache(2**28))
    return made


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

    def test_in_more_than_one_block(self, metric, monkeypatch):
        monkeypatch.setattr(search_module, "BLOCK", (2**20, 2**20))
        f = features(3100, 6)  # in blocks of some 300 rows, and in groups of columns
        graph = neighbors(f, 30, metric=metric)
        distances, indices = brute_force(f, None, 30, metric)
        assert (graph.indices == indices).mean() > 0.9995  # float32 takes some of the nearly equal in another order
        np.testing.assert_allclose(graph.distances, distances, atol=1e-5)
        bank = features(2999, 6, seed=1)
        graph = neighbors(f, 7, metric=metric, among=bank)
        assert (graph.indices == brute_force(bank, f, 7, metric)[1]).mean() > 0.9995

    def test_where_the_rows_lie_in_the_order_of_their_class(self, metric):
        rng = np.random.default_rng(0)
        f = Features.from_array(np.repeat(10 * rng.normal(size=(25, 16)), 100, axis=0) + rng.normal(size=(2500, 16)))
        assert (neighbors(f, 30, metric=metric).indices == brute_force(f, None, 30, metric)[1]).mean() > 0.999

    @pytest.mark.parametrize("scale", [1e-30, 1e30])
    def test_at_any_scale(self, metric, scale):
        """Squares of such numbers are 0 or infinite in float32."""
        f = features(shift=0)
        scaled = neighbors(Features.from_array(f.x.astype(float) * scale), 12, metric=metric)
        distances, indices = brute_force(f, None, 12, metric)
        np.testing.assert_array_equal(scaled.indices, indices)
        np.testing.assert_allclose(scaled.distances / (1 if metric == "cosine" else scale), distances, atol=1e-5)

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


@pytest.mark.parametrize("n", [50, 1300])  # less than a tile; two tiles and a part, with whole groups of lanes
def test_of_one_wide_set_half_of_the_products_are_enough(n, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, search_module.SYMMETRIC_WIDTH)).astype(np.float32)
    x[n // 2 :: 3] = x[: len(x[n // 2 :: 3])]  # repeated rows
    halves = []
    products = search_module._products
    monkeypatch.setattr(search_module, "_products", lambda rows: halves.append(len(rows)) or products(rows))
    half = search_module.search(x, x, 10, exclude_self=True)
    monkeypatch.setattr(search_module, "SYMMETRIC", 0)
    whole = search_module.search(x, x, 10, exclude_self=True)
    assert len(halves) == (not torch.cuda.is_available()) and all(m >= n for m in halves)
    np.testing.assert_allclose(half[1], whole[1], rtol=1e-5, atol=1e-3)
    assert (half[1][n // 2 :: 3, 0] == 0).all()
    assert (half[0] == whole[0]).mean() > 0.999
    model = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(x.astype(float))
    np.testing.assert_allclose(np.sqrt(half[1]), model.kneighbors()[0], atol=1e-3)


@pytest.mark.parametrize("n", [150, 1950])  # all columns at once, and in groups
@pytest.mark.parametrize("kinds", [3, 40, 150])
def test_of_equally_near_rows_the_first_ones_are_found(searches, n, kinds):
    """Copies of few rows: first a row's own copies, in their order."""
    rng = np.random.default_rng(kinds)
    kind = rng.integers(0, kinds, n)
    f = Features.from_array(rng.normal(size=(kinds, 5))[kind])
    graph = neighbors(f, 30, metric="euclidean")
    distances, _ = brute_force(f, None, 30, "euclidean")
    np.testing.assert_allclose(graph.distances, distances, atol=1e-5)
    for i in range(n):
        copies = np.flatnonzero((kind == kind[i]) & (np.arange(n) != i))[:30]
        np.testing.assert_array_equal(graph.indices[i, : len(copies)], copies)
    module.cache.clear()
    np.testing.assert_array_equal(neighbors(f, 60, metric="euclidean").nearest(30).indices, graph.indices)


def test_a_row_of_zeros_has_no_direction():
    x = np.eye(4)
    x[0] = 0
    assert np.allclose(neighbors(Features.from_array(x), 3).distances[0], [0.5] * 3)
    np.testing.assert_array_equal(unit_rows(x)[0], 0)


def test_a_graph_is_cut_to_what_is_needed():
    graph = neighbors(features(), 12)
    cut = graph.nearest(5)
    np.testing.assert_array_equal(cut.indices, neighbors(features(), 5).indices)
    np.testing.assert_allclose(cut.similarities, 1 - cut.distances)
    with pytest.raises(ValueError, match="holds 12.*13 are asked for"):
        graph.nearest(13)
    with pytest.raises(ValueError, match="Only cosine"):
        _ = neighbors(features(), 5, metric="euclidean").similarities


class TestOneGraphForAll:
    def test_another_k_is_cut_from_the_same_graph(self, searches):
        f = features()
        five, twelve = neighbors(f, 5), neighbors(f, 12)
        assert searches == [(400, 30)] and (five.k, twelve.k) == (5, 12)
        for k in (5, 12):
            found, squared = module.search(unit_rows(f.x), unit_rows(f.x), k, exclude_self=True)
            np.testing.assert_array_equal(neighbors(f, k).indices, found)
            np.testing.assert_array_equal(neighbors(f, k).distances, squared / 2)

    def test_a_larger_k_replaces_it(self, searches):
        f = features()
        for k in (5, 40, 30, 40):
            assert neighbors(f, k).k == k
        assert searches == [(400, 30), (400, 40)]
        few = features(12)
        assert neighbors(few, 3).k == 3 and neighbors(few, 11).k == 11 and searches[2:] == [(12, 11)]

    def test_the_same_content_is_the_same_and_nothing_else_is(self, searches):
        neighbors(features(), 5)
        neighbors(features(), 5)
        assert len(searches) == 1
        different = [
            neighbors(features(seed=1), 5),
            neighbors(features(), 5, metric="euclidean"),
            neighbors(features(), 5, among=features(seed=1)),
            neighbors(features(), 5, among=features()),
        ]
        assert len(searches) == 5
        assert (different[3].indices[:, 0] == np.arange(400)).all()

    def test_few_are_kept(self, searches, monkeypatch):
        monkeypatch.setattr(module, "cache", MemoryCache(2 * 50 * 30 * 8))  # two graphs
        for seed in (0, 1, 0, 2, 0, 1):  # 1 was used longest ago when 2 came
            neighbors(features(50, seed=seed), 5)
        assert len(searches) == 4 and len(module.cache) == 2
        monkeypatch.setattr(module, "cache", MemoryCache(100))
        assert neighbors(features(50, seed=5), 5).k == 5 and len(module.cache) == 0

    def test_threads_that_ask_together_search_once(self, searches):
        f = features(1000)
        with ThreadPoolExecutor(8) as pool:
            graphs = list(pool.map(lambda k: neighbors(f, k), range(1, 17)))
        assert searches == [(1000, 30)] and [g.k for g in graphs] == list(range(1, 17))

    def test_nobody_can_write_into_it(self, searches):
        graph = neighbors(features(), 5)
        for array in (graph.indices, graph.distances):
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0] = 0


def test_a_power_of_two_divides_without_rounding():
    for top in (3e38, 5.0, 1.0, 0.7, 1e-40):
        x = np.array([top, -top / 3], dtype=np.float32)
        scaled = x / power_of_two(x)
        assert 1 <= scaled[0] < 2 and (scaled * power_of_two(x) == x).all()
    assert np.isfinite(np.zeros(3) / power_of_two(np.zeros(3))).all()


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


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: rng.integers(0, 4, size=(900, 3)).astype(float),  # whole numbers: many at exactly the same distance
        lambda rng: np.ones((300, 3)),
        lambda rng: 1e-30 * rng.normal(size=(300, 3)),
        lambda rng: (
            np.repeat(rng.normal(size=(300, 1)), 2, axis=0) + 1e-9 * rng.normal(size=(600, 1))
        ),  # equal in float32
    ],
)
def test_ranks_are_counted_in_float64_and_equal_ones_share_the_lowest(make):
    rng = np.random.default_rng(0)
    x = make(rng)
    n = len(x)
    members = (np.arange(n)[:, None] + rng.integers(1, n, size=(n, 12))) % n
    square = ((x[:, None] / np.abs(x).max() - x[None] / np.abs(x).max()) ** 2).sum(axis=2)
    np.fill_diagonal(square, np.inf)
    own = np.take_along_axis(square, members, axis=1)
    ranks = neighbor_ranks(x, members)
    same = [np.isclose(square, own[:, [j]], rtol=1e-9, atol=1e-15).sum(axis=1) - 1 for j in range(12)]
    for j in range(12):
        lowest = 1 + (square < own[:, [j]] * (1 - 1e-9) - 1e-15).sum(axis=1)
        assert (ranks[:, j] >= lowest).all() and (ranks[:, j] <= lowest + same[j]).all()
