import math

import pytest
import torch
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.methods import Jigsaw
from sslviz.methods.jigsaw import jigsaw_loss
from sslviz.methods.parts.cutting import cut_pieces, standardized
from sslviz.methods.parts.draws import uniform_by_row
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .planted import batch_of, mosaic, noise, taught
from .toys import normal


def test_the_loss_is_that_of_a_plain_loop_and_the_log_of_their_number_for_a_guess():
    logits, which = normal(6, 10), torch.tensor([0, 9, 3, 3, 5, 1])
    rows = logits.tolist()
    expected = sum(math.log(sum(map(math.exp, row))) - row[k] for row, k in zip(rows, which.tolist(), strict=True)) / 6
    assert jigsaw_loss(logits, which).item() == pytest.approx(expected, abs=1e-5)
    assert jigsaw_loss(torch.zeros(6, 10), which).item() == pytest.approx(math.log(10))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    logits, which = normal(32, 64).bfloat16(), torch.arange(32)
    with torch.autocast("cpu", torch.bfloat16):
        value = jigsaw_loss(logits, which)
    torch.testing.assert_close(value.double(), jigsaw_loss(logits.double(), which), rtol=1e-5, atol=1e-5)


class Mark(nn.Module):
    """An encoder that reads the number that is written into a piece."""

    dim, image_size = 1, 32

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x.flatten(1).amax(1, keepdim=True)


class Lookup(nn.Module):
    """A head that knows which order it is from pieces that say their place."""

    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, z):
        return -100.0 * (z[:, None] != self.order).sum(2)


def test_the_order_that_is_asked_for_is_the_one_in_which_the_pieces_are_seen(monkeypatch):
    monkeypatch.setattr("sslviz.methods.jigsaw.standardized", lambda pieces: pieces)
    method = Jigsaw(Mark(), gap=0.0)
    method.projector = nn.Identity()
    method.classifier = Lookup(method.order)
    x = torch.zeros(1, 8, 3, 32, 32)
    for place in range(9):
        i, j = divmod(place, 3)
        x[..., 1 + 10 * i : 11 + 10 * i, 1 + 10 * j : 11 + 10 * j] = place
    with seeded(0):
        assert method.loss(batch_of(x)).item() == pytest.approx(0, abs=1e-6)
    method.classifier.order = method.order.roll(1, 0)  # another order has each answer wrong
    with seeded(0):
        assert method.loss(batch_of(x)).item() > 100


def test_the_loss_is_made_of_its_parts():
    method = Jigsaw(create_encoder("conv_nano"), grid=2, orders=24, gap=0.25).eval()
    batch = draw_batch(method.views)
    with seeded(0):
        pieces = standardized(cut_pieces(batch.views[0][0], batch.rows, 2, 0.25))
        which = (uniform_by_row(batch.rows, 1)[:, 0] * 24).long()
    features = []
    for i in range(8):
        for j in method.order[which[i]]:
            piece = nn.functional.interpolate(pieces[i, j][None], (16, 16), mode="bilinear")
            features.append(method.projector(method.encoder(piece))[0])
    logits = method.classifier(torch.stack(features).view(8, -1))
    torch.testing.assert_close(loss_of(method, batch)["loss"], jigsaw_loss(logits, which), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("grid", "orders"), [(2, 24), (3, 64), (4, 30)])
@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_every_grid_fits_and_begins_with_a_guess(grid, orders, encoder):
    method = Jigsaw(create_encoder(encoder), grid=grid, orders=orders)
    loss = loss_of(method, draw_batch(method.views, n=32))["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(math.log(orders), rel=0.2)
    assert all(p.grad is not None for p in method.parameters())


@pytest.mark.parametrize("settings", [{"grid": 2, "orders": 25}, {"orders": 1}, {"grid": 1}, {"grid": 9}, {"gap": 1.0}])
def test_puzzles_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=r"orders to tell apart|at least 4 pixels"):
        Jigsaw(create_encoder("conv_nano"), **settings)


def test_it_learns_where_pieces_differ_and_nowhere_else():
    different, alike = (
        taught(Jigsaw(create_encoder("conv_nano"), orders=8, hidden=64), lambda step, of=of: of(step, 16))
        for of in (mosaic, noise)
    )
    assert different < 0.1 * math.log(8)
    assert alike > 0.9 * math.log(8)
