from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from sslviz.diagnostics.similarity.changed import Changed, changed
from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.statistics import delete_groups


def features(x, ids=None, **table):
    return Features.from_array(x, ids=ids, table=table or None)


def clusters(n=120, d=8, seed=0):
    """Four tight clusters at right angles, 30 images each."""
    rng = np.random.default_rng(seed)
    return np.eye(4, d)[np.arange(n) % 4] * 5 + 0.1 * rng.normal(size=(n, d))


def pair(n=200, d=12, shared=0.7, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, d))
    return [np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=(n, d)) for _ in range(2)]


def plain_near(x, k):
    near = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(x).kneighbors(x)[1]
    return np.array([[j for j in row if j != i][:k] for i, row in enumerate(near)])


class TestPlanted:
    def test_images_that_move_to_another_cluster_come_first(self):
        a = clusters()
        moved = np.array([0, 41, 78, 115])  # one of each, so that none takes a neighbour along
        b = a.copy()
        b[moved] = a[moved] + 5 * np.roll(np.eye(4, 8), 1, axis=1)[moved % 4] - 5 * np.eye(4, 8)[moved % 4]
        result = changed(features(a), features(b))
        assert set(result.ranking[:4]) == set(moved)
        np.testing.assert_allclose(result.change[moved], 1)
        stay = np.setdiff1d(np.arange(120), moved)
        assert result.change[stay].max() < 0.5
        assert all(j % 4 == 1 for j in result.near_b[0]) and all(j % 4 == 0 for j in result.near_a[0])

    def test_change_and_neighbours_are_as_counted_one_by_one(self):
        a, b = pair()
        result = changed(features(a), features(b), k=6)
        near_a, near_b = plain_near(a, 6), plain_near(b, 6)
        np.testing.assert_array_equal(result.near_a, near_a)
        np.testing.assert_array_equal(result.near_b, near_b)
        assert result.near_a.dtype == np.int32
        expected = [1 - len(set(one) & set(other)) / 6 for one, other in zip(near_a, near_b, strict=True)]
        np.testing.assert_allclose(result.change, expected)
        assert result.scores()["neighbours_changed"].value == pytest.approx(np.mean(expected))
        assert np.all(np.diff(result.change[result.ranking]) <= 1e-12)

    def test_of_equal_changes_the_farther_comes_first(self):
        a = clusters()
        b = a.copy()
        b[0] = np.eye(8)[7] * 5 + 0.01  # off into a corner of its own
        b[4] = a[4] + 0.3 * np.eye(8)[6]  # to the rim of its cluster
        result = changed(features(a), features(b))
        equal = result.change == result.change[0]
        order = [row for row in result.ranking if equal[row]]
        assert order[0] == 0
        assert result.distance[0] > result.distance[4] > np.median(result.distance) and result.distance.min() >= 0
        unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b)]
        for row in (0, 4, 50):
            gap = sum(
                (u[own[row]] @ u[row]).mean() - (u[other[row]] @ u[row]).mean()
                for u, own, other in zip(
                    unit, (result.near_a, result.near_b), (result.near_b, result.near_a), strict=True
                )
            )
            assert result.distance[row] == pytest.approx(max(0, gap), abs=1e-5)

    def test_nothing_changes_in_the_same_space(self):
        a, _ = pair()
        result = changed(features(a), features(3 * a))
        score = result.scores()["neighbours_changed"]
        assert score.value == pytest.approx(0, abs=0.002) and score.low >= 0
        assert result.distance.max() == pytest.approx(0, abs=1e-5)

    def test_rows_come_in_the_order_of_the_first(self):
        a, b = pair()
        ids = np.array([f"image {i}" for i in range(200)])
        order = np.random.default_rng(0).permutation(200)
        here = changed(features(a, ids), features(b, ids))
        there = changed(features(a, ids), features(b[order], ids[order]))
        np.testing.assert_array_equal(here.near_b, there.near_b)
        np.testing.assert_array_equal(here.ids, there.ids)


@cache
def sampled(shared):
    """What changed between two spaces that share so much, in each of 100 samples."""
    return [changed(*map(features, pair(shared=shared, seed=seed))) for seed in range(100)]


class TestControl:
    def test_unrelated_spaces_read_the_ceiling_and_its_distribution(self):
        counts, means = np.zeros(11), []
        for result in sampled(0.0):
            means.append(result.change.mean())
            counts += np.bincount(np.rint(10 * result.change).astype(int), minlength=11)
        score = result.scores()["neighbours_changed"]
        assert score.control == 1 - 10 / 199 and score.control_is == "ceiling" and score.beats_control is None
        assert np.mean(means) == pytest.approx(score.control, abs=4 * np.std(means) / 10)
        assert result.unrelated.sum() == pytest.approx(1)
        assert result.unrelated @ np.arange(11) / 10 == pytest.approx(score.control)
        kept = slice(8, 11)  # as good as all of them
        share = counts[kept] / counts[kept].sum()
        np.testing.assert_allclose(share, result.unrelated[kept] / result.unrelated[kept].sum(), atol=0.01)

    @pytest.mark.parametrize("shared", [0.0, 0.7])
    def test_the_interval_holds_the_expected_change_in_at_least_90_of_100_samples(self, shared):
        scores = [result.scores()["neighbours_changed"] for result in sampled(shared)]
        expected = np.mean([score.value for score in scores])
        assert sum(score.low <= expected <= score.high for score in scores) >= 90

    def test_the_jackknife_finds_neighbours_among_those_who_stay(self):
        a, b = pair(60)
        result = changed(features(a), features(b), k=5, seed=2)
        groups = delete_groups(60, seed=2)
        for g in range(10):
            rest = groups != g
            near = [plain_near(rows[rest], 5) for rows in (a, b)]
            expected = np.mean([1 - len(set(one) & set(other)) / 5 for one, other in zip(*near, strict=True)])
            assert result.replicates["neighbours_changed"][g] == pytest.approx(expected)


def test_classes_are_averaged_one_by_one():
    a, b = pair()
    label = np.array(["cat", "dog", None, "emu"], dtype=object)[np.arange(200) % 4]
    result = changed(features(a, label=label), features(b))
    assert list(result.by_class) == ["cat", "dog", "emu"]
    assert result.by_class["dog"] == pytest.approx(result.change[1::4].mean())
    assert changed(features(a), features(b)).by_class == {}
    numbers = changed(features(a, label=np.arange(200) % 12), features(b)).by_class
    assert list(numbers) == [str(i) for i in range(12)]


def test_duplicates_are_reported():
    a, b = pair()
    a[100:103] = a[:3]
    assert changed(features(a), features(b)).duplicates == [3, 0]


def test_is_stored_and_read_back(tmp_path):
    a, b = pair()
    table = pd.DataFrame({"label": ["x", "y"] * 100})
    for columns in ({}, {"label": table["label"]}):
        result = changed(features(a, **columns), features(b))
        save_result(tmp_path / "c.npz", result)
        back = load_result(tmp_path / "c.npz", Changed)
        assert back.scores() == result.scores() and back.by_class == result.by_class
        np.testing.assert_array_equal(back.ranking, result.ranking)
        assert back.per_image()["neighbours_changed"].mean() == back.scores()["neighbours_changed"].value


class TestBadInput:
    def test_is_answered_in_one_sentence(self):
        a, b = pair()
        with pytest.raises(ValueError, match="of 200 and 199 only 199 are in both"):
            changed(features(a), features(b[:199]))
        with pytest.raises(ValueError, match="at least 20 images; got 10"):
            changed(features(a[:10]), features(b[:10]))
        with pytest.raises(ValueError, match="k = 100 neighbours of 200 images.*99"):
            changed(features(a), features(b), k=100)
        with pytest.raises(ValueError, match="The second features are the same for all 200 images"):
            changed(features(a), features(np.ones((200, 3))))

    def test_the_largest_k_there_is(self):
        a, b = pair(21)
        score = changed(features(a), features(b), k=10).scores()["neighbours_changed"]
        assert score.control == 0.5 and 0 <= score.low <= score.high <= 1
