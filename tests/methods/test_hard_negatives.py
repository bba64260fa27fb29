import math

import pytest
import torch

from sslviz.encoders import create_encoder
from sslviz.methods import HardNegatives, SimCLR
from sslviz.methods.hard_negatives import hard_nt_xent
from sslviz.methods.simclr import nt_xent

from .contract import draw_batch
from .losses_contrastive import with_small_views
from .toys import Tiny, assert_half_precision_keeps_all_digits, collapse_of, normal, trained_on_noise


def in_loops(z, temperature, beta, tau_plus):
    """As the authors write it, with numbers of Python's: weights, estimate of the true negatives, its bound."""
    z, b = [x / x.norm() for view in z.double() for x in view], z.shape[1]
    n, losses = 2 * b - 2, []
    for i, x in enumerate(z):
        positive = math.exp(x @ z[(i + b) % (2 * b)] / temperature)
        negatives = [math.exp(x @ y / temperature) for j, y in enumerate(z) if j % b != i % b]
        weights = [s**beta for s in negatives]
        reweighted = sum(w * s for w, s in zip(weights, negatives, strict=True)) / (sum(weights) / n)
        estimate = (-tau_plus * n * positive + reweighted) / (1 - tau_plus)
        losses.append(-math.log(positive / (positive + max(estimate, n * math.exp(-1 / temperature)))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("tau_plus", [0, 0.1, 0.6])
@pytest.mark.parametrize("beta", [0, 0.5, 2])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_is_that_of_a_plain_loop(temperature, beta, tau_plus):
    z = normal(2, 6, 5)
    z[1] += z[0]  # positives are more alike than negatives
    expected = in_loops(z, temperature, beta, tau_plus)
    assert hard_nt_xent(z.double(), temperature, beta, tau_plus).item() == pytest.approx(expected, rel=1e-9)
    assert hard_nt_xent(z, temperature, beta, tau_plus).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_with_neither_weights_nor_debiasing_the_loss_is_simclrs(temperature):
    z = normal(2, 6, 5)
    torch.testing.assert_close(hard_nt_xent(z, temperature, 0, 0), nt_xent(z, temperature))


def test_the_loss_in_closed_form():
    b, t = 5, 0.5
    apart = torch.eye(b).expand(2, b, b)  # positives at cosine 1, negatives at 0, whatever their weights
    for beta in (0, 3):
        known = math.log(1 + (2 * b - 2) * (1 - 0.01 * math.exp(1 / t)) / 0.99 * math.exp(-1 / t))
        assert hard_nt_xent(apart, t, beta, 0.01).item() == pytest.approx(known, abs=1e-6)
        # At 0.5 the estimate is below the smallest sum that there can be, which takes its place.
        least = math.log(1 + (2 * b - 2) * math.exp(-2 / t))
        assert hard_nt_xent(apart, t, beta, 0.5).item() == pytest.approx(least, abs=1e-6)


def test_harder_negatives_count_more_with_beta_and_only_the_hardest_in_the_end():
    z = normal(2, 6, 5).double()
    losses = [hard_nt_xent(z, 0.5, beta, 0.0).item() for beta in (0, 1, 4, 1000)]
    assert losses == sorted(losses)
    s = torch.nn.functional.normalize(z.flatten(0, 1), dim=1)
    s = s @ s.T / 0.5
    positive = s.diagonal(6).repeat(2)
    hardest = s.masked_fill(torch.eye(6, dtype=torch.bool).repeat(2, 2), -torch.inf).amax(1)
    expected = torch.log1p(10 * (hardest - positive).exp()).mean().item()
    assert losses[-1] == pytest.approx(expected, rel=0.02)  # n times the mean under the weights


@pytest.mark.parametrize("temperature", [1e-3, 0.01, 100])
@pytest.mark.parametrize("tau_plus", [0, 0.1, 0.999])
def test_loss_and_gradient_are_numbers_where_the_exponential_is_none(temperature, tau_plus):
    for z in (normal(2, 6, 5), torch.ones(2, 6, 5), torch.eye(6).expand(2, 6, 6), normal(2, 1, 5).expand(2, 6, 5)):
        z = z.clone().requires_grad_()
        loss = hard_nt_xent(z, temperature, 1.0, tau_plus)
        loss.backward()
        assert loss.isfinite() and z.grad.isfinite().all()


def test_settings_reach_the_loss_and_those_of_zero_make_it_simclr():
    encoder = create_encoder("conv_nano")
    method = HardNegatives(encoder, temperature=0.2, beta=0, tau_plus=0).eval()
    batch = with_small_views(draw_batch(method.views))
    torch.testing.assert_close(method.loss(batch), SimCLR(encoder, temperature=0.2).eval().loss(batch))
    assert HardNegatives(encoder, temperature=0.2, beta=1.0, tau_plus=0).eval().loss(batch) > method.loss(batch)


@pytest.mark.parametrize("settings", [{"beta": -1}, {"tau_plus": 1}, {"tau_plus": -0.1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=r"^beta must be at least 0 and tau_plus in \[0, 1\); got "):
        HardNegatives(create_encoder("conv_nano"), **settings)


def test_in_half_precision_the_objective_keeps_all_its_digits():
    assert_half_precision_keeps_all_digits(lambda p, z: hard_nt_xent(p, temperature=0.05, beta=1.0, tau_plus=0.1))


def test_where_nothing_can_be_told_apart_nothing_collapses():
    _, method = trained_on_noise(HardNegatives(Tiny(), hidden=32, out=32), lr=0.03)
    assert collapse_of(method).verdict == "healthy"
