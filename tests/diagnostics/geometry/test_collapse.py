"""The verdict: right on planted spaces of every kind, and silent on healthy ones that look a little like them."""

import dataclasses
import warnings
from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sslviz.diagnostics.geometry.cluster_gap import heaps, nearest_first
from sslviz.diagnostics.geometry.collapse import MIN_GAP, Collapse, collapse
from sslviz.diagnostics.geometry.spectrum import spectrum
from sslviz.features import Features
from sslviz.runs import load_result, save_result

N, D = 200, 48
SEEDS = 100


def of(x, projector=None, **keywords) -> Collapse:
    return collapse(Features.from_array(x), None if projector is None else Features.from_array(projector), **keywords)


def power_law(alpha, n=N, d=D):
    """Gaussian rows whose covariance has the eigenvalues rank^-alpha, in random directions."""
    return lambda rng: (
        rng.normal(size=(n, d)) * np.arange(1, d + 1.0) ** (-alpha / 2) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    )


def rank(k, n=N, d=D):
    """k directions, a little noise in all others, and a mean."""
    return lambda rng: (
        rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + 1e-2 * rng.normal(size=(n, d)) + rng.normal(size=d)
    )


def classes(count, within, n=N, d=D, share=None):
    """Images of `count` kinds at random places, that differ by `within` of what the kinds do."""
    return lambda rng: rng.normal(size=(count, d))[rng.choice(count, n, p=share)] + within * rng.normal(size=(n, d))


def bent(parameters, turns, d=D, noise=0.01):
    """A manifold with these parameters (n, k), bent through d dimensions by cosines that turn `turns` times, and noise."""

    def make(rng):
        t = parameters(rng)
        waves = np.cos(2 * np.pi * (turns * t @ rng.normal(size=(t.shape[1], d)) + rng.random(d)))
        return waves + noise * rng.normal(size=waves.shape)

    return make


def swiss_roll(rng):
    angle, height = 1.5 * np.pi * (1 + 2 * rng.random(N)), 20 * rng.random(N)
    return np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1)


def one_factor(rng):
    """What an encoder that keeps one factor of four values makes, as in the app's planted runs."""
    return 3 * np.eye(4, 32)[rng.integers(0, 4, N)] + rng.normal(size=(N, 32))


def relu(make, scale=1.0, offset=0.0):
    return lambda rng: np.maximum(offset + scale * make(rng), 0)


def with_strays(make, share=0.03):
    """Some images that lie anywhere, and belong to no heap."""

    def stray(rng):
        x = make(rng)
        x[rng.random(len(x)) < share] = x.std() * rng.normal(size=x.shape[1])
        return x + 0.01 * x.std() * rng.normal(size=x.shape)

    return stray


PLANTED = {
    "healthy": {
        "noise": power_law(0),
        "power law 1": power_law(1.0),
        "power law 1.5": power_law(1.5),
        "fewer rows than dimensions": power_law(1.0, 40, 96),
        "a handful of rows": power_law(1.0, 10, 32),
        "after a ReLU": relu(power_law(1.0)),
        "after a ReLU, far from zero": relu(power_law(1.0), 2, 5),
        "one loud dimension": lambda rng: rng.normal(size=(N, D)) * np.where(np.arange(D) == 0, 15, 1),
        "heavy tails": lambda rng: rng.standard_t(2, size=(N, D)),
        "one factor": one_factor,
        "ten classes": classes(10, 1 / 3),
        "ten classes, far apart": classes(10, 1 / 5),
        "four classes in many dimensions": classes(4, 1 / 3, d=128),
        "a hundred classes": classes(100, 1 / 3),
        "pairs of near-duplicates": lambda rng: (
            np.repeat(rng.normal(size=(N // 2, D)), 2, axis=0) + 1e-3 * rng.normal(size=(N, D))
        ),
        "tight heaps of five": lambda rng: (
            np.repeat(rng.normal(size=(N // 5, D)), 5, axis=0) + 1e-3 * rng.normal(size=(N, D))
        ),
        "a curve through many dimensions": bent(lambda rng: rng.random((N, 1)), turns=10),
        "a surface through many dimensions": bent(lambda rng: rng.random((N, 2)), turns=3),
        "a swiss roll through many dimensions": bent(swiss_roll, turns=0.05),
    },
    "complete collapse": {
        "constant": lambda rng: np.tile(rng.normal(size=D), (N, 1)),
        "constant and rounding": lambda rng: rng.normal(size=D) + 1e-3 * rng.normal(size=(N, D)),
        "constant after a ReLU": relu(lambda rng: rng.normal(size=D) + 5e-3 * rng.normal(size=(N, D))),
        "heaps, all but in one point": lambda rng: rng.normal(size=D) + 1e-3 * classes(5, 0.05)(rng),
    },
    "cluster collapse": {
        "two heaps": classes(2, 0.05),
        "eight heaps": classes(8, 0.05),
        "eight heaps, a tenth as wide as apart": classes(8, 0.1),
        "thirty heaps": classes(30, 0.02),
        "heaps of very different sizes": classes(5, 0.05, share=(0.5, 0.25, 0.13, 0.07, 0.05)),
        "heaps of heavy tails": lambda rng: classes(8, 0)(rng) + 0.02 * rng.standard_t(3, size=(N, D)),
        "heaps and strays": with_strays(classes(8, 0.02)),
        "identical images in each heap": classes(6, 0.0),
        "heaps after a ReLU": relu(classes(8, 0.03)),
        "forty heaps of many images": classes(40, 0.03, n=1200),
    },
    "dimensional collapse": {
        "1 direction": rank(1),
        "2 directions": rank(2),
        "4 directions": rank(4, d=96),
        "3 directions after a ReLU": lambda rng: np.maximum(0.2 * rank(3)(rng) + np.abs(rng.normal(size=D)), 0),
        # as measured on SimSiam without stop-gradient: most in two directions, and a long tail that keeps the rank up
        "2 directions and a tail": lambda rng: (
            rng.normal(size=(N, 2)) @ rng.normal(size=(2, 96)) + power_law(1.7, d=96)(rng)
        ),
        "a straight line": lambda rng: (
            rng.normal(size=D) + np.outer(rng.random(N), rng.normal(size=D)) + 1e-3 * rng.normal(size=(N, D))
        ),
        "a circle": bent(lambda rng: rng.random((N, 1)), turns=0.2),
        "a flat swiss roll": lambda rng: swiss_roll(rng) @ rng.normal(size=(3, D)) + 0.1 * rng.normal(size=(N, D)),
        "most dimensions dead": lambda rng: rng.normal(size=(N, D)) * (np.arange(D) < 3),
    },
}
CASES = [(verdict, space) for verdict, spaces in PLANTED.items() for space in spaces]


@pytest.fixture
def no_intervals(monkeypatch):
    """A verdict is read from the numbers alone; their intervals, for which images are left out in turn, come below."""
    for module in ("spectrum", "cluster_gap"):
        monkeypatch.setattr(f"sslviz.diagnostics.geometry.{module}.delete_groups", lambda n, seed: np.zeros(n, int))


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "space"), CASES)
def test_the_verdict_on_planted_spaces_is_right_in_95_of_100_seeds(verdict, space, no_intervals):
    make = PLANTED[verdict][space]
    given = Counter(of(make(np.random.default_rng(seed))).verdict for seed in range(SEEDS))
    kind = "false alarms" if verdict == "healthy" else "missed or called something else"
    print(f"{space}: {SEEDS - given[verdict]} of {SEEDS} {kind}; {dict(given)}")
    assert given[verdict] >= 0.95 * SEEDS


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "healthy"])
def test_a_projector_that_collapses_alone_is_said_and_how(kind, no_intervals):
    projectors = list(PLANTED[kind].values())
    right = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        projector = projectors[seed % len(projectors)](rng)
        result = of(power_law(1.0, n=len(projector))(rng), projector)
        right += result.verdict == "projector-only collapse" and result.projector_verdict == kind
        right -= f"The projector shows a {kind}: " not in result.reasons[-1]
    print(f"projector-only, {kind}: {SEEDS - right} of {SEEDS} missed or called something else")
    assert right >= 0.95 * SEEDS


def test_a_healthy_projector_changes_nothing_and_an_encoder_that_collapsed_leads():
    rng = np.random.default_rng(0)
    healthy, low = power_law(1.0)(rng), rank(1)(rng)
    assert of(healthy, healthy).verdict == "healthy" and "projector is healthy" in of(healthy, healthy).reasons[-1]
    assert of(low, healthy).verdict == of(low, low).verdict == "dimensional collapse"
    assert of(low).projector_verdict is None and len(of(low).reasons) < len(of(low, healthy).reasons)


class TestNumbers:
    def test_reasons_hold_them(self):
        healthy = of(np.random.default_rng(0).normal(size=(N, D)))
        used = spectrum(Features.from_array(np.random.default_rng(0).normal(size=(N, D)))).directions_in_use
        assert f"{used} of 48 directions are in use" in healthy.reasons[0]
        assert "vary less than 0.001 times as much" in of(np.ones((30, 4))).reasons[0]
        assert "about 8 heaps" in of(classes(8, 0.05)(np.random.default_rng(0))).reasons[0]

    def test_heaps_are_counted_and_measured(self):
        """Means at right angles, one apart: between two heaps 1, within one 0.05 * sqrt(2 d)."""
        rng = np.random.default_rng(0)
        means = np.eye(6, 32) / np.sqrt(2)
        x = np.repeat(means, 100, axis=0) + 0.05 / np.sqrt(64) * rng.normal(size=(600, 32))
        found = heaps(nearest_first(x)[1])
        assert found["heaps"] == pytest.approx(6, abs=1e-9)
        assert found["within"] == pytest.approx(0.05, rel=0.02)
        distances = cdist(x, x)
        same = np.arange(600)[:, None] // 100 == np.arange(600) // 100
        ratio = [row[~mine].min() / row[mine].max() for row, mine in zip(distances, same, strict=True)]
        assert found["cluster_gap"] == pytest.approx(np.median(ratio), rel=1e-4)
        assert of(x).numbers["cluster_gap"] == pytest.approx(found["cluster_gap"], rel=1e-4)

    def test_nearest_first_is_scipys_order(self):
        x = np.random.default_rng(0).normal(size=(60, 5)) + 1e3
        order, distances = nearest_first(x)
        expected = cdist(x, x)
        assert (order == expected.argsort(axis=1)[:, 1:]).all()
        np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, 1:], rtol=1e-5)

    def test_dead_dimensions_are_counted(self):
        x = np.random.default_rng(0).normal(size=(N, 40))
        x[:, :10] = 3
        x[:, 10:12] *= 1e-5
        assert of(x).numbers["dead_dimensions"] == pytest.approx(12 / 40)
        assert "30% of the dimensions hardly vary." in of(x).reasons
        x[:, 20:] = 0  # more than half of them: a median would be 0
        assert of(x).numbers["dead_dimensions"] == pytest.approx(32 / 40)

    def test_they_are_the_spectrums_where_it_has_them(self):
        x = Features.from_array(power_law(1.0)(np.random.default_rng(0)))
        ours, theirs = collapse(x).scores(), spectrum(x).scores()
        assert ours["directions"] == dataclasses.replace(theirs["effective_rank"])
        assert ours["spread"].value == pytest.approx(theirs["std"].value * np.sqrt(D))

    def test_distance_scale_and_direction_do_not_matter(self):
        rng = np.random.default_rng(0)
        x = classes(8, 0.05)(rng)
        turned = 17 * x @ np.linalg.qr(rng.normal(size=(D, D)))[0]
        here, there = of(x).numbers, of(turned).numbers
        for name in ("spread", "directions", "cluster_gap", "heaps", "within", "held"):
            assert there[name] == pytest.approx(here[name], rel=0.05 if name == "spread" else 1e-4)


class TestControls:
    def test_noise_reads_its_own_controls(self):
        """Isotropic noise is what every control describes: over 40 seeds the mean of each score is its control."""
        seeds = [of(np.random.default_rng(seed).normal(size=(N, D)), seed=seed).scores() for seed in range(40)]
        for name in ("spread", "directions", "dead_dimensions", "cluster_gap"):
            assert np.mean([s[name].value for s in seeds]) == pytest.approx(
                np.mean([s[name].control for s in seeds]), rel=0.005, abs=1e-9
            )
            assert all(s[name].control_is == "ceiling" and s[name].beats_control is None for s in seeds)

    def test_noise_of_the_same_covariance_has_no_gap(self):
        score = of(classes(8, 0.05)(np.random.default_rng(0))).scores()["cluster_gap"]
        assert score.low <= score.value <= score.high and score.low > MIN_GAP
        assert 1 < score.control < 1.2


@pytest.mark.slow
def test_intervals_hold_the_expected_score_in_9_of_10_samples():
    """Eight fixed kinds of images, 100 samples of 200 images; the number estimated is the expectation at this n."""
    means = np.random.default_rng(0).normal(size=(8, 16))
    rng = np.random.default_rng(1)
    samples = [of(np.repeat(means, 25, axis=0) + 0.1 * rng.normal(size=(200, 16))).scores() for _ in range(100)]
    for name in ("cluster_gap", "spread", "directions"):
        expected = np.mean([scores[name].value for scores in samples])
        held = sum(scores[name].low <= expected <= scores[name].high for scores in samples)
        print(f"{name}: the interval holds the expectation in {held} of 100 samples")
        assert held >= 90


class TestBadInput:
    @pytest.mark.parametrize("value", [1.0, 0.0, 0.1])
    def test_constant_features_are_a_complete_collapse_and_no_error(self, value):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = of(np.full((50, 12), value), np.full((50, 3), value))
            scores = result.scores()
        assert result.verdict == result.projector_verdict == "complete collapse"
        assert scores["dead_dimensions"].value == 1 and scores["cluster_gap"].value == 1

    @pytest.mark.parametrize("shape", [(2, 1), (2, 30), (11, 4), (12, 4), (20, 1)])
    def test_the_smallest_shapes_are_read(self, shape):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = of(np.random.default_rng(0).normal(size=shape)).scores()
        assert ("cluster_gap" in scores) == (shape[0] >= 12)
        assert (scores["spread"].low is not None) == (shape[0] >= 20)

    def test_one_row_and_other_images_are_refused_in_a_sentence(self):
        with pytest.raises(ValueError, match="at least 2 images.*got 1"):
            of(np.ones((1, 4)))
        one = Features.from_array(np.eye(30))
        with pytest.raises(ValueError, match="same images in the same order.*30 and 29 rows"):
            collapse(one, one.rows(np.arange(29)))
        with pytest.raises(ValueError, match="same images in the same order"):
            collapse(one, one.rows(np.arange(30)[::-1]))


def test_it_is_stored_and_read_back_whole(tmp_path):
    rng = np.random.default_rng(0)
    for projector in (None, rank(1)(rng)):
        result = of(power_law(1.0)(rng), projector)
        save_result(tmp_path / "r.npz", result)
        back = load_result(tmp_path / "r.npz", Collapse)
        assert back.scores() == result.scores()
        assert (back.verdict, back.reasons) == (result.verdict, result.reasons)
