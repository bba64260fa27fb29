"""Groups: planted disadvantages, the binomial's own intervals, and what luck does to the worst of many."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, fisher_exact

from sslviz.diagnostics.bias.group_accuracy import shuffled_extremes
from sslviz.diagnostics.bias.groups import groups
from sslviz.diagnostics.bias.groups_result import Groups
from sslviz.diagnostics.similarity.compare import compare
from sslviz.features import Features
from sslviz.statistics import permutation_p, wilson


def table(counts, accuracy, seed=0):
    """A Groups of four classes by `m` values in which each image is read rightly with its group's `accuracy` (4, m)."""
    accuracy = np.broadcast_to(accuracy, counts.shape)
    rng = np.random.default_rng(seed)
    truth, cue = (codes.ravel() for codes in np.indices(counts.shape))
    truth, cue = np.repeat(truth, counts.ravel()), np.repeat(cue, counts.ravel())
    right = rng.random(len(truth)) < accuracy[truth, cue]
    m = counts.shape[1]
    pairs, group = np.unique(truth * m + cue, return_inverse=True)
    null = shuffled_extremes(right, group, pairs // m, pairs % m, m, seed)
    ids = np.arange(len(truth)).astype(str)
    return Groups(
        "label",
        "hue",
        np.array(list("abcd"))[: len(counts)],
        np.array(list("uvwxyz"))[:m],
        ids,
        truth,
        cue,
        np.where(right, truth, (truth + 1) % len(counts)),
        group,
        pairs // m,
        pairs % m,
        {},
        *null,
        seed,
    )


def features_of(n=800, seed=0, prefix="", spoilt=()):
    """Four classes a readout tells apart well, but not in the groups `spoilt` (pairs of codes)."""
    rng = np.random.default_rng(seed)
    label, hue = np.arange(n) % 4, np.arange(n) // 4 % 4
    x = rng.normal(size=(n, 12))
    away = np.array([(a, b) not in spoilt for a, b in zip(label, hue, strict=True)])
    x[:, :4] += 4 * np.eye(4)[label] * away[:, None]
    ids = [f"{prefix}{i}" for i in range(n)]
    return Features.from_array(
        x, table={"label": np.array(list("abcd"))[label], "hue": np.array(list("uvwx"))[hue]}, ids=ids
    )


def test_wilsons_interval_is_scipys():
    for k, n in ((0, 12), (3, 17), (20, 20), (55, 130)):
        oracle = binomtest(k, n).proportion_ci(0.95, "wilson")
        low, high = wilson(np.array([k / n]), np.array([n]))
        assert (low[0], high[0]) == pytest.approx((oracle.low, oracle.high))


def test_all_intervals_hold_at_once_in_about_95_of_100_samples():
    counts, accuracy = np.full((4, 4), 60), np.linspace(0.5, 0.9, 16).reshape(4, 4)
    held, one = [], []
    for seed in range(400):
        result = table(counts, accuracy, seed)
        single = wilson(result.accuracy(), result.counts, 0.95)
        for found, (low, high) in ((held, result.interval()), (one, single)):
            found.append(((low <= accuracy.ravel()) & (accuracy.ravel() <= high)).all())
    assert 0.92 <= np.mean(held) <= 0.99
    assert np.mean(one) < 0.7  # sixteen single 95 % intervals do not


@pytest.mark.parametrize(("n", "observed"), [(25, 0.653), (200, 0.749)])
def test_the_worst_of_sixteen_equal_groups_looks_worse_than_it_is_and_is_corrected(n, observed):
    """The numbers of the binomial's own minimum: 0.65 of 25 images, 0.75 of 200, where all groups are truly at 0.80."""
    at = np.arange(n + 1)
    exact = float((at / n * np.diff(np.concatenate([[0], 1 - (1 - binom.cdf(at, n, 0.8)) ** 16]))).sum())
    assert exact == pytest.approx(observed, abs=0.003)
    results = [table(np.full((4, 4), n), 0.8, seed) for seed in range(150)]
    plain = np.mean([r.accuracy().min() for r in results])
    corrected = np.array([r.scores()["worst_group"].value for r in results])
    assert plain == pytest.approx(exact, abs=0.01)
    assert abs(corrected.mean() - 0.8) < 0.4 * (0.8 - exact)
    low = np.array([r.scores()["worst_group"].low for r in results])
    assert (low <= 0.8).mean() >= 0.95


def test_a_group_that_is_served_worse_is_named_and_its_errors_are_there():
    spoilt = [(1, 2)]
    result = groups(features_of(spoilt=spoilt), "label", "hue", fit=features_of(seed=1, prefix="f"))
    assert result.names[result.worst] == "b, w" and result.found and result.p["worst_group"] < 0.01
    errors = ~result.correct & (result.group == result.worst)
    assert errors.sum() > 25 and set(result.ids[errors]) <= set(features_of().ids)
    score = result.scores()["worst_group"]
    assert score.value < 0.5 and score.low <= score.value <= score.high < result.scores()["accuracy"].value


def test_a_value_that_is_served_worse_is_found_between_values():
    result = table(np.full((4, 4), 60), np.array([0.9, 0.9, 0.9, 0.6]))
    assert result.p["disparity"] < 0.01 and result.found and result.by_value.argmin() == 3
    assert result.scores()["disparity"].value == pytest.approx(np.ptp(result.by_value))


def test_classes_that_are_hard_are_not_the_attributes_doing():
    results = [table(np.full((4, 4), 40), np.array([[0.95], [0.8], [0.6], [0.4]]), seed) for seed in range(100)]
    assert sum(r.found for r in results) <= 5


def test_nothing_is_found_in_95_of_100_samples_where_all_are_served_alike():
    found = sum(table(np.full((4, 4), 40), 0.8, seed).found for seed in range(100))
    probed = 0
    for seed in range(100):
        fit = features_of(160, seed=2 * seed + 1, prefix="f")
        probed += groups(features_of(400, seed=2 * seed), "label", "hue", fit=fit, seed=seed).found
    print(f"groups: {found} and {probed} of 100 false alarms")
    assert found <= 5 and probed <= 5


def test_p_of_two_groups_is_that_of_the_exact_table():
    """One class, two values: a disparity as large as this, by the hypergeometric distribution."""
    result = table(np.array([[40, 40]]), np.array([[0.9, 0.7]]), 3)
    hits = np.bincount(result.group, result.correct)
    exact = fisher_exact([hits, 40 - hits])[1]
    assert result.p["disparity"] == pytest.approx(exact, abs=0.03)


def test_what_is_said_to_be_detectable_is_found_in_most_samples():
    even = np.full((4, 4), 60)
    least = np.median([table(even, 0.8, seed).detectable for seed in range(20)])
    shares = np.full(4, 0.8 + least / 4)
    shares[3] = 0.8 - 0.75 * least
    found = np.mean([table(even, shares, seed).p["disparity"] <= 0.0125 for seed in range(100)])
    assert 0.65 <= found <= 0.97


def test_controls_have_the_same_table():
    features, fit = features_of(), features_of(seed=1, prefix="f")
    noise = [
        Features.from_array(np.random.default_rng(i).normal(size=(800, 3)), ids=f.ids)
        for i, f in enumerate((features, fit))
    ]
    result = groups(features, "label", "hue", fit=fit, control_features={"untrained": (noise[0], noise[1])})
    assert len(result.accuracy("untrained")) == len(result.names) == 16
    assert result.scores()["worst_group"].controls["untrained"] < 0.4 < result.scores()["worst_group"].value


def test_two_encoders_are_compared_over_the_same_images():
    fit = features_of(seed=1, prefix="f")
    plain, spoilt = (groups(features_of(spoilt=s), "label", "hue", fit=fit) for s in ((), [(0, 0), (1, 1), (2, 2)]))
    difference = compare(plain, spoilt)
    assert difference.winner["accuracy"] == -1
    assert difference.scores()["accuracy"].value == pytest.approx(spoilt.accuracy().mean() - plain.accuracy().mean())


def test_tiny_groups_claim_nothing():
    result = table(np.array([[40, 5], [40, 40]]), np.array([[0.9, 0.1], [0.9, 0.9]]))
    assert not result.found and all(score.low is None for score in result.scores().values())


def test_permutation_p_counts_itself():
    assert permutation_p(1.0, np.zeros(99)) == 0.01


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="no column 'age'"):
        groups(features_of(), "label", "age")
