"""Ranking: scikit-learn's average precision, a plain loop, the closed form of chance, and what other libraries get wrong."""

from math import comb

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sslviz.features import Features
from sslviz.transfer.ranking import ranking
from sslviz.transfer.tied_ranks import harmonic_numbers, miss_chance


def blobs(n=120, d=8, classes=4, shift=1.0, seed=0, prefix=""):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, n)
    ids = [f"{prefix}{i}" for i in range(n)]
    return Features.from_array(
        rng.normal(size=(n, d)) + shift * np.eye(classes, d)[label], table={"label": label}, ids=ids
    )


def unit(x):
    return np.asarray(x, float) / np.linalg.norm(np.asarray(x, float), axis=1, keepdims=True)


def in_order(relevant, at):
    """AP, AP@R and hits of one order of relevance, by counting."""
    r, hits, ap, at_r = int(relevant.sum()), 0, 0.0, 0.0
    for place, one in enumerate(relevant, 1):
        if one:
            hits += 1
            ap += hits / place / r
            at_r += hits / place / r if place <= r else 0
    return [ap, at_r, *(float(relevant[:k].any()) for k in at)]


def looped(queries, gallery, own, at, rng=None):
    """Every query by a plain sort; ties in the order of `rng`."""
    x, g, ql, gl = unit(queries.x), unit(gallery.x), queries.column("label"), gallery.column("label")
    rows = []
    for i in range(len(x)):
        keep = np.array([id_ != own[i] for id_ in gallery.ids])
        similar, relevant = (g @ x[i])[keep].round(9), (gl == ql[i])[keep]
        shuffled = np.arange(keep.sum()) if rng is None else rng.permutation(keep.sum())
        order = shuffled[np.argsort(-similar[shuffled], kind="stable")]
        rows.append(in_order(relevant[order], at))
    return np.array(rows)


def test_is_scikit_learns_average_precision():
    features = blobs()
    x, label = unit(features.x), features.column("label")
    expected = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        expected.append(average_precision_score(label[rest] == label[i], (x @ x[i])[rest]))
    np.testing.assert_allclose(ranking(features).values["map"], expected, atol=1e-9)


@pytest.mark.parametrize("apart", [False, True])
def test_is_a_plain_loop(apart):
    features, gallery = blobs(), blobs(90, seed=1, prefix="g")
    result = ranking(features, gallery=gallery if apart else None, at=(1, 3, 20))
    expected = looped(features, gallery if apart else features, features.ids, (1, 3, 20))
    np.testing.assert_allclose(np.stack(list(result.values.values()), 1), expected, atol=1e-9)


def test_a_query_is_dropped_by_its_id_and_not_by_its_rank():
    """Every image is in the gallery twice, once under its own id: its copy is a find, itself is none."""
    features = blobs(40)
    copies = Features(features.x, np.char.add("copy", features.ids), features.table)
    both = Features(
        np.r_[features.x, copies.x],
        np.r_[features.ids, copies.ids],
        __import__("pandas").concat([features.table, features.table], ignore_index=True),
    )
    result = ranking(features, gallery=both)
    assert result.duplicates == 40 and (result.values["hit@1"] == 1).all()
    rng = np.random.default_rng(0)
    expected = np.mean([looped(features, both, features.ids, (1, 10), rng) for _ in range(60)], axis=0)
    np.testing.assert_allclose(np.stack(list(result.values.values()), 1), expected, atol=0.04)


def test_ties_count_as_the_mean_over_all_orders():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (30, 2)) + np.array([0.0, 1.0])  # four places for thirty images
    features = Features.from_array(x, table={"label": rng.integers(0, 3, 30)})
    drawn = np.stack([looped(features, features, features.ids, (1, 10), rng) for _ in range(400)])
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    ours = np.stack(list(ranking(features).values.values()), 1)
    assert np.abs(ours - drawn.mean(axis=0)).max() < 5 * error.max()
    assert np.abs(ours - drawn.mean(axis=0)).mean() < 1.2 * error.mean()


@pytest.mark.parametrize("x", [np.ones((60, 3)), np.zeros((60, 3))], ids=["collapsed", "zeros"])
def test_an_encoder_that_sees_no_difference_reads_chance_exactly(x):
    features = Features.from_array(x, table={"label": np.arange(60) % 4})
    result = ranking(features)
    for name, values in result.values.items():
        np.testing.assert_allclose(values, result.chance[name], atol=1e-12)


def test_features_that_differ_by_float32s_last_digits_are_still_ranked():
    label = np.arange(80) % 2
    x = (1 + 1e-6 * np.random.default_rng(0).normal(size=(80, 16)) * 0.1 + 3e-6 * np.eye(2, 16)[label]).astype(
        np.float32
    )
    features = Features.from_array(x, table={"label": label})
    exact = looped(features, features, features.ids, (1, 10))[:, 0].mean()
    assert ranking(features).scores()["map"].value == pytest.approx(exact, abs=0.03)


def test_cosines_below_zero_still_count():
    """Cosines .5, -.1, -.2, -.3, of which the first and the last two are relevant: (1 + 2/3 + 3/4) / 3."""
    angles = np.arccos([1, 0.5, -0.1, -0.2, -0.3])
    features = Features.from_array(
        np.stack([np.cos(angles), np.sin(angles)], 1), table={"label": ["a", "a", "b", "a", "a"]}
    )
    values = ranking(features, at=(1, 4)).values
    assert values["map"][0] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3) and values["map@R"][0] == pytest.approx(
        (1 + 2 / 3) / 3
    )


def test_chance_is_the_closed_form():
    n, r = 200, 20
    gallery = Features.from_array(
        np.random.default_rng(0).normal(size=(n, 4)),
        table={"label": np.r_[np.zeros(r), np.ones(n - r)]},
        ids=[f"g{i}" for i in range(n)],
    )
    query = Features.from_array(np.ones((1, 4)), table={"label": [0]})
    result = ranking(query, gallery=gallery, at=(1, 10))
    h = sum(1 / i for i in range(1, n + 1))
    assert result.chance["map"][0] == pytest.approx((r - 1) / (n - 1) + (n - r) * h / (n * (n - 1)))
    assert result.chance["hit@10"][0] == pytest.approx(1 - comb(n - r, 10) / comb(n, 10))
    rng = np.random.default_rng(1)
    drawn = np.array([in_order(rng.permutation(n) < r, (1, 10)) for _ in range(4000)])
    for i, values in enumerate(result.chance.values()):
        assert values[0] == pytest.approx(drawn[:, i].mean(), abs=5 * drawn[:, i].std() / np.sqrt(len(drawn)))


def test_misses_and_harmonic_numbers():
    n, r = np.array([10, 10, 3]), np.array([2, 9, 3])
    for k in (1, 3, 10, 40):
        expected = [comb(a - b, min(k, a)) / comb(a, min(k, a)) for a, b in zip(n, r, strict=True)]
        np.testing.assert_allclose(miss_chance(n, r, k), expected)
    np.testing.assert_allclose(harmonic_numbers(3), [0, 1, 1.5, 1.5 + 1 / 3])


def test_classes_count_alike_and_controls_are_ranked_in_the_same_way():
    features = blobs(150)
    rng = np.random.default_rng(5)
    noise = Features(rng.normal(size=(150, 3))[::-1], features.ids[::-1], features.table[::-1])
    result = ranking(features, control_features={"pixels": noise})
    label = features.column("label")
    one = result.scores()["map"]
    assert one.value == pytest.approx(np.mean([result.values["map"][label == c].mean() for c in range(4)]))
    turned = noise.select(list(features.ids))
    assert one.controls["pixels"] == pytest.approx(ranking(turned).scores()["map"].value)
    assert one.low < one.value < one.high and one.beats_control


def test_noise_beats_chance_in_few_of_100_seeds():
    alarms = {name: 0 for name in ("map", "map@R", "hit@1", "hit@10")}
    for seed in range(100):
        for name, score in ranking(blobs(120, shift=0.0, seed=seed), seed=seed).scores().items():
            alarms[name] += bool(score.beats_control)
    print(f"ranking, false alarms of 100: {alarms}")
    assert all(n <= 7 for n in alarms.values())  # 2.5 are expected; more than 7 come in 1 of 300 such counts


def test_the_interval_is_as_wide_as_scores_of_other_images_spread():
    """Other images of the same kind, so other queries and another gallery: 95 % of intervals hold the mean over all."""
    runs = [ranking(blobs(120, shift=1.0, seed=s), seed=s).scores() for s in range(200)]
    for name in runs[0]:
        truth = np.mean([run[name].value for run in runs])
        covered = sum(run[name].low <= truth <= run[name].high for run in runs)
        print(f"ranking, {name} covered in {covered} of 200")
        assert covered >= (181 if name.startswith("map") else 184)


def test_queries_without_an_answer_are_left_out_and_said():
    features = Features.from_array(np.eye(5), table={"label": list("aabbc")})
    result = ranking(features)
    assert sum(result.left_out.values()) == 1 and list(result.classes) == ["a", "b"] and len(result.ids) == 4


def test_bad_input_is_one_sentence():
    features = blobs(20)
    for given, message in [
        ({"gallery": Features.from_array(np.ones((4, 3)), table={"label": [0, 1, 2, 3]})}, "queries' width, 8"),
        ({"at": ()}, "first K = 1, 2"),
        ({"at": (0,)}, "first K = 1, 2"),
        ({"label": "hue"}, "no column 'hue'"),
    ]:
        with pytest.raises(ValueError, match=message):
            ranking(features, **given)
    with pytest.raises(ValueError, match="No query has another image"):
        ranking(Features.from_array(np.eye(3), table={"label": list("abc")}))
