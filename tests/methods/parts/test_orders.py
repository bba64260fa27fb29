import itertools

import pytest
import torch

from sslviz.methods.parts.orders import distant_orders, shuffled


@pytest.mark.parametrize(("pieces", "orders"), [(4, 4), (4, 24), (9, 64), (16, 100)])
def test_the_orders_are_different_orders_and_the_same_ones_every_time(pieces, orders):
    found = distant_orders(pieces, orders)
    assert torch.equal(found.sort(1).values, torch.arange(pieces).expand(orders, pieces))
    assert len(found.unique(dim=0)) == orders
    assert torch.equal(found, distant_orders(pieces, orders))


def nearest_two(orders):
    """The number of places in which the two orders differ that are most alike."""
    return min(sum(a != b for a, b in zip(*pair, strict=True)) for pair in itertools.combinations(orders.tolist(), 2))


def test_the_orders_are_far_apart():
    assert nearest_two(distant_orders(4, 4)) == 4  # four orders of four that differ everywhere: a Latin square
    random = torch.rand(64, 9, generator=torch.Generator().manual_seed(1)).argsort(1)
    assert nearest_two(distant_orders(9, 64)) > nearest_two(random) + 2


def test_pieces_lie_in_the_order_that_is_asked_for():
    pieces, order = torch.arange(8).view(2, 4), torch.tensor([[3, 1, 0, 2], [0, 1, 3, 2]])
    assert shuffled(pieces, order).tolist() == [[3, 1, 0, 2], [4, 5, 7, 6]]
