"""Weights between two ends, and the statistics that belong to them."""

import copy

import pytest
import torch
from torch import nn

from sslviz.runtime.random_state import seeded
from sslviz.transfer.interpolation import estimate_statistics, interpolated, moved


@pytest.fixture(autouse=True)
def networks_draw_their_weights():
    with seeded(0):
        yield


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_weights(net, seed):
    net = copy.deepcopy(net).double()
    for i, p in enumerate(net.parameters()):
        p.data = noise(*p.shape, seed=100 * seed + i)
    return net


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_of_a_linear_model_it_is_the_mean_of_the_logits(share):
    start, end = (with_weights(nn.Linear(7, 3), seed) for seed in (1, 2))
    between = copy.deepcopy(start)
    between.load_state_dict(interpolated(start.state_dict(), end.state_dict(), share))
    x = noise(20, 7)
    torch.testing.assert_close(between(x), (1 - share) * start(x) + share * end(x), rtol=1e-12, atol=1e-12)


def test_of_a_linear_encoder_with_the_same_head_too_but_not_with_another_head():
    """A head on an encoder is a product: with two heads the logits between are no mean of both ends'."""
    start, end = (with_weights(nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3)), seed) for seed in (1, 2))
    x = noise(20, 7)

    def off(end):
        between = copy.deepcopy(start)
        between.load_state_dict(interpolated(start.state_dict(), end.state_dict(), 0.5))
        return float((between(x) - (start(x) + end(x)) / 2).detach().abs().max())

    assert off(end) > 0.1
    end[1].load_state_dict(start[1].state_dict())
    assert off(end) < 1e-12


def test_statistics_are_those_of_the_new_weights():
    """The ends' statistics lie far off; those of the weights between are the mean and variance of what these make."""
    nets = [with_weights(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), seed) for seed in (1, 2)]
    x = noise(64, 6)
    for net in nets:
        for _ in range(200):
            net.train()(x)
    between = copy.deepcopy(nets[0])
    start, end = (net.state_dict() for net in nets)
    assert moved(start, end) and not moved(start, start)
    between.load_state_dict(interpolated(start, end, 0.5))
    averaged = between[1].running_var.clone()
    estimate_statistics(between, x.split(32))
    made = between[0](x).detach()
    torch.testing.assert_close(between[1].running_mean, made.mean(0))
    halves = torch.stack([half.var(0) for half in made.split(32)]).mean(0)
    torch.testing.assert_close(between[1].running_var, halves)
    assert float((averaged / made.var(0)).max()) > 1.2  # what a plain mean of both would have been off by
    assert not between.training and between[1].momentum == 0.1


def test_two_networks_of_different_shapes_are_one_sentence():
    with pytest.raises(ValueError, match="same network"):
        interpolated(nn.Linear(2, 3).state_dict(), nn.Linear(2, 4).state_dict(), 0.5)
