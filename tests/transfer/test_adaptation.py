"""Adaptation: planted shifts that are undone in full, covariances and slopes in closed form, and where it must lose."""

from dataclasses import replace

import numpy as np
import pytest

from sslviz.features import Features
from sslviz.runs import load_result, save_result
from sslviz.transfer.adaptation import HOW, Adaptation, adaptation
from sslviz.transfer.adapting import (
    Source,
    by_coral,
    by_statistics,
    by_tent,
    covariance_power,
    entropy_slope,
    histogram_entropy,
)
from sslviz.transfer.target_streams import TRAINED_THERE
from sslviz.transfer.two_domains import Head

D, CLASSES = 16, 4


def domain(n, seed, affine=False, labels=None):
    """Four classes that lie apart in all columns; `affine` scales and moves each column."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % CLASSES if labels is None else labels
    x = rng.normal(size=(n, D)) + np.random.default_rng(99).normal(size=(CLASSES, D))[label]
    if affine:
        change = np.random.default_rng(98)
        x = x * change.uniform(0.5, 2, D) + change.normal(scale=1.5, size=D)
    return Features.from_array(x, table={"label": label}, ids=[f"{seed}-{i}" for i in range(n)])


@pytest.fixture(scope="module")
def moved():
    return adaptation(domain(2000, 0), domain(2000, 1, affine=True))


def test_statistics_undo_a_scale_and_a_shift_of_each_column_in_full(moved):
    accuracy = {way: score.value for way, score in moved.levels()["balanced"].items()}
    at_home = adaptation(domain(2000, 0), domain(2000, 1)).levels()["balanced"]["none"].value
    assert accuracy["none"] < at_home - 0.1
    assert accuracy["statistics"] == pytest.approx(at_home, abs=0.02)
    assert accuracy["statistics"] == pytest.approx(accuracy[TRAINED_THERE], abs=0.02)
    scores = moved.scores()
    assert scores["statistics"].low > 0 and scores["coral"].low > 0 and scores["tent"].low > 0
    assert scores["target_trained"].low > 0


@pytest.mark.parametrize("way", HOW[1:])
def test_where_classes_come_in_other_shares_an_adaptation_loses(way):
    """Nothing has moved, so that nothing can be won: 85 % of one class, or classes one after the other."""
    scores = adaptation(domain(2000, 0), domain(2000, 1)).scores()
    assert abs(scores[way].value) < 0.02
    assert scores[f"{way}_label_shift"].high < -0.1
    assert scores[f"{way}_class_sorted"].high < -0.1


def test_a_gain_on_a_balanced_target_is_lost_where_classes_come_in_order(moved):
    levels = moved.levels()
    assert levels["class_sorted"]["statistics"].value < levels["balanced"]["statistics"].value - 0.2
    assert levels["class_sorted"]["none"].value == levels["balanced"]["none"].value  # the same images, in another order
    assert (moved.correct["class_sorted"][TRAINED_THERE] == moved.correct["balanced"][TRAINED_THERE]).all()


def test_streams_hold_each_image_once_and_85_percent_of_one_class(moved):
    assert len(set(moved.ids)) == len(moved.ids) and (np.bincount(moved.truth) == 250).all()
    for stream in range(CLASSES):
        right = moved.correct["label_shift"]["none"][moved.majority == stream]
        assert len(right) == pytest.approx(250 / 0.85, abs=1)


def test_covariances_are_equal_after_coral():
    """(C + ridge) of the target becomes (C + ridge) of the source, exactly; the mean too."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 3, rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6))
    source = Source(x)
    for ridge in (1e-9, 1.0):
        here, there = (np.cov(source.standardized(rows).T) + ridge * np.eye(6) for rows in (x, y))
        carry = covariance_power(source.standardized(y), -0.5, ridge) @ covariance_power(
            source.standardized(x), 0.5, ridge
        )
        np.testing.assert_allclose(carry.T @ there @ carry, here, rtol=1e-6, atol=1e-9)
    carried = by_coral(y, source)
    np.testing.assert_allclose(carried.mean(axis=0), x.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(source.standardized(carried).T) + carry.T @ carry, here, atol=1e-9)  # ridge 1


@pytest.mark.parametrize("exponent", [0.5, -0.5])
def test_a_power_of_a_covariance_is_that_of_scipy_whatever_its_shape(exponent):
    from scipy.linalg import inv, sqrtm

    for n in (40, 5):
        x = np.random.default_rng(n).normal(size=(n, 8))
        root = sqrtm(np.cov(x.T) + np.eye(8)).real
        np.testing.assert_allclose(covariance_power(x, exponent), root if exponent > 0 else inv(root), atol=1e-8)


def test_statistics_become_the_sources():
    x, y = domain(300, 0).x, domain(200, 1, affine=True).x
    adapted = by_statistics(y, Source(x))
    np.testing.assert_allclose(adapted.mean(axis=0), x.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(adapted.std(axis=0), x.std(axis=0), rtol=1e-3)


def test_the_slope_of_the_entropy_is_that_of_differences():
    logits = np.random.default_rng(0).normal(scale=2, size=(3, 5))

    def entropy(rows):
        p = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
        return -(p * np.log(p)).sum()

    for i, j in [(0, 0), (1, 3), (2, 4)]:
        step = np.zeros_like(logits)
        step[i, j] = 1e-5
        difference = (entropy(logits + step) - entropy(logits - step)) / 2e-5
        assert entropy_slope(logits)[i, j] == pytest.approx(difference, abs=1e-8)


def test_tent_takes_the_steps_that_torch_takes():
    """Scale and shift by autograd and torch's Adam, batch by batch."""
    import torch

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 5)) * 2 + 1, rng.normal(size=(90, 5)) + 3
    head, source = Head(np.arange(3), rng.normal(size=(3, 5)), rng.normal(size=3)), Source(x)
    affine = [torch.ones(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)]
    affine = [torch.nn.Parameter(one) for one in affine]
    optimizer, read = torch.optim.Adam(affine, lr=0.1), []
    for rows in (y[:30], y[30:60], y[60:]):
        z = torch.tensor(source.standardized(by_statistics(rows, source)))
        scaled = (z * affine[0] + affine[1]) * torch.tensor(source.scale) + torch.tensor(source.center)
        logits = scaled @ torch.tensor(head.weights).T + torch.tensor(head.bias)
        read.append(logits.detach().numpy())
        optimizer.zero_grad()
        torch.distributions.Categorical(logits=logits).entropy().mean().backward()
        optimizer.step()
    np.testing.assert_allclose(by_tent(y, source, head, batch=30, rate=0.1), np.concatenate(read), atol=1e-9)


def test_the_alarm_goes_off_where_answers_become_one_and_not_before(moved):
    assert histogram_entropy(np.arange(40) % 4, 4) == pytest.approx(1) and histogram_entropy(np.zeros(9, int), 4) == 0
    assert moved.alarms() == []
    fewer = {"none": 0.9, "statistics": 0.85, "coral": 0.9, "tent": 0.3}
    collapsed = replace(moved, histogram={"balanced": fewer})
    assert collapsed.alarms() == ["tent"]


def test_controls_and_ways_and_what_is_stored(tmp_path):
    source, target = domain(400, 0), domain(400, 1, affine=True)
    blind = [
        Features.from_array(np.random.default_rng(s).normal(size=(400, 3)), table=f.table, ids=f.ids)
        for s, f in enumerate((source, target))
    ]
    given = {"control_features": {"pixels": blind[0]}, "target_controls": {"pixels": blind[1]}}
    result = adaptation(source, target, how=("statistics",), **given)
    assert result.how == ["none", "statistics"] and abs(result.control_values["pixels"]["statistics"]) < 0.15
    assert result.scores()["statistics"].controls.keys() == {"no adaptation", "pixels"}
    assert set(result.scores()) == {
        *("statistics", "statistics_label_shift", "statistics_class_sorted", "target_trained", "statistics_histogram")
    }
    again = adaptation(source, target, how=("statistics",), **given)
    assert again.scores() == result.scores()
    save_result(tmp_path / "r.npz", result)
    assert load_result(tmp_path / "r.npz", Adaptation).scores() == result.scores()


def test_a_way_that_nobody_knows_is_one_sentence():
    with pytest.raises(ValueError, match="no adaptation 'shot'; possible are: none, statistics, coral, tent"):
        adaptation(domain(40, 0), domain(40, 1), how=("shot",))
