"""The factor turner: are pictures, steps of features, answers and maps those of the value of the slider?"""

import numpy as np
import pytest
import torch
from torch import nn

import sslviz
from sslviz.data.worlds import COLORS, factor_values, factors_of
from sslviz.explanations.attribution.color_encoder import true_attribution
from sslviz.features import Features
from sslviz.features.pictures import changed_images
from sslviz.widgets.factor_turns import EDGES, SHARE

IMAGES = sslviz.shapes(n=1200, bias=0.0)


def colors_only():
    """An encoder that knows four colours and nothing else, as a checkpoint."""
    half = (0.5, 0.5, 0.5)
    return sslviz.Checkpoint.of(sslviz.color_encoder(), mean=half, std=half, image_size=32, name="colours")


class Grey(nn.Module):
    """The luma of 8 x 8 patches: all colours of `shapes` have the same."""

    def __init__(self):
        super().__init__()
        self.luma = nn.Parameter(torch.tensor([0.299, 0.587, 0.114]))

    def forward(self, x):
        return nn.functional.avg_pool2d((x * self.luma.view(1, 3, 1, 1)).sum(1, keepdim=True), 4).flatten(1)


@pytest.fixture(scope="module")
def turner():
    return sslviz.turn_factor(colors_only(), IMAGES, "color", label="color", method="input_x_gradient")


def texts(live):
    return [text for trace in live.widget.data if trace.text is not None for text in trace.text]


class TestAnEncoderOfColours:
    @pytest.fixture(params=list(COLORS))
    def value(self, request, turner):
        turner.value.value = request.param
        return request.param

    def test_the_readout_answers_the_colour_that_was_turned_to(self, turner, value, said):
        assert {turner.turns.answer(value, row) for row in range(len(turner.turns.images))} == {value}
        assert f"answers <b>{value}</b>" in said(turner) and f"the picture shows {value}" in said(turner)

    def test_the_map_is_the_true_one_and_lies_on_the_object(self, turner, value):
        row = turner.picture.value
        found = turner.turns.answer_map(value, row, "input_x_gradient")
        picture = turner.turns.turned(value).rows(np.array([row]))
        weights = turner.turns.readouts["trained"][0][turner.turns.classes.index(value)]
        true = true_attribution(sslviz.color_encoder(), picture, weights=weights)[0]
        np.testing.assert_allclose(found.maps["trained"], true, atol=1e-5 * np.abs(true).max())
        score = found.scores["trained"]
        mask = picture.masks["object"][0]
        assert score.value == pytest.approx(true.clip(0)[mask].sum() / true.clip(0).sum(), rel=1e-4)
        assert score.controls[SHARE] == mask.mean()  # what is left outside is noise, which has colours too
        assert score.value > 5 * score.controls[SHARE] and score.value > 2 * score.controls[EDGES]
        assert f"{score.value:.2f} on the object" in [a.text for a in turner.answer.widget.layout.annotations]

    def test_a_picture_that_has_the_value_does_not_move(self, turner, value):
        own = turner.turns.images.table["color"] == value
        effect = turner.turns.effect(value)
        moved = effect.moved[effect.factors.index("color")]
        assert own.any() and (moved[own] == 0).all() and (moved[~own] > 0).all()


def test_colour_moves_an_encoder_of_colours_most_and_one_of_grey_least(turner):
    assert turner.turns.effect("blue").scores()["against_others"].low > 0
    grey = sslviz.Checkpoint.of(Grey(), mean=(0, 0, 0), std=(1, 1, 1), image_size=32, name="grey")
    scores = sslviz.turn_factor(grey, IMAGES, "color", label="shape").turns.effect("blue").scores()
    assert scores["color"].value < 0.02 < 0.3 < scores["x"].value and scores["against_others"].high < 0


CHECKPOINT = sslviz.Checkpoint("run", 0, {"name": "conv_nano", "image_size": 32}, None, 1)


@pytest.fixture(scope="module")
def sizes():
    return sslviz.turn_factor(CHECKPOINT, IMAGES, "radius")


class TestTheSlider:
    @pytest.fixture
    def turner(self, sizes):
        return sizes

    @pytest.mark.parametrize("number", [0, 5])
    def test_shows_what_the_librarys_functions_give_for_its_value(self, turner, number):
        turner.value.index = number
        value, some = turner.value.value, turner.turns.images
        assert value == factor_values(IMAGES, "radius")[number]
        pictures = sslviz.counterfactual(some, "radius", value=value)
        np.testing.assert_array_equal(turner.turns.turned(value).pixels, pictures.pixels)
        scores = {}
        for name, checkpoint in (("run", CHECKPOINT), ("untrained", CHECKPOINT.untrained())):
            changed = sslviz.embed(checkpoint, changed_images(some), progress=False)
            x = np.array(changed.x)
            x[changed.table["changed"] == "radius"] = sslviz.embed(checkpoint, pictures, progress=False).x
            scores[name] = Features(x, changed.ids, changed.table, changed.source)
        expected = sslviz.counterfactual_effect(
            scores["run"], "radius", changed_controls={"untrained": scores["untrained"]}
        )
        shown = turner.turns.effect(value)
        np.testing.assert_allclose(shown.moved, expected.moved, rtol=1e-3, atol=1e-6)
        assert set(shown.factors) == set(factors_of(IMAGES))
        assert any(str(shown.scores()["radius"]) in text for text in texts(turner.effect))
        assert f"radius {value:.3g}" in [a.text for a in turner.answer.widget.layout.annotations]

    def test_probabilities_are_those_of_the_linear_probe(self, turner):
        value = turner.value.value
        fit = IMAGES.split("probe")
        pictures = turner.turns.turned(value)
        features, fitted = (sslviz.embed(CHECKPOINT, images, progress=False) for images in (pictures, fit))
        probe = sslviz.linear_probe(features, fit=fitted)
        answers = [turner.turns.answer(value, row) for row in range(len(pictures))]
        assert np.mean(probe.classes[probe.predicted] == answers) >= 0.95  # a few lie at the boundary
        for row in (0, 7):
            found = turner.turns.probabilities(value, row)
            assert sum(score.value for score in found.values()) == pytest.approx(1)
            assert {score.controls["chance"] for score in found.values()} == {0.25}
            assert sum(score.controls["untrained"] for score in found.values()) == pytest.approx(1)
        turner.picture.value = 7
        assert any(str(found[answers[7]]) in text for text in texts(turner.sureness))

    def test_the_button_moves_it_and_errors_are_shown(self, turner, monkeypatch):
        turner.player.value = 2
        assert turner.value.index == 2 and turner.message.value == ""
        monkeypatch.setattr(turner.turns, "encoders", None)
        turner.player.value = 3
        assert "Error" in turner.message.value
        monkeypatch.undo()
        turner.player.value = 4
        assert turner.message.value == ""


def test_it_begins_with_a_value_that_the_picture_has_not(turner):
    again = sslviz.turn_factor(colors_only(), IMAGES, "color", label="color", method="input_x_gradient")
    assert again.value.value != again.turns.images.table["color"].iloc[0]


@pytest.mark.parametrize(
    ("images", "factor", "label", "words"),
    [
        (sslviz.digits().rows(np.arange(100)), "color", "label", "A counterfactual needs images as shapes"),
        (IMAGES, "hat", "label", "There is no factor 'hat'.*shape, color"),
        (IMAGES, "color", "hat", "no column 'hat'"),
        (IMAGES.rows(np.arange(30)), "color", "label", "10 pictures at least"),
    ],
)
def test_other_images_factors_and_labels_are_refused_in_one_sentence(images, factor, label, words, opened):
    with pytest.raises(ValueError, match=words) as error:
        sslviz.turn_factor(colors_only(), images, factor, label=label)
    assert "\n" not in str(error.value) and opened() == 0


def test_nothing_stays_behind(opened):
    made = sslviz.turn_factor(colors_only(), IMAGES, "texture", label="color", method="input_x_gradient")
    made.close()
    assert opened() == 0
