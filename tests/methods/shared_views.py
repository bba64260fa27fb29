"""A training in which two views do have something in common: the same picture under noise of their own."""

import torch

from sslviz.methods import Batch
from sslviz.methods.parts.momentum import update_ema
from sslviz.runtime.random_state import seeded

from .contract import total


def trained_on_shared_views(method, steps=150, lr=1e-3, noise=0.5):
    """The last loss of a training on new pictures in every step, and the method."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=lr)
    nothing, unknown = torch.zeros(64, 4, 4, 3, dtype=torch.uint8), torch.full((64,), -1)
    for step in range(steps):
        pictures = torch.randn(1, 64, 3, 4, 4, generator=generator)
        views = pictures + noise * torch.randn(2, 64, 3, 4, 4, generator=generator)
        with seeded(step):
            loss = total(method.loss(Batch([views], nothing, torch.arange(64) + 64 * step, unknown, step / steps)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_ema(method, 0)
    return loss.item(), method
