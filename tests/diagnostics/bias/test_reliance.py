"""Reliance: between an oracle that sees the label alone and one that sees the attribute alone everything is known."""

import numpy as np
import pandas as pd
import pytest

from sslviz.data import shapes
from sslviz.data.worlds import COLORS, SHAPES
from sslviz.diagnostics.bias.reliance import CORE, SHORTCUT, reliance
from sslviz.diagnostics.similarity.compare import compare
from sslviz.features import Features

PAIRS = dict(zip(SHAPES, COLORS, strict=True))


def world(n=640, core=1.0, shortcut=1.0, d=10, noise=0.5, seed=0, prefix="", classes=4, values=4):
    """Balanced groups; features [core * label, shortcut * attribute, nothing ...] in noise."""
    rng = np.random.default_rng(seed)
    label, cue = np.arange(n) % classes, np.arange(n) // classes % values
    x = noise * rng.normal(size=(n, d))
    x[:, :classes] += core * np.eye(classes)[label]
    x[:, classes : classes + values] += shortcut * np.eye(values)[cue]
    table = {"label": np.array(list("abcdef"))[label], "hue": np.array(list("uvwxyz"))[cue]}
    return Features.from_array(x, table=table, ids=[f"{prefix}{i}" for i in range(n)])


@pytest.fixture(scope="module")
def drawn():
    """The world `shapes` itself, with features that are one-hot in one of its factors, or a mixture."""
    images = shapes(n=8000, size=16, bias=0.95)

    def features(split, alpha, beta, noise=0.0):
        table = images.table[images.table["split"] == split].reset_index(drop=True)
        codes = [pd.Categorical(table[c], names).codes for c, names in (("shape", SHAPES), ("color", list(COLORS)))]
        x = np.concatenate([alpha * np.eye(4)[codes[0]], beta * np.eye(4)[codes[1]]], axis=1)
        x = x + noise * np.random.default_rng(len(table)).normal(size=x.shape)
        return Features.from_array(x, table=table, ids=[f"{split}{i}" for i in range(len(table))])

    def ask(alpha, beta, noise=0.0):
        spaces = [features(split, alpha, beta, noise) for split in ("test", "probe")]
        return reliance(spaces[0], "shape", "color", fit=spaces[1], expected_pairs=PAIRS)

    return ask


class TestOraclesOfShapes:
    """Section by section what has a closed form, on the images' own tables."""

    def test_one_that_sees_the_color_alone(self, drawn):
        result = drawn(0, 1)
        assert result.biases == pytest.approx([0.25, 0.7, 0.9, 0.95, 1])
        for measure, value in (("aligned", 1), ("conflict", 0), ("cue_conflict", 1), ("lost_at_random", 0.75)):
            assert result.curve(measure)[1:] == pytest.approx(np.full(4, value)), measure
            assert result.curve(measure, SHORTCUT)[1:] == pytest.approx(np.full(4, value)), measure
        # Fitted evenly it may answer anything, but over all groups it is right in 1 of 4, whatever it answers.
        for name in ("", SHORTCUT):
            with_it, against = result.curve("aligned", name)[0], result.curve("conflict", name)[0]
            assert with_it / 4 + 3 * against / 4 == pytest.approx(0.25)
        scores = result.scores()
        assert scores["cue_conflict"].value == 1 and scores["conflict"].value == 0
        assert scores["conflict"].beats_control is False

    def test_one_that_sees_the_shape_alone(self, drawn):
        result = drawn(1, 0)
        for measure, value in (("aligned", 1), ("conflict", 1), ("cue_conflict", 0), ("gap", 0), ("lost_at_random", 0)):
            assert result.curve(measure) == pytest.approx(np.full(5, value)), measure
            assert result.curve(measure, CORE) == pytest.approx(np.full(5, value)), measure
        assert not result.found and result.scores()["cue_conflict"].beats_control

    def test_a_mixture_relies_the_more_the_more_color_there_is_and_the_more_it_is_misled(self, drawn):
        results = [drawn(1, beta, noise=0.5) for beta in (0, 0.5, 1, 2, 4)]
        gaps = np.array([result.curve("gap") for result in results])
        assert (np.diff(gaps, axis=1) > -0.04).all() and (gaps[1:, -1] > gaps[1:, 0] + 0.1).all()  # along the bias
        assert (np.diff(gaps[:, 2:], axis=0) > 0).all()  # along the mixture
        cues = np.array([result.curve("cue_conflict")[3] for result in results])
        assert (np.diff(cues) > 0).all() and 0 <= cues.min() and cues.max() <= 1
        assert np.abs(gaps[:, 0]).max() < 0.1  # an even fit is not misled
        assert not any(result.found for result in results)

    def test_the_worlds_own_pairing_is_found_where_the_fit_images_show_it(self):
        images = shapes(n=8000, size=16, bias=0.95)
        table = images.table
        parts = [table[table["split"] == s].reset_index(drop=True) for s in ("test", "train")]
        spaces = [
            Features.from_array(np.eye(4)[pd.Categorical(t["shape"]).codes], table=t, ids=t.index + 1e5 * i)
            for i, t in enumerate(parts)
        ]
        result = reliance(spaces[0], "shape", "color", fit=spaces[1])
        assert dict(zip(result.classes, result.values[result.expected_pairs], strict=True)) == PAIRS
        assert result.pairs_known
        even = reliance(world(prefix="scored"), "label", "hue", fit=world(seed=1))  # every group has as many images
        pairs = dict(zip("abcd", "uvwx", strict=True))
        named = reliance(world(prefix="scored"), "label", "hue", fit=world(seed=1), expected_pairs=pairs)
        assert not even.pairs_known and named.pairs_known


class TestVerdict:
    @pytest.fixture(autouse=True)
    def fitted_evenly_is_enough(self, monkeypatch):
        monkeypatch.setattr("sslviz.diagnostics.bias.contrasting_images.BIASES", ())

    def test_nothing_is_found_in_95_of_100_encoders_for_which_color_means_nothing_more_than_shape(self):
        found, held = 0, 0
        for seed in range(100):
            result = reliance(
                world(400, d=8, seed=2 * seed),
                "label",
                "hue",
                fit=world(400, d=8, seed=2 * seed + 1, prefix="f"),
                seed=seed,
            )
            low, high = result.band("gap")
            found, held = found + result.found, held + (low[0] <= 0 <= high[0])
        print(f"even gap: {found} of 100 false alarms, {held} of 100 intervals hold 0")
        assert found <= 5 and held >= 90

    def test_what_is_said_to_be_detectable_is_found_in_most_samples(self):
        """An encoder that blurs the label where it disagrees with the attribute."""

        def spoilt(seed, share, prefix=""):
            features = world(640, core=1.2, shortcut=0, d=8, seed=seed, prefix=prefix)
            pairs = dict(zip("uvwx", "abcd", strict=True))
            against = np.array([pairs[h] for h in features.column("hue")]) != features.column("label")
            lost = against & (np.random.default_rng(seed).random(640) < share)
            x = features.x.copy()
            x[lost, :4] = np.random.default_rng(seed + 1).normal(size=(lost.sum(), 4)) * 0.5
            return Features(x, features.ids, features.table, features.source)

        expected_pairs = dict(zip("abcd", "uvwx", strict=True))
        least = np.median(
            [
                reliance(
                    spoilt(s, 0), "label", "hue", fit=spoilt(s + 50, 0, "f"), expected_pairs=expected_pairs
                ).detectable
                for s in range(5)
            ]
        )
        results = [
            reliance(spoilt(s, 0.3), "label", "hue", fit=spoilt(s + 50, 0, "f"), expected_pairs=expected_pairs)
            for s in range(20)
        ]
        gap = np.mean([r.curve("gap")[0] for r in results])
        assert gap > least > 0.03
        assert np.mean([r.found for r in results]) >= 0.8


def test_scores_are_the_curve_at_95_percent_and_beside_all_controls():
    features, fit = world(seed=1), world(prefix="f")
    noise = [
        Features.from_array(np.random.default_rng(i).normal(size=(640, 3)), ids=f.ids)
        for i, f in enumerate((features, fit))
    ]
    result = reliance(features, "label", "hue", fit=fit, control_features={"untrained": (noise[0], noise[1])})
    scores = result.scores()
    assert list(scores) == ["even_gap", "aligned", "conflict", "cue_conflict", "lost_at_random"]
    for measure in ("aligned", "conflict", "cue_conflict", "lost_at_random"):
        assert scores[measure].value == result.curve(measure)[3]
        assert scores[measure].low <= scores[measure].value <= scores[measure].high
        assert {SHORTCUT, "untrained"} <= set(scores[measure].controls)
    assert scores["even_gap"].value == result.curve("gap")[0]
    assert scores["conflict"].controls["untrained"] < 0.3 and scores["conflict"].beats_control
    assert result.n_fit % 4 == 0 and result.answers.shape[:2] == (5, 4)


def test_images_fitted_on_are_as_many_at_every_bias_and_agree_as_often_as_said():
    from sslviz.diagnostics.bias.fit_draws import draw_at_biases

    codes, cues = np.arange(640) % 4, np.arange(640) // 4 % 4
    biases = np.array([0.25, 0.7, 0.9, 0.95, 1.0])
    drawn = draw_at_biases(codes, cues, np.arange(4), 4, biases, 0)
    for bias, of_bias in zip(biases, drawn, strict=True):
        for rows in of_bias:
            assert len(rows) == len(drawn[0][0]) == len(np.unique(rows))
            assert (np.bincount(codes[rows]) == len(rows) / 4).all()
            assert (codes[rows] == cues[rows]).mean() == pytest.approx(bias, abs=2 / len(rows) * 4)
    even = np.bincount(codes[drawn[0][0]] * 4 + cues[drawn[0][0]])
    assert (even == even[0]).all()


@pytest.mark.parametrize(("classes", "values"), [(2, 4), (4, 2), (3, 3)])
def test_classes_and_values_need_not_be_as_many(classes, values):
    n = 720
    result = reliance(
        world(n, classes=classes, values=values, seed=1),
        "label",
        "hue",
        fit=world(n, classes=classes, values=values, prefix="f"),
    )
    assert len(result.expected_pairs) == classes and result.biases[0] == 1 / values
    # Of classes that share a value the shortcut oracle can only guess one.
    assert result.curve("aligned", SHORTCUT)[1:] == pytest.approx(np.full(4, min(1, values / classes)))
    assert result.curve("conflict", CORE) == pytest.approx(np.ones(5))


def test_two_encoders_are_compared_over_the_same_images():
    fit = {s: world(shortcut=s, prefix="f") for s in (0.0, 3.0)}
    results = [reliance(world(shortcut=s, seed=1), "label", "hue", fit=fit[s]) for s in (0.0, 3.0)]
    difference = compare(*results)
    assert difference.winner["conflict"] == -1 and difference.scores()["conflict"].high < 0


@pytest.mark.parametrize("pairs", [None, dict(zip("abcd", "uvwx", strict=True))])
def test_a_class_that_shows_one_value_only_is_left_out_and_counted_and_the_others_are_asked(pairs):
    scored, fit = world(seed=1), world(prefix="f")
    keep = (scored.column("label") != "a") | (scored.column("hue") == "u")
    result = reliance(scored.rows(keep), "label", "hue", fit=fit, expected_pairs=pairs)
    without = [features.rows(features.column("label") != "a") for features in (scored, fit)]
    pairs = pairs and {name: value for name, value in pairs.items() if name != "a"}
    alone = reliance(without[0], "label", "hue", fit=without[1], expected_pairs=pairs)
    assert result.classes.tolist() == list("bcd") and (result.answers == alone.answers).all()
    [(why, n)] = result.left_out.items()
    assert why.startswith("label a (u)") and n == 40 + 160 and not alone.left_out


class TestBadInput:
    def test_two_classes_of_which_one_shows_one_value_only(self):
        features = world(seed=1, classes=2, values=2)
        keep = (features.column("label") != "a") | (features.column("hue") == "u")
        with pytest.raises(ValueError, match="cannot be told apart: .* label a"):
            reliance(
                features.rows(keep),
                "label",
                "hue",
                fit=world(prefix="f", classes=2, values=2),
                expected_pairs={"a": "u", "b": "v"},
            )

    def test_too_few_that_disagree(self):
        fit = world(prefix="f")
        same = np.array(["uvwx"["abcd".index(c)] for c in fit.column("label")]) == fit.column("hue")
        with pytest.raises(ValueError, match="images can be drawn to fit on at every bias, but 16 are needed"):
            reliance(world(seed=1), "label", "hue", fit=fit.rows(same | (np.arange(640) < 8)))

    def test_partners_that_are_not_there(self):
        for given in ({"a": "u"}, dict(zip("abcd", "uvwy", strict=True))):
            with pytest.raises(ValueError, match=r"for each label \(a, b, c, d\) one hue \(u, v, w, x\); got a = u"):
                reliance(world(), "label", "hue", expected_pairs=given)

    def test_a_class_the_fit_never_saw(self):
        fit = world(prefix="f")
        with pytest.raises(ValueError, match="'d'.*fit on images of every class"):
            reliance(world(seed=1), "label", "hue", fit=fit.rows(fit.column("label") != "d"))
