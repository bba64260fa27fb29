"""One fit: the pull back to the start against its closed form, the steps, the modes, the batches."""

import numpy as np
import pytest
import torch
from torch import nn

import sslviz
from sslviz.runtime.random_state import seeded
from sslviz.transfer.descent import Classifier, Recipe, descend


@pytest.fixture(autouse=True)
def networks_draw_their_weights():
    with seeded(0):
        yield


class Linear(nn.Module):
    """A linear encoder with one output, behind which the head is the identity."""

    def __init__(self, w):
        super().__init__()
        self.model = nn.Linear(len(w), 1, bias=False)
        self.model.weight.data = w[None].clone()

    def forward(self, x):
        return self.model(x)


@pytest.mark.parametrize("pull", [0.3, 3.0])
def test_the_pull_ends_where_the_closed_form_says(pull):
    """Squared loss, linear encoder: w = (X'X/n + a I)^-1 (X'y/n + a w0)."""
    rng = np.random.default_rng(0)
    x, y, w0 = rng.normal(size=(24, 3)), rng.normal(size=24), np.array([2.0, -1.0, 0.5])
    expected = np.linalg.solve(x.T @ x / 24 + pull * np.eye(3), x.T @ y / 24 + pull * w0)
    encoder = Linear(torch.tensor(w0, dtype=torch.float32))
    net = Classifier(encoder, torch.ones(1, 1), torch.zeros(1))
    net.head.requires_grad_(False)
    inputs, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    descend(
        net,
        lambda rows, progress, generator: inputs[rows],
        targets,
        Recipe(steps=400, pull=pull),
        rate=0.03,
        seed=0,
        loss=lambda logits, y: ((logits[:, 0] - y) ** 2).mean() / 2,
        precision="32-true",
    )
    found = encoder.model.weight.detach().numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    without = np.linalg.lstsq(x, y)[0]
    assert np.abs(found - without).max() > 0.1 and np.abs(found - w0).max() > 0.1


def toy(seed=0):
    encoder = sslviz.create_encoder("conv_nano", seed=seed)
    x = torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return Classifier(encoder, torch.zeros(2, encoder.dim), torch.zeros(2)), x, torch.arange(40) % 2


def buffers(net):
    return {name: x.clone() for name, x in net.named_buffers()}


@pytest.mark.parametrize("moving", [False, True])
def test_statistics_of_batch_normalisation_move_only_where_they_shall(moving):
    net, x, y = toy()
    before = buffers(net)
    descend(net, lambda rows, *_: x[rows], y, Recipe(3, moving_statistics=moving), 1e-3, seed=0)
    after = buffers(net)
    same = [torch.equal(before[name], after[name]) for name in before if "running" in name]
    assert same and all(same) != moving and any(same) != moving and not net.training


def test_as_many_steps_as_asked_and_nothing_twice_in_an_epoch(monkeypatch):
    seen, taken = [], []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a, **k: taken.append(step(self, *a, **k)))
    net, x, y = toy()

    def inputs(rows, progress, generator):
        seen.append(rows.numpy())
        return x[rows]

    advanced = []
    descend(net, inputs, y, Recipe(5), 1e-3, seed=0, batch=16, advance=lambda: advanced.append(1))
    assert len(seen) == len(taken) == len(advanced) == 5
    assert {len(rows) for rows in seen} == {16}
    epochs = [np.concatenate(seen[:2]), np.concatenate(seen[2:4])]  # the 8 rows that fill no batch are left out of each
    assert all(len(set(rows)) == 32 for rows in epochs) and set(epochs[0]) != set(epochs[1])


def test_few_pictures_are_all_in_each_batch():
    net, x, y = toy()
    seen = []
    descend(net, lambda rows, *_: (seen.append(sorted(rows.tolist())), x[rows])[1], y[:6], Recipe(4), 1e-3, seed=0)
    assert seen == [list(range(6))] * 4


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    def weights(seed):
        net, x, y = toy()
        descend(net, lambda rows, *_: x[rows], y, Recipe(4), 1e-3, seed=seed, batch=8)
        return net.encoder.model.stem.conv.weight.detach()

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))


def test_it_learns():
    """Two classes of pictures that differ in their mean colour: the loss falls and they are told apart."""
    net, _, y = toy()
    x = torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(1)) + y[:, None, None, None]
    descend(net, lambda rows, *_: x[rows], y, Recipe(20, moving_statistics=True), 2e-3, seed=0)
    assert float((net(x).argmax(1) == y).float().mean()) > 0.9
