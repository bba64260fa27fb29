"""Retrieval of an attribute: oracles, the definition with loops, and false alarms."""

import numpy as np
import pytest

from sslviz.data import shapes
from sslviz.diagnostics.bias.retrieval import retrieval
from sslviz.features import Features


def planted(column, bias=0.95, noise=0.05, seed=0):
    table = shapes(3000, size=16, bias=bias, seed=seed).split("train").table
    seen = np.unique(table[column], return_inverse=True)[1]
    x = np.eye(4)[seen] + noise * np.random.default_rng(seed).normal(size=(len(seen), 4))
    return Features.from_array(x, table=table)


def by_hand(x, label, attribute, k):
    """Precision and expectation of every image, with loops over pairs."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    precision, expected = [], []
    for i in range(len(x)):
        others = np.delete(np.arange(len(x)), i)
        near = others[np.argsort(-(unit[others] @ unit[i]), kind="stable")[:k]]
        precision.append(np.mean(attribute[near] == attribute[i]))
        expected.append(np.mean([np.mean(attribute[others][label[others] == label[j]] == attribute[i]) for j in near]))
    return np.array(precision), np.array(expected)


def test_is_the_definition():
    rng = np.random.default_rng(0)
    label, attribute = rng.integers(0, 3, 60), rng.integers(0, 2, 60)
    x = (rng.normal(size=(60, 4)) + 0.8 * np.eye(4)[attribute]).astype(np.float32)
    precision, expected = by_hand(x, label, attribute, 5)
    result = retrieval(Features.from_array(x, table={"label": label, "attribute": attribute}), k=5)
    assert result.excess == pytest.approx((precision.mean() - expected.mean()) / (1 - expected.mean()))
    np.testing.assert_allclose(result.precision, [precision[attribute == v].mean() for v in (0, 1)])
    np.testing.assert_allclose(result.expected, [expected[attribute == v].mean() for v in (0, 1)])


@pytest.mark.parametrize("bias", [0.25, 0.7, 0.95])
def test_oracles(bias):
    """Who sees colour shares it with all neighbours; who sees shape shares what shape explains, whatever the bias."""
    color, shape = (retrieval(planted(column, bias), "shape", "color") for column in ("color", "shape"))
    assert color.found and color.excess == pytest.approx(1, abs=1e-6)
    assert abs(shape.excess) < 0.1
    score = shape.scores()["retrieval"]
    assert score.low < 0 < score.high


@pytest.mark.slow
def test_luck_is_seldom_taken_for_more():
    alarms = np.zeros(2, int)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        label, coin = rng.integers(0, 3, 100), rng.integers(0, 2, 100)
        noise = rng.normal(size=(100, 6))
        for i, x in enumerate((noise, noise + 3 * np.eye(6)[label])):
            table = {"label": label, "attribute": coin}
            alarms[i] += retrieval(Features.from_array(x, table=table), seed=seed).found
    print(f"retrieval, false alarms of 100 (noise, label planted): {alarms}")
    assert (alarms >= 1).all() and (alarms <= 10).all()


def test_what_is_called_detectable_is_found_in_most_samples():
    def sample(seed, strength, n=200):
        rng = np.random.default_rng([seed, n])
        label, coin = rng.integers(0, 3, n), rng.integers(0, 2, n)
        x = rng.normal(size=(n, 6)) + strength * np.eye(6)[coin]
        return retrieval(Features.from_array(x, table={"label": label, "attribute": coin}), seed=seed)

    strengths = np.linspace(0, 1.5, 7)  # the excess grows with it: which one gives what is called detectable?
    excess = [np.mean([sample(seed, s).excess for seed in range(12)]) for s in strengths]
    least = np.mean([sample(seed, 0.7).detectable for seed in range(12)])
    there = np.interp(least, excess, strengths)
    found = sum(sample(seed, there).found for seed in range(100, 140))
    print(f"retrieval, found of 40 at the least detectable excess {least:.3f}: {found}")
    assert 24 <= found <= 38


def test_bad_input():
    with pytest.raises(ValueError, match="Each 'shape' has one 'color' only"):
        retrieval(planted("color", bias=1.0), "shape", "color")
    with pytest.raises(ValueError, match="neighbours are asked for"):
        retrieval(planted("color").rows(np.arange(8)), "shape", "color", k=10)
