"""Small networks, and trainings in which the right answer is known."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.features import Features
from sslviz.methods import Batch
from sslviz.methods.parts.momentum import update_ema
from sslviz.runtime.random_state import seeded

from .contract import draw_batch, total

LIGHTLY = np.load(Path(__file__).parents[1] / "fixtures" / "losses.npz", allow_pickle=False)


def lightlys(name):
    """A tensor that lightly was given ("p", "z"), or what its loss of this name made of them."""
    return torch.tensor(LIGHTLY[name])


def assert_is_lightlys(value, name):
    torch.testing.assert_close(value, lightlys(name), rtol=1e-5, atol=1e-5, msg=name)


def assert_half_precision_keeps_all_digits(objective):
    p, z = (normal(2, 32, 64, seed=s).bfloat16() for s in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        value = objective(p, z)
    torch.testing.assert_close(value.double(), objective(p.double(), z.double()), rtol=1e-5, atol=1e-5)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Constant(nn.Module):
    """A predictor that ignores what it is given: gradients reach the encoder only through the targets."""

    def __init__(self, width):
        super().__init__()
        self.value = nn.Parameter(normal(width))

    def forward(self, x):
        return self.value.expand(len(x), -1)


def encoder_gets_gradient(method, width):
    method.predictor = Constant(width)
    total(method.loss(draw_batch(method.views))).backward()
    gradients = [p.grad for p in method.encoder.parameters()]
    return any(g is not None and g.abs().max() > 0 for g in gradients)


class Tiny(nn.Module):
    dim = 16

    def __init__(self):
        super().__init__()
        with seeded(0):
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.net(x)


def trained_on_noise(method, steps=150, lr=0.1):
    """The last loss of a training on "views" that have nothing in common, and the method."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    nothing = torch.zeros(64, 4, 4, 3, dtype=torch.uint8)
    unknown = torch.full((64,), -1)
    for step in range(steps):
        views = torch.randn(2, 64, 3, 4, 4, generator=generator)
        rows = torch.arange(64) + 64 * step
        with seeded(step):
            loss = total(method.loss(Batch([views], nothing, rows, unknown, progress=0.0)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_ema(method, 0)
    return loss.item(), method


@torch.no_grad()
def share_of_one_direction(method):
    """The share of the first principal component in what the projector makes of noise."""
    x = torch.randn(256, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    z = method.projector(method.encoder(x))
    energy = torch.linalg.svdvals(z - z.mean(0)).square()
    return (energy[0] / energy.sum()).item()


@torch.no_grad()
def collapse_of(method):
    """What the collapse diagnostic says of a method around `Tiny`: of the encoder, and of the projector beside it."""
    x = torch.randn(512, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    h = method.eval().encoder(x)
    spaces = (Features.from_array(y.double().numpy()) for y in (h, method.projector(h)))
    return collapse(*spaces)
