import dataclasses
import warnings

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from sslviz.diagnostics.similarity import nuclear_norms
from sslviz.diagnostics.similarity.measures import debiased_cka, distance_ranks, nuclear_norm, scaled
from sslviz.diagnostics.similarity.similarity import Similarity, similarity
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.statistics import delete_groups

NAMES = ["cka", "procrustes", "mutual_knn", "rsa"]


def features(x, ids=None):
    return Features.from_array(x, ids=ids)


def values(x, y, **keywords):
    return {name: score.value for name, score in similarity(features(x), features(y), **keywords).scores().items()}


def related(n=200, p=16, q=24, shared=0.6, seed=0, decay=0.5):
    """Two spaces with `shared` of their variance in common."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, max(p, q)))
    both = []
    for d in (p, q):
        rows = np.sqrt(shared) * common[:, :d] + np.sqrt(1 - shared) * rng.normal(size=(n, d))
        both.append(rows * np.arange(1, d + 1.0) ** -decay)
    return both


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def pair_of_grams(x, y):
    return (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T, (y - y.mean(axis=0)) @ (y - y.mean(axis=0)).T


def hsic_song(k, l):
    """The unbiased estimator as Song et al. 2012 print it (equation 5)."""
    n, ones = len(k), np.ones(len(k))
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    total = (
        np.trace(k @ l) + ones @ k @ ones * (ones @ l @ ones) / ((n - 1) * (n - 2)) - 2 / (n - 2) * ones @ k @ l @ ones
    )
    return total / (n * (n - 3))


def linear_cka(x, y):
    x, y = scaled(x), scaled(y)
    squares = ((x.T @ y) ** 2).sum(), ((x.T @ x) ** 2).sum(), ((y.T @ y) ** 2).sum()
    return debiased_cka(squares, (x**2).sum(axis=1), (y**2).sum(axis=1))


def biased_cka(x, y):
    """As first published: the cosine of the centred Gram matrices, from the smaller products."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)


def procrustes_distance(x, y):
    return max(0.0, 2 - 2 * nuclear_norm(scaled(x).T @ scaled(y)))


def rank_similarity(x, y):
    a, b = (distance_ranks(scaled(rows)).ravel() for rows in (x, y))
    return a @ b / np.sqrt((a @ a) * (b @ b))


class TestCKA:
    def test_is_the_quotient_of_unbiased_hsics(self):
        for n, p, q in ((60, 5, 9), (30, 50, 8), (40, 90, 70)):
            x, y = related(n, p, q)
            k, l = pair_of_grams(x + 3, y - 1)
            expected = hsic_song(k, l) / np.sqrt(hsic_song(k, k) * hsic_song(l, l))
            assert linear_cka(x, y) == pytest.approx(expected, abs=1e-10)
            assert values(x, y)["cka"] == pytest.approx(expected, abs=1e-5)  # Features are float32

    @pytest.mark.parametrize(("n", "p", "q"), [(512, 768, 768), (1024, 768, 768), (2048, 384, 384), (1000, 64, 400)])
    def test_independent_gaussians_look_alike_until_it_is_debiased(self, n, p, q):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
        closed = np.sqrt(p * q) / np.sqrt((n + p) * (n + q))
        assert biased_cka(x, y) == pytest.approx(closed, rel=0.02)
        assert linear_cka(x, y) == pytest.approx(0, abs=0.005)

    def test_what_shuffled_images_read_is_as_stated(self):
        x, y = related(60, 8, 40)
        rng = np.random.default_rng(0)
        shuffled = [y[rng.permutation(60)] for _ in range(2000)]
        ratio = [np.trace(c) ** 2 / (c**2).sum() for c in (np.cov(x.T), np.cov(y.T))]
        biased = np.mean([biased_cka(x, rows) for rows in shuffled])
        assert biased == pytest.approx(np.sqrt(ratio[0] * ratio[1]) / 59, rel=0.02)
        assert np.mean([linear_cka(x, rows) for rows in shuffled]) == pytest.approx(0, abs=0.003)


class TestProcrustes:
    def test_equals_scipys(self):
        for seed, p in ((0, 5), (1, 40)):
            x, y = related(60, p, p, seed=seed)
            disparity = scipy_procrustes(x, y)[2]  # 1 - (sum of singular values)^2: it also scales the second
            assert procrustes_distance(x, y) == pytest.approx(2 - 2 * np.sqrt(1 - disparity), abs=1e-6)
            a, b = (rows - rows.mean(axis=0) for rows in (x, y))
            a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
            turn, _ = orthogonal_procrustes(a, b)
            assert procrustes_distance(x, y) == pytest.approx(np.linalg.norm(a @ turn - b) ** 2, abs=1e-6)

    def test_a_narrower_space_is_padded_with_zeros(self):
        x, y = related(100, 6, 20)
        padded = np.hstack([x, np.zeros((100, 14))])
        assert procrustes_distance(x, y) == pytest.approx(2 - 2 * np.sqrt(1 - scipy_procrustes(padded, y)[2]), abs=1e-6)
        assert procrustes_distance(y, x) == pytest.approx(procrustes_distance(x, y), abs=1e-9)

    def test_turned_scaled_and_shifted_is_nothing_and_unrelated_is_far(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(300, 16))
        assert procrustes_distance(x, 3 * x @ rotation(16) + 5) == pytest.approx(0, abs=1e-6)
        for n, p in ((2000, 64), (4000, 100)):
            # a matrix of N(0, 1) has singular values of mean 8 / (3 pi) sqrt(p) (quarter-circle law)
            unrelated = procrustes_distance(rng.normal(size=(n, p)), rng.normal(size=(n, p)))
            assert unrelated == pytest.approx(2 - 16 / (3 * np.pi) * np.sqrt(p / n), abs=0.01)

    def test_is_a_metric(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            x, y, z = (rng.normal(size=(30, d)) @ rng.normal(size=(d, d)) for d in (3, 5, 8))
            one, two, three = (np.sqrt(procrustes_distance(*pair)) for pair in ((x, y), (y, z), (x, z)))
            assert three <= one + two + 1e-9


class TestRSA:
    def test_equals_spearman_of_distances(self):
        x, y = related(150, 10, 30)
        x, y = x.astype(np.float32), y.astype(np.float32)
        expected = spearmanr(pdist(x.astype(float)), pdist(y.astype(float)))[0]
        assert rank_similarity(x, y) == pytest.approx(expected, abs=1e-6)
        assert values(x, y)["rsa"] == pytest.approx(expected, abs=1e-6)

    def test_equal_distances_share_their_rank(self):
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 3, (80, 2)).astype(float), rng.integers(0, 2, (80, 4)).astype(float)
        expected = spearmanr(np.round(pdist(x), 9), np.round(pdist(y), 9))[0]
        assert rank_similarity(x, y) == pytest.approx(expected, abs=1e-9)

    def test_looks_at_a_thousand_images_and_says_so(self):
        x, y = related(1500, 6, 6)
        result = similarity(features(x), features(y), seed=3)
        assert result.n_ranked == 1000 and similarity(*map(features, related())).n_ranked == 200
        assert result.values["rsa"] == pytest.approx(spearmanr(pdist(x), pdist(y))[0], abs=0.02)


def plain_near(x, k):
    near = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(x).kneighbors(x)[1]
    return [set(row) - {i} for i, row in enumerate(near)]


def test_mutual_knn_counts_common_neighbours():
    x, y = related(120, 6, 9)
    result = similarity(features(x), features(y), k=7)
    expected = [len(one & other) / 7 for one, other in zip(plain_near(x, 7), plain_near(y, 7), strict=True)]
    np.testing.assert_allclose(result.overlap, expected)
    assert result.values["mutual_knn"] == pytest.approx(np.mean(expected))
    assert result.chance["mutual_knn"] == 7 / 119


class TestInvariances:
    TRANSFORMS = {
        "rotated": lambda y: y @ rotation(y.shape[1]),
        "scaled": lambda y: 1e-3 * y,
        "dimensions permuted": lambda y: y[:, np.random.default_rng(0).permutation(y.shape[1])],
        "mirrored": lambda y: -y,
    }

    @pytest.mark.parametrize("change", TRANSFORMS)
    @pytest.mark.parametrize("shape", [(200, 16, 24), (60, 100, 24)])
    def test_all_scores_stay(self, change, shape):
        for seed in range(3):
            x, y = related(*shape, seed=seed)
            here, there = values(x, y), values(x, self.TRANSFORMS[change](y))
            assert there == pytest.approx(here, abs=2e-3 if change == "rotated" else 1e-4)  # float32 swaps a neighbour

    def test_a_shift_changes_what_is_by_cosine_and_nothing_else(self):
        x, y = related()
        here, there = values(x, y), values(x, y + 2)
        for name in ("cka", "procrustes", "rsa"):
            assert there[name] == pytest.approx(here[name], abs=1e-4)
        assert there["mutual_knn"] != pytest.approx(here["mutual_knn"], abs=0.01)

    def test_the_order_of_images_changes_nothing(self):
        x, y = related()
        order = np.random.default_rng(1).permutation(200)
        ids = [f"image {i}" for i in range(200)]
        here = similarity(features(x, ids), features(y, ids))
        there = similarity(features(x[order], np.array(ids)[order]), features(y, ids))
        assert there.values == pytest.approx(here.values, abs=1e-6)
        assert list(there.ids) == list(np.array(ids)[order])
        np.testing.assert_array_equal(there.overlap, here.overlap[order])

    def test_it_is_symmetric(self):
        x, y = related()
        assert values(x, y) == pytest.approx(values(y, x), abs=1e-6)

    def test_a_space_is_as_it_is(self):
        x, _ = related()
        for other in (x, 3 * x @ rotation(16)):
            scores = similarity(features(x), features(other)).scores()
            assert [scores[name].value for name in NAMES] == pytest.approx([1, 0, 1, 1], abs=1e-3)
            for score in scores.values():
                assert score.beats_control and score.low <= score.value <= score.high
            assert scores["cka"].high <= 1 and scores["procrustes"].low >= 0 and scores["mutual_knn"].high <= 1


def test_the_jackknife_leaves_out_what_it_says():
    for p, q in ((9, 14), (70, 12)):
        x, y = (rows.astype(np.float32) + 1 for rows in related(60, p, q, decay=0.2))
        result = similarity(features(x), features(y), k=5, seed=4)
        groups = delete_groups(60, seed=4)
        for g in range(10):
            rest = groups != g
            near = [plain_near(rows[rest].astype(float), 5) for rows in (x, y)]
            for name, expected, close in (
                ("cka", linear_cka(x[rest], y[rest]), 1e-6),
                ("procrustes", procrustes_distance(x[rest], y[rest]), 1e-6),
                ("mutual_knn", np.mean([len(a & b) / 5 for a, b in zip(*near, strict=True)]), 1e-9),
                ("rsa", rank_similarity(x[rest], y[rest]), 0.01),  # not ranked anew
            ):
                assert result.replicates[name][g] == pytest.approx(expected, abs=close), name


class TestNull:
    @pytest.mark.parametrize(
        ("n", "p", "q", "first_order"), [(200, 16, 24, False), (80, 100, 8, False), (200, 16, 24, True)]
    )
    def test_unrelated_spaces_beat_the_control_in_at_most_10_of_100_seeds(self, n, p, q, first_order, monkeypatch):
        if first_order:  # as wide spaces are
            monkeypatch.setattr(nuclear_norms, "FIRST_ORDER_WIDTH", p)
        alarms = dict.fromkeys(NAMES, 0)
        read = {name: [] for name in NAMES}
        for seed in range(100):
            for name, score in similarity(*map(features, related(n, p, q, 0.0, seed)), seed=seed).scores().items():
                alarms[name] += bool(score.beats_control)
                read[name].append((score.value, score.control, score.low, score.high))
        print(alarms)
        assert max(alarms.values()) <= 10, alarms
        for name, rows in read.items():
            value, control, low, high = np.array(rows).T
            assert value.mean() == pytest.approx(control.mean(), abs=4 * value.std() / 10), name
            held = ((low <= value.mean()) & (value.mean() <= high)).sum()
            assert held >= 90, f"{name}: {held} of 100 intervals hold the expected value"

    def test_related_spaces_beat_it(self):
        for seed in range(10):
            scores = similarity(*map(features, related(seed=seed))).scores()
            assert all(score.beats_control for score in scores.values())

    @pytest.mark.parametrize("decay", [0.0, 2.0])
    def test_products_in_float32_leave_the_procrustes_control_as_it_is_to_a_millionth(self, decay):
        x, y = related(n=150, p=40, q=60, decay=decay)
        rng = np.random.default_rng(3)
        rng.permutation(150)  # of the images that are ranked, drawn before
        a, b = scaled(x.astype(np.float32)), scaled(y.astype(np.float32))
        norms = [np.linalg.svd(a.T @ b[rng.permutation(150)], compute_uv=False).sum() for _ in range(5)]
        found = similarity(features(x), features(y), seed=3).chance["procrustes"]
        assert found == pytest.approx(2 - 2 * np.mean(norms), abs=1e-6)

    def test_procrustes_control_is_what_shuffled_images_read(self):
        x, y = related()
        rng = np.random.default_rng(9)
        shuffled = np.mean([procrustes_distance(x, y[rng.permutation(200)]) for _ in range(200)])
        assert similarity(features(x), features(y)).chance["procrustes"] == pytest.approx(shuffled, abs=0.03)


def test_the_same_seed_gives_the_same_whatever_was_asked_before(tmp_path):
    x, y = related()
    a, b = features(x), features(y)
    first = similarity(a, b)
    similarity(a, features(y + 1), seed=5)
    again = similarity(a, b)
    assert first.scores() == again.scores() == similarity(features(x), features(y)).scores()
    assert similarity(a, b, seed=1).scores() != first.scores()
    save_result(tmp_path / "s.npz", first)
    back = load_result(tmp_path / "s.npz", Similarity)
    assert back.scores() == first.scores()
    np.testing.assert_array_equal(back.overlap, first.overlap)
    assert dataclasses.asdict(back).keys() == dataclasses.asdict(first).keys()


class TestBadInput:
    def test_other_images(self):
        x, y = related()
        with pytest.raises(ValueError, match="of 200 and 200 only 190 are in both"):
            similarity(features(x), features(y, [str(i + 10) for i in range(200)]))
        with pytest.raises(ValueError, match="of 200 and 150 only 150 are in both"):
            similarity(features(x), features(y[:150]))

    def test_few_images(self):
        x, y = related(19)
        with pytest.raises(ValueError, match="at least 20 images; got 19"):
            similarity(features(x), features(y))
        x, y = related(20)
        with pytest.raises(ValueError, match="k = 10 neighbours of 20 images.*9"):
            similarity(features(x), features(y))
        with pytest.raises(ValueError, match="k = 0"):
            similarity(features(x), features(y), k=0)
        assert all(np.isfinite(score.low) for score in similarity(features(x), features(y), k=9).scores().values())

    @pytest.mark.parametrize("value", [0.0, 7.3])
    def test_constant_features(self, value):
        x, _ = related()
        collapsed = np.full((200, 5), value) * (1 + 1e-8 * x[:, :5])
        with pytest.raises(ValueError, match="The first features are the same for all 200 images"):
            similarity(features(collapsed), features(x))
        with pytest.raises(ValueError, match="The second features are the same"):
            similarity(features(x), features(collapsed))

    def test_one_image_apart_from_all_others(self):
        x, _ = related(60)
        y = np.zeros((60, 4))
        y[7] = 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = similarity(features(x), features(y)).scores()
        assert "cka" not in scores and scores["procrustes"].low is None and scores["rsa"].low is None
        assert np.isnan(linear_cka(x, y))

    def test_duplicates_are_counted_and_harmless(self):
        x, y = related(100)
        x[50:60] = x[:10]
        result = similarity(features(x), features(y))
        assert result.duplicates == [10, 0] and all(np.isfinite(list(result.values.values())))

    def test_any_scale_of_numbers(self):
        x, y = related()
        assert values(1e15 * x, 1e-15 * y) == pytest.approx(values(x, y), abs=1e-3)
