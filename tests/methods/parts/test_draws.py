import pytest
import torch
from scipy.stats import kstest

from sslviz.methods.parts.draws import groups_by_row, normal_by_row, order_by_row, uniform_by_row
from sslviz.runtime.random_state import seeded


def drawn(function, rows, *shape, seed=0):
    with seeded(seed):
        return function(rows, *shape)


def test_numbers_belong_to_the_row_whatever_its_place_and_whoever_else_is_there():
    rows = torch.tensor([7, 3, 900_000, 0])
    all_four = drawn(uniform_by_row, rows, 5, 6)
    assert torch.equal(drawn(uniform_by_row, rows.flip(0), 5, 6), all_four.flip(0))
    assert torch.equal(drawn(uniform_by_row, rows[2:], 5, 6), all_four[2:])
    assert not torch.equal(drawn(uniform_by_row, rows, 5, 6, seed=1), all_four)
    assert all_four.shape == (4, 5, 6)


@pytest.mark.parametrize(("function", "law"), [(uniform_by_row, "uniform"), (normal_by_row, "norm")])
def test_they_are_distributed_as_they_say_and_unrelated(function, law):
    x = drawn(function, torch.arange(2000), 40)
    assert x.isfinite().all()
    assert kstest(x.flatten().numpy(), law).pvalue > 0.01
    for side in (x, x.T):  # neither rows nor places go together
        gram = torch.corrcoef(side[:40])
        off = gram[~torch.eye(40, dtype=torch.bool)].abs()
        assert off.max() < 5 / side.shape[1] ** 0.5


def test_uniform_numbers_stay_inside():
    x = drawn(uniform_by_row, torch.arange(100_000), 10)
    assert 0 < x.min() and x.max() < 1


def test_every_order_of_three_comes_as_often_as_any_other():
    orders = drawn(order_by_row, torch.arange(6000), 3)
    counts = (orders * torch.tensor([9, 3, 1])).sum(1).unique(return_counts=True)[1]
    assert len(counts) == 6 and counts.min() > 880 and counts.max() < 1120


@pytest.mark.parametrize(("n", "size", "groups", "each"), [(20, 8, 2, 10), (5, 8, 1, 5), (17, 8, 2, 8)])
def test_groups_are_drawn_again_and_hold_each_picture_once_at_most(n, size, groups, each):
    with seeded(0):
        found = groups_by_row(torch.arange(n), size, 3)
    assert found.shape == (3 * groups, each)
    times = [set(part.flatten().tolist()) for part in found.chunk(3)]
    assert all(len(t) == groups * each for t in times)
    with seeded(0):
        turned = groups_by_row(torch.arange(n).flip(0), size, 3)
    assert torch.equal(n - 1 - turned, found)  # the same pictures meet
    assert not torch.equal(found[:groups], found[groups : 2 * groups])
