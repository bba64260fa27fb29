"""The attention browser: does it show exactly the row of the patch that was chosen, beside exactly the control's?"""

import numpy as np
import plotly.graph_objects as go
import pytest

import sslviz
from sslviz.explanations.attention.layer_maps import attention_maps, query_maps
from sslviz.figures import png, theme
from sslviz.runs import Checkpoint
from sslviz.widgets.attention_browser import ALL, MEAN, POINTED, ROLLOUT

LAYERS, HEADS, SIDE = 2, 3, 4
PATCHES = SIDE * SIDE
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
CHECKPOINT = Checkpoint("run", 0, {"name": "vit_nano", "image_size": 32}, None, 1)


def planted():
    """Weights (2 pictures, layers, heads, 1 + patches, 1 + patches), all rows different, rows summing to one."""
    weights = np.random.default_rng(1).random((2, LAYERS, HEADS, PATCHES + 1, PATCHES + 1)) ** 4
    return weights / weights.sum(-1, keepdims=True)


def heat(browser):
    """The maps on the page, in multiples of uniform attention, by name."""
    return {t.name: np.array(t.z, float).ravel() for t in browser.live.widget.data if isinstance(t, go.Heatmap)}


def times(row):
    return row / row.sum() * len(row)


@pytest.fixture
def browser():
    return sslviz.browse_attention(planted(), PIXELS)


@pytest.mark.parametrize(("layer", "head", "patch"), [(0, 0, 0), (1, 2, 7), (0, 1, 15)])
def test_the_map_is_the_row_of_the_patch_that_was_chosen(browser, layer, head, patch):
    browser.layer.value, browser.head.value, browser.pointed.patch = layer, head, patch
    ((name, cells),) = heat(browser).items()
    assert name == f"head {head}"
    np.testing.assert_allclose(cells, times(planted()[0, layer, head, 1 + patch, 1:]), rtol=1e-3)
    mark = next(t for t in browser.live.widget.data if t.name == "query")
    assert min(mark.x) == pytest.approx(patch % SIDE / SIDE) and max(mark.x) - min(mark.x) == pytest.approx(1 / SIDE)
    assert f"row {patch // SIDE + 1}, column {patch % SIDE + 1} looks at in layer {layer + 1} of 2" in (
        browser.live.widget.layout.title.text
    )


def test_all_heads_stand_beside_their_mean(browser):
    browser.head.value, browser.pointed.patch = ALL, 3
    rows = np.array([times(row) for row in planted()[0, -1, :, 4, 1:]])
    found = heat(browser)
    assert list(found) == ["mean of the heads", "head 0", "head 1", "head 2"]
    np.testing.assert_allclose(list(found.values()), [rows.mean(0), *rows], rtol=1e-3)
    browser.head.value = MEAN
    np.testing.assert_allclose(heat(browser)["mean of the heads"], rows.mean(0), rtol=1e-3)


def test_another_picture_and_another_query(browser):
    browser.picture.value, browser.layer.value, browser.head.value = 1, 0, 1
    browser.query.value = "the first token"
    np.testing.assert_allclose(heat(browser)["head 1"], times(planted()[1, 0, 1, 0, 1:]), rtol=1e-3)
    assert browser.pointed.picture == png(PIXELS[1]) and browser.live.widget.data[0].source.startswith("data:image/png")
    assert "the first token looks at" in browser.live.widget.layout.title.text


def test_through_all_layers_no_head_can_be_chosen(browser):
    browser.head.value, browser.layer.value, browser.pointed.patch = 2, ROLLOUT, 5
    passed = np.eye(PATCHES + 1)
    for layer in planted()[0]:
        passed = (layer.mean(0) + np.eye(PATCHES + 1)) / 2 @ passed
    np.testing.assert_allclose(heat(browser)[ROLLOUT], times(passed[6, 1:]), rtol=1e-3)
    assert browser.head.disabled
    browser.layer.value = 0
    assert not browser.head.disabled and list(heat(browser)) == ["head 2"]


def test_the_number_below_says_how_far_from_uniform():
    weights = np.full((1, 1, PATCHES, PATCHES), 1 / PATCHES)
    weights[0, 0, 3] = np.eye(PATCHES)[5]
    weights[0, 0, 4] = np.where(np.arange(PATCHES) < 4, 1 / 4, 0)
    browser = sslviz.browse_attention(weights, PIXELS[:1])
    for patch, entropy in ((0, 1.0), (3, 0.0), (4, np.log(4) / np.log(16))):
        browser.pointed.patch = patch
        assert f"entropy {entropy:.2f}" in [a.text for a in browser.live.widget.layout.annotations]
    assert "1 = uniform (control)" in browser.live.widget.layout.coloraxis.colorbar.ticktext


def test_what_was_assumed_of_an_array_is_said(browser, said):
    assert "16 of the 17 tokens are patches on a grid of 4 x 4, behind 1 that are none" in said(browser)


class TestCheckpoint:
    IMAGES = sslviz.shapes(n=3)

    @pytest.fixture
    def browser(self):
        return sslviz.browse_attention(CHECKPOINT, self.IMAGES)

    def test_the_control_is_the_encoder_untrained_same_layer_same_head(self, browser):
        browser.picture.value, browser.layer.value, browser.head.value, browser.pointed.patch = 2, 1, 3, 20
        found = heat(browser)
        untrained = CHECKPOINT.untrained()
        for name, checkpoint in (("head 3", CHECKPOINT), ("untrained, head 3", untrained)):
            row = query_maps(checkpoint, self.IMAGES, layer=1)[2, 3, 20].ravel()
            np.testing.assert_allclose(found[name], times(row), rtol=2e-3)
        grey = [t for t in browser.live.widget.data if t.type == "scatter" and t.line.color == theme.CONTROL]
        assert [t.name for t in grey] == ["untrained, head 3 (control)"]
        browser.query.value = "the class token"
        row = attention_maps(CHECKPOINT, self.IMAGES, layer=1)[2, 3].ravel()
        np.testing.assert_allclose(heat(browser)["head 3"], times(row), rtol=2e-3)

    def test_pointing_again_reads_nothing_again(self, browser, monkeypatch):
        def refuse(*args):
            raise AssertionError("the encoder was asked again")

        monkeypatch.setattr(browser._source, "weights", refuse)
        browser.pointed.patch = 1
        assert browser.message.value == "" and browser.query.value == POINTED

    def test_errors_are_shown_and_go_with_the_next_success(self, browser, monkeypatch):
        monkeypatch.setattr(browser._source, "weights", lambda *_: 1 / 0)
        browser.layer.value = 0
        assert "ZeroDivisionError" in browser.message.value
        monkeypatch.undo()
        browser.layer.value = 1
        assert browser.message.value == ""


def test_encoders_without_attention_are_refused_in_one_sentence(opened):
    with pytest.raises(ValueError, match="holds no attention; take a vision transformer") as error:
        sslviz.browse_attention(Checkpoint("run", 0, {"name": "conv_nano", "image_size": 32}, None, 1), PIXELS)
    assert "\n" not in str(error.value) and opened() == 0


def test_nothing_stays_behind(opened, browser):
    browser.close()
    assert opened() == 0
