import math

import pytest
import torch
from torch import nn

from sslviz.encoders import create_encoder
from sslviz.methods import RelativePosition
from sslviz.methods.relative_position import in_one_channel, middle_and_neighbor, relative_position_loss
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, loss_of
from .planted import batch_of, mosaic, noise, taught
from .toys import normal

NEIGHBORS = [0, 1, 2, 3, 5, 6, 7, 8]  # in reading order, without the middle


def test_the_loss_is_that_of_a_plain_loop_and_ln_8_for_a_guess():
    logits, side = normal(6, 8), torch.tensor([0, 7, 3, 3, 5, 1])
    rows = logits.tolist()
    expected = sum(math.log(sum(map(math.exp, row))) - row[k] for row, k in zip(rows, side.tolist(), strict=True)) / 6
    assert relative_position_loss(logits, side).item() == pytest.approx(expected, abs=1e-5)
    assert relative_position_loss(torch.zeros(6, 8), side).item() == pytest.approx(math.log(8))


def test_in_half_precision_the_objective_keeps_all_its_digits():
    logits, side = normal(32, 8).bfloat16(), torch.arange(32) % 8
    with torch.autocast("cpu", torch.bfloat16):
        value = relative_position_loss(logits, side)
    torch.testing.assert_close(value.double(), relative_position_loss(logits.double(), side), rtol=1e-5, atol=1e-5)


def test_the_middle_comes_with_each_of_the_eight_around_it():
    pieces = torch.arange(9).expand(8, 9)
    pairs = middle_and_neighbor(pieces, torch.arange(8))
    assert pairs.tolist() == [[4, neighbor] for neighbor in NEIGHBORS]


def test_a_piece_in_one_channel_says_nothing_of_the_others():
    pieces, channel = normal(5, 2, 3, 4, 4), torch.tensor([[0, 1], [2, 0], [1, 1], [2, 2], [0, 2]])
    seen = in_one_channel(pieces, channel)
    for i in range(5):
        for j in range(2):
            for c in range(3):
                assert torch.equal(seen[i, j, c], pieces[i, j, channel[i, j]])


class Mark(nn.Module):
    """An encoder that reads the number that is written into a piece."""

    dim, image_size = 1, 32

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x.flatten(1).amax(1, keepdim=True)


class Reader(nn.Module):
    """A head that knows the neighbour from a piece that says its place; `wrong` is added to its answer."""

    wrong = 0

    def forward(self, z):
        assert (z[:, 0] == 4).all()  # the middle comes first
        side = (z[:, 1:] == torch.tensor(NEIGHBORS)).float().argmax(1)
        return 100 * nn.functional.one_hot((side + self.wrong) % 8, 8).float()


def test_the_side_that_is_asked_for_is_the_one_that_is_shown():
    method = RelativePosition(Mark(), gap=0.0)
    method.projector, method.classifier = nn.Identity(), Reader()
    x = torch.zeros(1, 64, 3, 32, 32)
    for place in range(9):
        i, j = divmod(place, 3)
        x[..., 1 + 10 * i : 11 + 10 * i, 1 + 10 * j : 11 + 10 * j] = place
    with seeded(0):
        assert method.loss(batch_of(x)).item() == pytest.approx(0, abs=1e-6)
    method.classifier.wrong = 1
    with seeded(0):
        assert method.loss(batch_of(x)).item() == pytest.approx(100)


def seen_by(method, batch):
    """The pictures that the encoder is given."""
    seen = []
    with method.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0])):
        loss_of(method, batch)
    return seen[0]


def test_colours_are_dropped_only_if_that_is_asked_for():
    batch = draw_batch(RelativePosition.views)
    plain, dropped = (
        seen_by(RelativePosition(create_encoder("conv_nano"), drop_colors=drop), batch) for drop in (False, True)
    )
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(plain, plain[:, :1].expand_as(plain))
    same = (dropped[:, :1] == plain).flatten(2).all(2)  # (2b, 3): which channel is left, of the same pieces
    assert same.any(1).all() and same.any(0).all()


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
def test_it_begins_with_a_guess(encoder):
    method = RelativePosition(create_encoder(encoder))
    loss = loss_of(method, draw_batch(method.views, n=64))["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(math.log(8), rel=0.2)
    assert all(p.grad is not None for p in method.parameters())


def test_a_gap_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 4 pixels"):
        RelativePosition(create_encoder("conv_nano"), gap=0.8)


def test_it_learns_where_pieces_differ_and_nowhere_else():
    different, alike = (
        taught(RelativePosition(create_encoder("conv_nano"), hidden=64), pictures) for pictures in (mosaic, noise)
    )
    assert different < 0.1 * math.log(8)
    assert alike > 0.9 * math.log(8)
