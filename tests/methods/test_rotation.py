import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.methods import Rotation
from sslviz.methods.rotation import quarter_turns, rotation_loss

from .contract import draw_batch, loss_of
from .planted import noise, taught
from .toys import normal


def test_the_loss_is_that_of_a_plain_loop():
    logits, turns = normal(6, 5, 4), [0, 1, 2, 3, 0, 1]
    losses = []
    for v, turn in enumerate(turns):
        for i in range(5):
            row = logits[v, i].tolist()
            losses.append(math.log(sum(map(math.exp, row))) - row[turn])
    value = rotation_loss(logits, torch.tensor(turns))
    assert value.item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_the_loss_in_closed_form():
    turns = torch.arange(4)
    assert rotation_loss(torch.zeros(4, 3, 4), turns).item() == pytest.approx(math.log(4))
    sure = 20 * torch.eye(4)[:, None].expand(4, 3, 4)
    assert rotation_loss(sure, turns).item() == pytest.approx(0, abs=1e-6)
    assert rotation_loss(sure.roll(1, 0), turns).item() == pytest.approx(20, abs=1e-6)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    logits = normal(4, 8, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = rotation_loss(logits, torch.arange(4))
    torch.testing.assert_close(value.double(), rotation_loss(logits.double(), torch.arange(4)), rtol=1e-5, atol=1e-5)


def test_view_i_is_turned_by_i_quarter_turns():
    x = torch.zeros(5, 1, 3, 8, 8)
    x[..., 0, 5] = 1  # in the top row, right of the middle
    turned = quarter_turns(x)
    places = [tuple(view[0, 0].nonzero()[0].tolist()) for view in turned]
    assert places == [(0, 5), (2, 0), (7, 2), (5, 7), (0, 5)]  # to the left: from the top to the left side, then down


class BrightSide(nn.Module):
    """Features by which the turn is known: how bright each side of the picture is, from the top to the left."""

    dim = 4

    def forward(self, x):
        return torch.stack(
            [side.flatten(1).mean(1) for side in (x[..., 0, :], x[..., 0], x[..., -1, :], x[..., -1])], 1
        )


def test_who_sees_the_upright_side_has_every_answer_right():
    method = Rotation(BrightSide())
    method.projector = nn.Identity()
    batch = draw_batch(method.views)
    x = torch.zeros(4, 8, 3, 32, 32)
    x[..., 0, :] = 100
    local = torch.zeros(6, 8, 3, 16, 16)
    local[..., 0, :] = 100
    batch.views = [x, local]
    assert method.loss(batch).item() == pytest.approx(0, abs=1e-5)
    batch.views = [x.flip(-2), local.flip(-2)]  # upside down: every answer is wrong
    assert method.loss(batch).item() > 50


def test_at_the_start_it_guesses():
    method = Rotation(create_encoder("conv_nano"))
    loss = loss_of(method, draw_batch(method.views, n=64))["loss"].item()
    assert loss == pytest.approx(math.log(4), rel=0.2)


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_local_views_are_turned_too(encoder):
    method = Rotation(create_encoder(encoder))
    batch = draw_batch(replace(method.views, local_views=3))
    loss = method.loss(batch)
    loss.backward()
    assert loss.isfinite() and all(p.grad is not None for p in method.parameters())


def test_it_learns_where_there_is_an_upright_side_and_nowhere_else():
    sky = torch.linspace(2, -2, 16)[:, None]
    bright_above, nothing = (
        taught(
            Rotation(create_encoder("conv_nano", image_size=16), hidden=32),
            lambda step, x=x: x + noise(step, 16, views=4, size=16),
            steps=45,
        )
        for x in (sky, 0)
    )
    assert bright_above < 0.1 * math.log(4)
    assert nothing > 0.9 * math.log(4)
