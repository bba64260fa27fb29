import pytest
import torch

from sslviz.methods.parts.blocks import hidden_blocks
from sslviz.runtime.random_state import seeded


def blocks(n, *arguments, seed=0):
    with seeded(seed):
        return hidden_blocks(torch.arange(n), *arguments)


@pytest.mark.parametrize("area", [0.05, 0.25, 0.7, 0.95])
def test_what_is_hidden_is_a_rectangle_of_the_area_that_is_asked_for(area):
    hidden = blocks(300, 32, area, 1)[:, 0]
    heights, widths = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert torch.equal(hidden.sum((1, 2)), heights * widths)  # no hole, no corner missing
    first, last = (hidden.any(2).float() * (1 + torch.arange(32))).max(1).values, hidden.any(2).float().argmax(1)
    assert torch.equal(first - last, heights.float())  # rows that follow each other
    torch.testing.assert_close(hidden.float().mean((1, 2)), torch.full((300,), area), atol=0.02, rtol=0.1)
    assert len(heights.unique()) > 1


def test_blocks_lie_everywhere_and_belong_to_the_picture():
    hidden = blocks(500, 32, 0.1, 3)
    often = hidden.float().mean((0, 1))
    assert (often > 0).all()
    assert hidden.float().mean() > 2 * blocks(500, 32, 0.1, 1).float().mean()
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    with seeded(0):
        assert torch.equal(hidden_blocks(order, 32, 0.1, 3), hidden[order])
    assert not torch.equal(hidden, blocks(500, 32, 0.1, 3, seed=1))
