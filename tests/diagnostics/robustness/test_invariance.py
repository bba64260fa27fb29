"""Invariance: closed forms of planted steps, ridge regression beside scikit-learn's, and spans that were planted."""

from dataclasses import replace

import numpy as np
import pytest

import sslviz
from sslviz.diagnostics.robustness.invariance import invariance
from sslviz.features import Features

N, D = 100, 12


def pictures(steps, amounts=None, seed=0, n=N, d=D, plain=None):
    """`steps` {change: (n, d) or a direction times the amount}: the pictures, and each again with each step."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(n, d)) if plain is None else plain
    amounts = amounts or {}
    x = np.concatenate([plain, *(plain + step for step in steps.values())])
    table = {
        "object": np.tile([f"p{i}" for i in range(n)], 1 + len(steps)),
        "changed": np.repeat(["", *steps], n),
        "amount": np.concatenate([np.zeros(n), *(amounts.get(name, np.full(n, np.nan)) for name in steps)]),
    }
    return Features.from_array(x, table=table)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(7)


class TestClosedForms:
    def test_how_far_a_step_of_known_length_goes(self, rng):
        """Steps a u with u of length 1: E a^2 over 2 tr Sigma, with d = 12 and Sigma the identity in many pictures."""
        plain = rng.normal(size=(4000, D))
        amount = rng.uniform(-1, 1, 4000)
        steps = {"hue": 3 * amount[:, None] * np.eye(D)[0], "flip": np.zeros((4000, D)), "crop": plain[::-1] - plain}
        scores = invariance(pictures(steps, {"hue": amount}, n=4000, plain=plain)).scores()
        assert scores["invariance to hue"].value == pytest.approx(1 - 3 / 24, abs=0.01)  # E (3a)^2 = 3
        assert scores["invariance to flip"].value == 1
        assert scores["invariance to crop"].value == pytest.approx(0, abs=0.03)  # another picture, by definition
        assert scores["amount of hue"].value == pytest.approx(1, abs=1e-3)
        assert "amount of flip" not in scores  # no amount, no question

    def test_noise_on_the_step_hides_its_amount_by_as_much(self, rng):
        """step = a u + noise of variance s^2 along u and everywhere: R^2 = var(a) / (var(a) + s^2)."""
        n = 4000
        amount, noise = rng.normal(size=n), 0.5 * rng.normal(size=(n, D))
        views = pictures({"hue": amount[:, None] * np.eye(D)[0] + noise}, {"hue": amount}, n=n)
        assert invariance(views).scores()["amount of hue"].value == pytest.approx(1 / 1.25, abs=0.02)

    def test_a_step_that_says_nothing_reads_0_or_less(self, rng):
        read = []
        for seed in range(40):
            own = np.random.default_rng(seed)
            views = pictures({"hue": own.normal(size=(N, D))}, {"hue": own.normal(size=N)}, seed=seed)
            score = invariance(views, seed=seed).scores()["amount of hue"]
            read.append((score.value, score.low > 0))
        values, claimed = np.array(read).T
        print(f"invariance, amounts of nothing claimed of 40: {claimed.sum():.0f}, mean R^2 {values.mean():.2f}")
        assert values.mean() < 0 and claimed.mean() <= 0.1

    @pytest.mark.parametrize("d", [12, 150])
    def test_the_readout_is_ridge_regression(self, rng, d):
        from sklearn.linear_model import Ridge

        amount = rng.normal(size=N)
        step = amount[:, None] * rng.normal(size=d) + rng.normal(size=(N, d))
        result = invariance(pictures({"hue": step}, {"hue": amount}, d=d))
        fold = np.random.default_rng(0).permutation(N) % 5
        said = np.empty(N)
        for train, test in [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]:
            centred = step[train] - step[train].mean(axis=0)
            alpha = 1e-2 * (centred**2).sum() / min(centred.shape)
            said[test] = Ridge(alpha=alpha).fit(step[train], amount[train]).predict(step[test])
        np.testing.assert_allclose(result.read[0], said, atol=1e-4)


class TestSpans:
    def test_the_augmentation_that_moves_along_a_factor_spans_it(self, rng):
        views = pictures({n: rng.normal(size=(N, 1)) * np.eye(D)[i] for i, n in enumerate(["hue", "crop", "flip"])})
        factors = {"color": rng.normal(size=(N, 1)) * np.eye(D)[0], "x": rng.normal(size=(N, D))}
        result = invariance(views, changed=pictures(factors))
        spans = result.spanning()
        assert spans["color"]["hue"].value == pytest.approx(1, abs=1e-6)
        assert spans["color"]["crop"].value < 1e-6 and spans["color"]["flip"].value < 1e-6
        assert spans["x"]["hue"].value == pytest.approx(1 / D, abs=0.05)
        assert spans["color"]["hue"].control < 0.7
        assert result.views == ["hue", "crop", "flip"] and result.factors == ["color", "x"]
        assert "invariance to color" in result.scores()

    def test_only_pictures_of_the_views_count(self, rng):
        few = pictures({"hue": rng.normal(size=(30, D))}, n=30)
        many = pictures({"color": rng.normal(size=(N, D))}, n=N)
        assert invariance(few, changed=many).moved.shape == (2, 30)
        with pytest.raises(ValueError, match="70 of 100 are not among them, the first of them 'p30'"):
            invariance(many, changed=few)


def test_controls_are_read_on_the_same_pictures(rng):
    views = pictures({"hue": 0.1 * rng.normal(size=(N, D))})
    other = pictures({"hue": 2.0 * np.eye(D)[0] * np.ones((N, 1))}, seed=3)
    backwards = other.rows(np.arange(len(other))[::-1])
    scores = [invariance(views, altered_controls={"untrained": c}).scores() for c in (other, backwards)]
    assert scores[0]["invariance to hue"].controls == pytest.approx(scores[1]["invariance to hue"].controls)
    x = other.x[:N].astype(float)
    expected = 1 - 4 / (2 * ((x - x.mean(axis=0)) ** 2).sum() / (N - 1))
    assert scores[0]["invariance to hue"].controls["untrained"] == pytest.approx(expected, rel=1e-4)


def test_intervals_cover(rng):
    covered = []
    for seed in range(100):
        own = np.random.default_rng(seed)
        score = invariance(pictures({"hue": own.normal(size=(N, D))}, seed=seed)).scores()["invariance to hue"]
        covered.append(score.low <= 0.5 <= score.high)  # E|step|^2 = d over 2 d
    assert np.mean(covered) >= 0.88


def test_bad_input(rng):
    with pytest.raises(ValueError, match="collapsed"):
        invariance(pictures({"hue": np.zeros((N, D))}, plain=np.ones((N, D))))
    with pytest.raises(ValueError, match="got 10 pictures, 1 changes and 0 rows missing"):
        invariance(pictures({"hue": np.zeros((10, D))}, n=10))
    with pytest.raises(ValueError, match="1 rows missing"):
        invariance(pictures({"hue": rng.normal(size=(N, D))}).rows(np.arange(2 * N - 1)))
    with pytest.raises(ValueError, match="no column 'changed'"):
        invariance(Features.from_array(np.eye(4)))


class TestACollapsedEncoder:
    """Pictures that hardly differ are no unit to measure a change in."""

    @staticmethod
    def collapsed(spread, n=40, changes=("hue", "flip"), **columns):
        rng = np.random.default_rng(0)
        x = 10 + spread * rng.normal(size=(n, 8))
        moved = np.concatenate([x, *(x + rng.normal(size=(n, 8)) for _ in changes)])
        table = {
            "object": np.tile(np.arange(n), 1 + len(changes)).astype(str),
            "changed": np.repeat(["", *changes], n),
        } | columns
        return Features.from_array(moved, table=table)

    def test_invariance_cannot_be_told(self):
        result = sslviz.invariance(self.collapsed(1e-3), altered_controls={"untrained": self.collapsed(1.0)})
        for score in result.scores().values():
            assert np.isnan(score.value) and score.low is None and score.control == pytest.approx(0.0, abs=2)
            assert str(score) == "cannot be told: the encoder hardly reacts to anything"
        assert "cannot be told" in sslviz.draw(result).layout.meta["alt"]
        told = sslviz.invariance(self.collapsed(1.0), altered_controls={"untrained": self.collapsed(1e-3)})
        for score in told.scores().values():
            assert np.isfinite(score.value) and np.isnan(score.controls["untrained"]) and score.control == 0

    def test_nor_the_effect_of_a_factor(self):
        result = sslviz.counterfactual_effect(self.collapsed(1e-3), "hue")
        assert all(score.reason and np.isnan(score.value) for score in result.scores().values())
        assert result.hypothesis().p == 1 and result.hypothesis().detectable is None and not result.found
        assert sslviz.draw({"a": result, "b": result}).data

    def test_nor_the_drift_but_what_is_read_rightly(self):
        corruptions = {"corruption": np.repeat(["", "fog"], 40), "severity": np.repeat([0, 1], 40)}
        corrupted = self.collapsed(1e-3, changes=("fog 1",), **corruptions)
        plain = Features.from_array(np.r_[corrupted.x[:40], corrupted.x[:40]], table={"label": np.arange(80) % 2})
        scores = sslviz.drift(plain, corrupted).scores()
        assert scores["drift"].reason and np.isfinite(scores["accuracy_lost"].value)

    def test_what_an_older_sslviz_stored_is_told_by_the_ratio_alone(self):
        result = sslviz.invariance(self.collapsed(1e-3))
        assert replace(result, difference=None).scores()["invariance to hue"].reason
        near = sslviz.invariance(self.collapsed(1.0))
        assert not replace(near, difference=None).scores()["invariance to hue"].reason
