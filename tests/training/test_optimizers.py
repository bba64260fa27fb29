"""Optimisers against the formulas of their papers, in plain loops, and against the promised scaling."""

import numpy as np
import pytest
import torch
from torch import nn

from sslviz.methods import Recipe
from sslviz.training.optimizers import OPTIMIZERS, create_optimizer, scaled_rate

RATE, DECAY, STEPS = 0.02, 0.1, 5


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 4))
        for p in model.parameters():
            p.data.normal_()
        model[3].bias.requires_grad_(False)
        return model


def gradients(model, step):
    generator = torch.Generator().manual_seed(step)
    return {name: torch.randn(p.shape, generator=generator) for name, p in model.named_parameters()}


def walked(name, model):
    """The weights after some steps, and what they were, as float64."""
    before = {key: p.detach().double().numpy().copy() for key, p in model.named_parameters()}
    optimizer = create_optimizer(name, model, DECAY)
    for step in range(STEPS):
        for key, gradient in gradients(model, step).items():
            p = model.get_parameter(key)
            p.grad = gradient if p.requires_grad else None
        for group in optimizer.param_groups:
            group["lr"] = RATE
        optimizer.step()
    return before, {key: p.detach().double().numpy() for key, p in model.named_parameters()}


def adamw(w, g, state, decay):
    """Algorithm 2 of arXiv 1711.05101, with Adam's usual 0.9, 0.999 and 1e-8."""
    state["t"] = state.get("t", 0) + 1
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
    return w - RATE * (m / (np.sqrt(v) + 1e-8) + decay * w)


def sgd(w, g, state, decay):
    """Momentum of 0.9 on a gradient that holds the decay (arXiv 1706.02677, Section 3)."""
    state["m"] = 0.9 * state.get("m", 0) + g + decay * w
    return w - RATE * state["m"]


def lars(w, g, state, decay):
    """Algorithm 1 of arXiv 1708.03888 for what decays; plain momentum for biases and norms, as SimCLR has it."""
    local = 1e-3 * np.linalg.norm(w) / (np.linalg.norm(g) + decay * np.linalg.norm(w)) if w.ndim > 1 else 1.0
    state["m"] = 0.9 * state.get("m", 0) + RATE * local * (g + decay * w)
    return w - state["m"]


@pytest.mark.parametrize("decay", [DECAY, 0.0])
@pytest.mark.parametrize("formula", [adamw, sgd, lars])
def test_its_steps_are_those_of_its_paper(formula, decay, model, monkeypatch):
    monkeypatch.setitem(globals(), "DECAY", decay)
    before, after = walked(formula.__name__, model)
    for key, w in before.items():
        state, decays = {}, decay if w.ndim > 1 else 0.0
        if model.get_parameter(key).requires_grad:
            for step in range(STEPS):
                w = formula(w, gradients(model, step)[key].double().numpy(), state, decays)
            assert not np.allclose(w, before[key])
        np.testing.assert_allclose(after[key], w, rtol=1e-4, atol=1e-6, err_msg=key)


def test_every_optimiser_has_its_formula_here_and_its_usual_recipe_names_it():
    assert set(OPTIMIZERS) == {"adamw", "sgd", "lars"}
    assert all(choice.usual.optimizer == name for name, choice in OPTIMIZERS.items())


def test_the_rate_grows_with_the_root_of_the_batch_for_adam_and_with_the_batch_for_sgd_and_lars():
    for name, factor in {"adamw": 2, "sgd": 4, "lars": 4}.items():
        assert scaled_rate(Recipe(name, 0.1), 256) == pytest.approx(0.1)
        assert scaled_rate(Recipe(name, 0.1), 1024) == pytest.approx(0.1 * factor)
        assert scaled_rate(Recipe(name, 0.1), 64) == pytest.approx(0.1 / factor)
