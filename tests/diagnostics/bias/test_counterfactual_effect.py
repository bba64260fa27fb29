"""Counterfactuals: encoders that see one factor and nothing else, and how far that has to move them."""

import numpy as np
import pytest

from sslviz.data import shapes, textured
from sslviz.data.worlds import COLORS
from sslviz.diagnostics.bias.counterfactual_effect import counterfactual_effect
from sslviz.features import Features
from sslviz.features.evidence import find_stimulus
from sslviz.features.pictures import changed_images


@pytest.fixture(scope="module")
def pictures():
    images = shapes(n=2000, size=16).split("test")
    return images, changed_images(images)


def tabled(images, changed):
    """The factors of each of the changed pictures, from the world's own table."""
    from sslviz.data import counterfactual

    some = images.rows(np.isin(images.ids, changed.table["object"]))
    tables = {"": some.table} | {f: counterfactual(some, f).table for f in dict.fromkeys(changed.table["changed"]) if f}
    assert list(np.repeat(list(tables), len(some))) == list(changed.table["changed"])
    return {column: np.concatenate([t[column] for t in tables.values()]) for column in ("color", "shape", "x")}


def space(changed, x):
    return Features.from_array(x, table=changed.table, ids=changed.ids)


def test_every_factor_is_changed_alone_in_the_same_pictures(pictures):
    images, changed = pictures
    factors = list(dict.fromkeys(changed.table["changed"]))
    assert factors[0] == "" and {"shape", "color", "texture", "x", "radius"} <= set(factors)
    assert (
        len(changed) == len(factors) * min(find_stimulus("changed").max_images, len(images))
        and changed.table["object"].isin(images.ids).all()
    )
    assert changed_images(images.rows(np.arange(30))).table["object"].nunique() == 30
    from sslviz.data import digits

    assert changed_images(digits().rows(np.arange(20))) is None


def test_an_encoder_that_sees_color_alone_is_moved_by_color_alone_and_by_how_much_is_known(pictures):
    """One-hot: another color is always 2 away, and two pictures 2 (1 - sum of squared shares) on average."""
    images, changed = pictures
    codes = np.array([list(COLORS).index(c) for c in tabled(images, changed)["color"]])
    result = counterfactual_effect(space(changed, np.eye(4)[codes]), "color")
    n = (changed.table["changed"] == "").sum()
    shares = np.bincount(codes[:n]) / n
    exact = 2 / (2 * (1 - (shares**2).sum()) * n / (n - 1))
    scores = result.scores()
    assert scores["color"].value == pytest.approx(exact) and 1.3 < exact < 1.4  # 4 / 3 where colors are even
    assert all(scores[factor].value == 0 for factor in result.factors if factor != "color")
    assert result.effects.sum() == result.effects[result.factors.index("color")] and result.found
    assert scores["against_others"].low > 1
    assert scores["shape"].controls["other factors, mean"] == pytest.approx(exact / (len(result.factors) - 1))


def test_an_encoder_that_does_not_see_the_factor_is_not_said_to(pictures):
    images, changed = pictures
    shape = np.unique(tabled(images, changed)["shape"], return_inverse=True)[1]
    result = counterfactual_effect(space(changed, np.eye(4)[shape]), "color")
    assert result.scores()["color"].value == 0 and not result.found


def test_the_effect_does_not_depend_on_scale_or_place(pictures):
    _, changed = pictures
    x = np.random.default_rng(0).normal(size=(len(changed), 5))
    one, two = (counterfactual_effect(space(changed, y), "color") for y in (x, 7 * x + 3))
    np.testing.assert_allclose(one.effects, two.effects, rtol=1e-4)
    assert one.effects == pytest.approx(np.ones(len(one.factors)), abs=0.25)  # every row is as another picture


def test_noise_is_not_said_to_be_moved_more_by_one_factor_in_95_of_100_seeds(pictures):
    _, changed = pictures
    found = sum(
        counterfactual_effect(
            space(changed, np.random.default_rng(s).normal(size=(len(changed), 6))), "color", seed=s
        ).found
        for s in range(100)
    )
    assert found <= 5


def test_controls_are_the_same_pairs_elsewhere(pictures):
    _, changed = pictures
    rng = np.random.default_rng(0)
    features, other = (space(changed, rng.normal(size=(len(changed), 4))) for _ in range(2))
    order = rng.permutation(len(changed))
    result = counterfactual_effect(features, "color", changed_controls={"untrained": other.rows(order)})
    alone = counterfactual_effect(other, "color")
    assert result.scores()["color"].controls["untrained"] == pytest.approx(alone.scores()["color"].value)


def test_the_background_moves_an_encoder_that_sees_only_that():
    images = textured(n=400, size=16).split("test")
    changed = changed_images(images)
    corner = changed.pixels[:, :2, :2].reshape(len(changed), -1, 3).mean(axis=1)  # no object reaches the corner
    result = counterfactual_effect(Features.from_array(corner, table=changed.table, ids=changed.ids), "background")
    assert result.found and result.scores()["background"].value > 0.5 > 0.2 > result.scores()["shape"].value


class TestBadInput:
    def test_a_factor_that_was_not_changed(self, pictures):
        _, changed = pictures
        with pytest.raises(
            ValueError, match="compared with others that were changed: shape, color.*'hue' and one more"
        ):
            counterfactual_effect(space(changed, np.ones((len(changed), 2))), "hue")

    def test_features_that_are_all_the_same(self, pictures):
        _, changed = pictures
        with pytest.raises(ValueError, match="same for every picture.*did it collapse"):
            counterfactual_effect(space(changed, np.ones((len(changed), 2))), "color")

    def test_too_few_pictures(self, pictures):
        _, changed = pictures
        few = changed.table["object"].isin(changed.table["object"][:5]).to_numpy()
        with pytest.raises(ValueError, match="Ten pictures at least"):
            counterfactual_effect(space(changed, np.ones((len(changed), 2))).rows(few), "color")
