"""Associations: the papers' definition, scipy's permutation test, oracles on a planted table, and false alarms."""

from functools import cache

import numpy as np
import pytest

from sslviz.data import shapes
from sslviz.diagnostics.bias.association import association
from sslviz.features import Features


def features(x, **table):
    return Features.from_array(x, table=table)


def papers(x, label, bank, attribute):
    """WEAT's effect size word for word, with loops: X, Y by label a, b and A, B by attribute u, w."""

    def cos(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    def s(w):
        return np.mean([cos(w, a) for a in bank[attribute == "u"]]) - np.mean(
            [cos(w, b) for b in bank[attribute == "w"]]
        )

    leaning = np.array([s(w) for w in x])
    difference = leaning[label == "a"].mean() - leaning[label == "b"].mean()
    return leaning, difference / leaning.std(ddof=1)


def four_sets(each=6, d=5, shift=0.7, seed=0):
    rng = np.random.default_rng(seed)
    label, attribute = np.repeat(["a", "b"], each), np.tile(["u", "w"], each)
    x = rng.normal(size=(2 * each, d)) + shift * np.eye(d)[0] * (label == "a")[:, None]
    bank = rng.normal(size=(2 * each, d)) + shift * np.eye(d)[0] * (attribute == "u")[:, None]
    targets = features(x, label=label, attribute=attribute)
    return targets, Features.from_array(
        bank, table={"label": label, "attribute": attribute}, ids=np.arange(100, 100 + len(x))
    )


@pytest.fixture(scope="module")
def world():
    """`world(bias, column, split)`: an oracle that sees one factor of the shapes and noise, on a split of them."""

    drawn = cache(lambda bias, seed: shapes(4000, size=16, bias=bias, seed=seed))

    def make(bias, column, split, noise=0.3, seed=0):
        table = drawn(bias, seed).split(split).table
        seen = np.unique(table[column], return_inverse=True)[1]
        x = np.eye(4)[seen] + noise * np.random.default_rng(seed).normal(size=(len(seen), 4))
        return Features.from_array(x, table=table)

    return make


class TestBesideThePapers:
    def test_the_effect_is_theirs(self):
        targets, bank = four_sets()
        result = association(targets, fit=bank, permutations=1000)
        _, effect = papers(targets.x, targets.table["label"], bank.x, bank.table["attribute"])
        np.testing.assert_allclose(result.effect_uncentered, [[effect, -effect], [-effect, effect]], rtol=1e-5)

    def test_the_centred_effect_is_theirs_on_centred_features(self):
        targets, bank = four_sets(seed=1)
        mean = bank.x.mean(axis=0)
        leaning, effect = papers(targets.x - mean, targets.table["label"], bank.x - mean, bank.table["attribute"])
        result = association(targets, fit=bank, permutations=1000)
        assert result.effect[0, 0] == pytest.approx(effect, rel=1e-5)
        assert result.margin[0, 0] == pytest.approx(effect * leaning.std(ddof=1), rel=1e-5)

    def test_their_p_is_scipys_exact_one(self):
        from scipy.stats import permutation_test

        targets, bank = four_sets(shift=0.3)
        mean, label = bank.x.mean(axis=0), targets.table["label"].to_numpy()
        leaning, _ = papers(targets.x - mean, label, bank.x - mean, bank.table["attribute"])
        sides = leaning[label == "a"], leaning[label == "b"]
        test = permutation_test(sides, lambda a, b: a.mean() - b.mean(), n_resamples=np.inf)
        result = association(targets, fit=bank, permutations=1000)
        assert result.exact and result.p_labels[0, 0] == pytest.approx(test.pvalue)
        drawn = association(targets, fit=bank, permutations=900)  # one fewer than there are, 924
        assert not drawn.exact and drawn.p_labels[0, 0] == pytest.approx(test.pvalue, abs=0.05)

    @pytest.mark.parametrize(("n", "cap"), [(4, 1.8708), (8, 1.9365)])
    def test_two_points_reach_the_cap_and_the_least_p(self, n, cap):
        from math import comb

        label = np.repeat(["a", "b"], n)
        x = np.eye(2)[(label == "b").astype(int)]
        bank = Features.from_array(
            np.tile(np.eye(2), (4, 1)), table={"label": list("aabbaabb"), "attribute": list("uwuwuwuw")}
        )
        result = association(features(x, label=label, attribute=label), fit=bank, permutations=20_000)
        assert result.effect[0, 0] == pytest.approx(cap, abs=1e-4) == result.effect_max[0]
        assert result.p_labels[0, 0] == pytest.approx(2 / comb(2 * n, n))
        assert result.p_floor <= result.p_corrected.min()


class TestPlanted:
    def test_who_sees_the_shortcut_associates_each_shape_with_its_colour(self, world):
        test = world(0.95, "color", "train")
        result = association(test, "shape", "color", permutations=500)
        pairs = {("disc", "orange"), ("square", "green"), ("triangle", "blue"), ("cross", "purple")}
        positive = {
            (str(result.classes[i]), str(result.values[j])) for i, j in zip(*np.nonzero(result.margin > 0), strict=True)
        }
        assert result.found and positive == pairs and (result.p_corrected[result.margin > 0] < 0.05).all()
        assert result.scores()["effect"].value > 0.75 * result.effect_max[result.strongest[0]]

    def test_where_colour_says_nothing_of_shape_there_is_none(self, world):
        result = association(world(0.95, "color", "test"), "shape", "color", permutations=500)
        assert not result.found

    def test_who_sees_shape_alone_associates_nothing_and_the_papers_are_fooled(self, world):
        """Any accident in the choice of colour images lies along the shapes, and shapes lie apart: d is large, p least."""
        fooled = ours = 0
        for seed in range(20):
            result = association(
                world(0.25, "shape", "train", seed=seed), "shape", "color", permutations=200, seed=seed
            )
            fooled += bool(result.p_labels.min() < 0.05)
            ours += result.found
        print(f"associations of an encoder that sees shape alone, of 20: the papers' p {fooled}, ours {ours}")
        assert fooled == 20 and ours <= 4

    def test_shape_at_a_bias_is_not_taken_for_colour(self, world):
        assert not association(world(0.95, "shape", "train"), "shape", "color", permutations=500).found

    def test_where_the_one_settles_the_other_nothing_can_be_told(self, world):
        result = association(world(1.0, "color", "train"), "shape", "color", permutations=200)
        assert (
            result.confounded
            and not result.found
            and result.detectable == np.inf
            and result.scores()["effect"].value > 0.75 * result.effect_max.min()
        )

    def test_chosen_classes_and_values_are_the_papers_test(self, world):
        whole = world(0.95, "color", "train")
        result = association(
            whole, "shape", "color", targets=["disc", "square"], attributes=["orange", "green"], permutations=500
        )
        assert list(result.classes) == ["disc", "square"] and list(result.values) == ["green", "orange"]
        assert result.margin[0, 1] > 0.5 and result.margin[0, 1] == pytest.approx(-result.margin[0, 0]) and result.found

    def test_intervals_cover_what_many_images_say(self, world):
        """Bias .7: the margin on other images with the same attribute images, in about 95 of 100 samples."""
        many = world(0.7, "color", "train", noise=0.6)
        bank, rest = many.rows(np.arange(len(many)) < 800), many.rows(np.arange(len(many)) >= 800)
        truth = association(rest, "shape", "color", fit=bank, permutations=1)
        covered = []
        for seed in range(100):
            some = rest.rows(np.random.default_rng(seed).choice(len(rest), 200, replace=False))
            r = association(some, "shape", "color", fit=bank, permutations=1, seed=seed)
            covered.append(
                [
                    (l <= t) & (t <= h)
                    for l, h, t in (
                        (r.margin_low, r.margin_high, truth.margin),
                        (r.effect_low, r.effect_high, truth.effect),
                    )
                ]
            )
        share = np.mean(covered, axis=(0, 2, 3))
        print(f"coverage of the 95 % interval of margin and effect: {share.round(3)}")
        assert (share > 0.9).all()


def test_where_there_is_nothing_it_is_seldom_found():
    """One column planted while the other is a coin: 5 %.  In noise both nulls hold, and p is the larger of two."""
    alarms = np.zeros(3, int)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        label, coin = rng.integers(0, 3, 120), rng.integers(0, 2, 120)
        noise = rng.normal(size=(120, 8))
        table = {"label": label.astype(str), "attribute": coin.astype(str)}
        for i, x in enumerate((noise, noise + 2 * np.eye(8)[label], noise + 2 * np.eye(8)[coin])):
            alarms[i] += association(features(x, **table), permutations=199, seed=seed).found
    print(f"association, false alarms of 200 (noise, label planted, attribute planted): {alarms}")
    assert (alarms <= 20).all() and (alarms[1:] >= 2).all()


def test_what_is_called_detectable_is_found_in_most_samples():
    def sample(seed, strength, n=160):
        rng = np.random.default_rng([seed, n])
        label, attribute = rng.integers(0, 2, n), rng.integers(0, 2, n)
        x = rng.normal(size=(n, 8)) + np.eye(8)[0] * ((attribute == 1) + strength * (label == 1) - 0.5)[:, None]
        return association(features(x, label=label, attribute=attribute), permutations=300, seed=seed)

    strengths = np.linspace(0, 2, 6)
    margins = [np.mean([sample(seed, s).margin[1, 1] for seed in range(20)]) for s in strengths]
    least = np.mean([sample(seed, 0.5).detectable for seed in range(20)])
    found = sum(sample(seed, np.interp(least, margins, strengths)).found for seed in range(100, 160))
    print(f"association, found of 60 at the least detectable margin {least:.3f}: {found}")
    assert 33 <= found <= 57


class TestBadInput:
    def test_is_answered_in_one_sentence(self):
        targets, bank = four_sets()
        with pytest.raises(ValueError, match="No image has the 'label' 'z'; there are: a, b"):
            association(targets, fit=bank, targets=["a", "z"])
        with pytest.raises(ValueError, match="All 6 images have the 'label' 'a'"):
            association(targets.rows(targets.table["label"] == "a"), fit=bank)
        with pytest.raises(ValueError, match="'label' 'b' there are 1"):
            association(targets.rows(np.arange(7)), fit=bank)
        with pytest.raises(ValueError, match="constant"):
            association(features(np.ones((12, 3)), label=list("aabb") * 3, attribute=list("uw") * 6))
        with pytest.raises(ValueError, match="no column 'color'"):
            association(targets, attribute="color")
