"""Pictures of which it is known what a pretext task can find in them, and short trainings on new ones in every step."""

import torch

from sslviz.methods import Batch
from sslviz.runtime.random_state import seeded

from .contract import total


def noise(step, b=32, views=1, size=32):
    """Pictures in which there is nothing to find, (views, b, 3, size, size)."""
    return torch.randn(views, b, 3, size, size, generator=torch.Generator().manual_seed(step))


def mosaic(step, b=32, grid=3, size=32):
    """One picture, whose cells each have a pattern of their own, under new noise."""
    generator = torch.Generator().manual_seed(1)
    cell = size // grid
    patterns = torch.randn(grid, grid, 1, 2, 2, generator=generator).repeat(1, 1, 1, 6, 6)[..., :cell, :cell]
    picture = torch.zeros(1, size, size)
    margin = (size - grid * cell) // 2
    for i in range(grid):
        for j in range(grid):
            top, left = margin + i * cell, margin + j * cell
            picture[:, top : top + cell, left : left + cell] = patterns[i, j]
    return picture + 0.1 * noise(step, b, size=size)


def batch_of(views, step=0):
    """A batch of these views (views, b, 3, s, s)."""
    b = views.shape[1]
    rows = torch.arange(b) + b * step
    return Batch([views], torch.zeros(b, 4, 4, 3, dtype=torch.uint8), rows, torch.full((b,), -1), progress=0.5)


def taught(method, pictures, steps=40, lr=2e-3):
    """The mean loss of the last five steps, each on pictures that were not seen before."""
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=lr)
    losses = []
    for step in range(steps):
        with seeded(step):
            loss = total(method.loss(batch_of(pictures(step), step)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-5:]) / 5
