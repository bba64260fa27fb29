"""Slices: a planted failing group is found, with the right images in it; luck is seldom taken for a slice."""

from functools import cache

import numpy as np
import pytest

from sslviz.data import shapes
from sslviz.diagnostics.bias.slices import slices
from sslviz.features import Features
from sslviz.features.columns import stratified_half


def planted(seed=0, n=4000, d=16, share=0.06, fails=0.8, apart=4):
    """Three classes far apart, labels wrong in 5 % of images, and a region in which they are wrong in 80 %."""
    rng = np.random.default_rng(seed)
    label, group = rng.integers(0, 3, n), rng.random(n) < share
    x = rng.normal(size=(n, d)) + apart * np.eye(d)[label] + 3 * group[:, None] * np.eye(d)[5:7].sum(axis=0)
    wrong = rng.random(n) < np.where(group, fails, 0.05)
    return Features.from_array(x, table={"label": np.where(wrong, (label + 1) % 3, label), "group": group})


@cache
def found(seed):
    """A sample with such a region, and what is found in it."""
    features = planted(seed)
    return features, slices(features, seed=seed)


def conflict(seed=0, bias=0.95):
    """What an encoder that holds shape a little and colour a lot makes of shapes: fitted with a bias, scored without."""
    parts = []
    for split in ("train", "test"):
        table = shapes(6000, size=16, bias=bias, seed=seed).split(split).table
        shape, color = (np.unique(table[c], return_inverse=True)[1] for c in ("shape", "color"))
        x = np.concatenate([np.eye(4)[shape], 3 * np.eye(4)[color]], axis=1)
        x = x + 0.3 * np.random.default_rng([seed, len(x)]).normal(size=x.shape)
        parts.append(Features.from_array(x, table=table, ids=[f"{split} {i}" for i in range(len(x))]))
    return parts


def test_a_planted_failing_region_is_found_and_its_images_are_in_it():
    for seed in range(5):
        features, result = found(seed)
        first = result.images(0)[:10]
        share = features.select(list(first)).table["group"].mean()
        assert result.found and result.p_corrected[0] < 0.01
        assert share >= 0.9 and result.scores()["worst_slice"].value > 0.5
        assert result.scores()["worst_slice"].low > result.scores()["worst_slice"].control > 0.05


def test_of_a_region_that_fails_the_share_is_what_was_planted():
    """The slice is chosen on other images, so that its errors are not flattered: 0.8 within the interval, mostly."""
    covered = []
    for seed in range(30):
        features, result = found(seed)
        if features.select(list(result.images(0))).table["group"].mean() > 0.95:
            covered.append(result.low[0] <= 0.8 <= result.high[0])
    assert len(covered) >= 10 and np.mean(covered) > 0.8


def test_the_groups_that_go_against_the_bias_are_recovered():
    fit, test = conflict()
    result = slices(test, "shape", fit=fit)
    home = {"disc": "orange", "square": "green", "triangle": "blue", "cross": "purple"}
    failing = np.flatnonzero(result.p_corrected < 0.05)
    surest = test.select(list(np.concatenate([result.images(i)[:10] for i in failing]))).table
    assert len(failing) and (surest["shape"].map(home) != surest["color"]).mean() >= 0.9


def test_what_is_counted_is_what_is_there():
    features, result = found(0)
    assert result.n_discovery + len(result.ids) == np.sum(~stratified_half(features.column("label")))  # of those scored
    for i in range(len(result.sizes)):
        rows = result.member == i
        assert result.sizes[i] == rows.sum() == len(result.images(i))
        assert result.errors[i] == pytest.approx((result.truth != result.predicted)[rows].mean())
        assert set(result.images(i)) == set(result.ids[rows])
    inside = np.flatnonzero(result.member == 0)
    assert result.images(0)[0] == result.ids[inside[result.certainty[inside].argmax()]]
    what, taken = result.majority(0)
    truth = result.classes[result.truth[result.member == 0]]
    assert (truth == what).mean() >= 1 / 3 and taken in result.classes


def test_random_slices_expect_the_errors_of_their_predictions():
    """By hand, and by the mean of shufflings."""
    _, result = found(0)
    wrong = result.truth != result.predicted
    for i in range(len(result.sizes)):
        rates = [wrong[result.predicted == c].mean() for c in result.predicted[result.member == i]]
        assert result.expected[i] == pytest.approx(np.mean(rates))
    assert (result.reach >= result.expected).all()


@pytest.mark.slow
def test_luck_is_seldom_taken_for_a_slice():
    """Features without labels in them; and classes far apart whose labels are wrong in any place alike."""
    alarms = np.zeros(2, int)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        noise = Features.from_array(rng.normal(size=(300, 6)), table={"label": rng.choice(3, 300, p=[0.5, 0.3, 0.2])})
        alike = planted(seed, n=400, d=8, fails=0.05, apart=8)
        alarms += [slices(noise, seed=seed).found, slices(alike, seed=seed).found]
    print(f"slices, false alarms of 100 (no classes, errors anywhere): {alarms}")
    assert (alarms <= 10).all() and alarms[0] >= 1


def test_where_nothing_is_read_wrongly_there_is_no_slice():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    result = slices(Features.from_array(50 * np.eye(3)[label] + rng.normal(size=(300, 3)), table={"label": label}))
    score = result.scores()["worst_slice"]
    assert not result.found and score.value == score.control == 0 and score.high > 0
    assert result.majority(0)[1] == ""


def test_too_few_images_are_refused():
    few = planted(n=40)
    with pytest.raises(ValueError, match="No slice has 5 images|single image"):
        slices(few.rows(np.arange(16)))
