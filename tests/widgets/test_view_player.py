"""The sliders of views, on encoders whose answer to a view is known in closed form."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

import sslviz
from sslviz import Checkpoint, ViewPolicy
from sslviz.methods import METHODS
from sslviz.widgets.view_distance import encoded, moved, plain_and_views
from sslviz.widgets.view_knobs import FIXED, KNOBS, positions, turned

OFF = ViewPolicy(scale=(1.0, 1.0), flip_prob=0.0, jitter_prob=0.0, gray_prob=0.0)
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "image_size": 16}
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


class Halves(nn.Module):
    """The mean colour of the left and of the right half: (b, 3, h, w) -> (b, 6)."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x):
        left, right = x.chunk(2, dim=3)
        return self.one * torch.cat([left.mean((2, 3)), right.mean((2, 3))], dim=1)


@pytest.fixture(scope="module")
def halves():
    """Pictures of two colours, one in each half; and the colours, (n, 2, 3) from 0 to 1."""
    colors = np.random.default_rng(0).integers(0, 256, (40, 2, 3), dtype=np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(colors.repeat(8, axis=1)[:, None], (40, 16, 16, 3)))
    return pixels, colors / 255


@pytest.fixture(scope="module")
def knows_halves():
    return Checkpoint.of(Halves(), **PLAIN, name="halves")


def on_the_way(before, after):
    """E(1 - cos(before, after)) / E(1 - cos) of two pictures, written out pair by pair."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (before, after)]
    step = 1 - (unit[0] * unit[1]).sum(1)
    n = len(before)
    pairs = [1 - unit[0][i] @ unit[0][j] for i in range(n) for j in range(n) if i != j]
    return step.mean() / np.mean(pairs)


def test_with_everything_off_nothing_moves_at_all(halves, knows_halves):
    deep = Checkpoint("untrained", 0, {"name": "conv_nano"}, path=None)
    player = sslviz.play_views(halves[0], OFF, {"halves": knows_halves, "deep": deep})
    for name, score in player.moved.items():
        assert (score.value, score.low, score.high) == (0, 0, 0), name
        assert score.controls == {"another picture": 1}


@pytest.mark.parametrize(
    ("knob", "value", "after"),
    [
        ("flip_prob", 1.0, lambda colors: colors[:, ::-1]),
        ("gray_prob", 1.0, lambda colors: np.repeat((colors @ LUMA)[..., None], 3, axis=-1)),
    ],
)
def test_one_parameter_moves_an_encoder_as_far_as_the_arithmetic_says(halves, knows_halves, knob, value, after):
    pixels, colors = halves
    player = sslviz.play_views(pixels, OFF, knows_halves)
    player.sliders[knob].value = value
    expected = on_the_way(colors.reshape(-1, 6), after(colors).reshape(-1, 6))
    score = player.moved["halves"]
    assert score.value == pytest.approx(expected, abs=2e-3)
    assert score.low < expected < score.high
    assert player.settings == {knob: value}


def test_an_encoder_is_not_moved_by_what_it_cannot_see(halves):
    class Whole(Halves):
        def forward(self, x):
            return self.one * x.mean((2, 3))

    both = {"halves": Checkpoint.of(Halves(), **PLAIN), "whole": Checkpoint.of(Whole(), **PLAIN)}
    player = sslviz.play_views(halves[0], replace(OFF, flip_prob=1.0), both)
    assert player.moved["whole"].value == pytest.approx(0, abs=1e-6) and player.moved["halves"].value > 0.1


def test_the_interval_is_about_pictures():
    """Of other pictures from the same source, about 95 of 100 intervals hold the true value."""
    rng = np.random.default_rng(0)
    many = rng.normal(size=(4000, 3)), rng.normal(size=(1, 4000, 3))
    truth = moved(many[0], many[0] + 0.5 * many[1]).value
    hits = 0
    for _ in range(100):
        plain, noise = rng.normal(size=(60, 3)), rng.normal(size=(1, 60, 3))
        score = moved(plain, plain + 0.5 * noise)
        hits += score.low <= truth <= score.high
    assert 88 <= hits <= 99


def test_a_collapsed_encoder_cannot_be_told_to_move():
    x = np.ones((30, 4)) + 1e-7 * np.random.default_rng(0).normal(size=(30, 4))
    score = moved(x, x[None, ::-1])
    assert score.reason and score.text == "cannot be told"


class TestSliders:
    def test_every_parameter_of_a_policy_has_a_slider_or_a_reason(self):
        assert set(KNOBS) | set(FIXED) == {field.name for field in fields(ViewPolicy)}
        assert not set(KNOBS) & set(FIXED)

    @pytest.mark.parametrize("name", METHODS)
    def test_unmoved_they_are_the_policy_of_the_method(self, name):
        start = METHODS[name].views.at(1.0)
        policy, changed = turned(start, positions(start), start.views)
        assert changed == {}
        assert replace(policy, local_views=start.local_views, **_probabilities(start)) == start

    def test_moved_ones_are_settings_that_pretrain_takes(self, halves, tmp_path):
        player = sslviz.play_views(halves[0], "byol")
        player.sliders["hue"].value, player.sliders["scale"].value = 0.0, (0.5, 1.0)
        player.sliders["solarize_prob"].value = 0.3
        assert player.settings == {"scale": (0.5, 1.0), "hue": 0.0, "solarize_prob": 0.3}
        assert player.policy == replace(METHODS["byol"].views, **player.settings)
        run = sslviz.pretrain(
            sslviz.shapes(n=64),
            "byol",
            out=tmp_path / "run",
            steps=1,
            batch_size=16,
            settings=player.settings,
            progress=False,
        )
        assert run.info["arguments"]["settings"]["hue"] == 0.0

    def test_back_to_the_start(self, halves):
        player = sslviz.play_views(halves[0], "simclr")
        before = player.sheet
        player.sliders["hue"].value = 0.5
        assert (player.sheet != before).any()
        player._back()
        assert player.settings == {} and (player.sheet == before).all()


def _probabilities(start):
    return {name: getattr(start, name) for name in ("blur_prob", "solarize_prob")}


class TestDraws:
    def test_a_draw_is_the_same_again_and_another_is_another(self, halves):
        player = sslviz.play_views(halves[0], seed=3)
        first = player.sheet
        assert (sslviz.play_views(halves[0], seed=3).sheet == first).all()
        player._another()
        assert player.draw.value == 4 and (player.sheet != first).any()

    def test_a_parameter_changes_no_other(self):
        """Turning the hue leaves crops and flips where they were: the luma of the views stays."""
        pixels = np.random.default_rng(0).integers(100, 150, (5, 16, 16, 3), dtype=np.uint8)  # nothing is cut off
        policies = [
            replace(
                OFF,
                scale=(0.3, 1.0),
                flip_prob=0.5,
                jitter_prob=1.0,
                hue=hue,
                size=16,
                brightness=0.0,
                contrast=0.0,
                saturation=0.0,
            )
            for hue in (0.0, 0.2)
        ]
        views = [plain_and_views(policy, pixels, seed=1)[1].numpy() for policy in policies]
        luma = [np.einsum("vbchw,c->vbhw", x, LUMA) for x in views]
        assert np.abs(views[0] - views[1]).max() > 0.02
        assert np.allclose(*luma, atol=2e-3)

    def test_the_plain_picture_is_the_picture(self):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
        plain, _ = plain_and_views(replace(ViewPolicy(), size=16), pixels, seed=0)
        assert (np.rint(255 * plain.numpy()).transpose(0, 2, 3, 1) == pixels).all()

    def test_encoders_see_views_as_they_are_fed(self, knows_halves):
        encoder = Checkpoint.of(Halves(), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), image_size=16).encoder()
        views = torch.rand(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        ours = encoded(encoder, views)[:, :, :3].mean((0, 1))
        means = views[..., :8].mean((0, 1, 3, 4)).numpy()
        assert np.allclose(ours, (means - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4], atol=1e-5)


def test_it_says_what_is_seen_beside_the_control(halves, knows_halves, said):
    player = sslviz.play_views(halves[0], "simclr", {"<mine>": knows_halves})
    text = said(player)
    assert "another picture (grey tick, the control)" in text and "interval over 40 pictures" in text
    assert f"{player.moved['<mine>']}" in text and "&lt;mine&gt;" in text and "<mine>" not in text
    assert re.search(r'alt="4 pictures, each followed by 8 views of it"', text)


def test_a_failing_encoder_is_shown_and_the_sliders_live_on(halves):
    class Fails(Halves):
        broken = False

        def forward(self, x):
            if Fails.broken:
                raise RuntimeError("out of ink")
            return super().forward(x)

    player = sslviz.play_views(halves[0], "simclr", Checkpoint.of(Fails(), **PLAIN))
    Fails.broken = True
    player.sliders["hue"].value = 0.3
    assert "out of ink" in player.message.value
    Fails.broken = False
    player.sliders["hue"].value = 0.2
    assert player.message.value == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"policy": "simcrl"}, "no method 'simcrl'; the methods are: rotation"),
        ({"encoder": {}}, "the dict is empty"),
        ({"encoder": "conv_nano"}, "a Run or a Checkpoint is needed, but got str"),
    ],
)
def test_what_cannot_be_played_is_refused_and_leaves_nothing(options, expected, opened):
    with pytest.raises(ValueError, match=re.escape(expected)):
        sslviz.play_views(np.zeros((4, 8, 8, 3), np.uint8), **options)
    assert opened() == 0


def test_one_picture_has_no_other_to_compare_with():
    with pytest.raises(ValueError, match="two are needed at least; got 1"):
        sslviz.play_views(np.zeros((1, 8, 8, 3), np.uint8))


def test_it_closes_whole(halves, opened):
    sslviz.play_views(halves[0]).close()
    assert opened() == 0
