"""A short training on drawn shapes, and how well hidden pixels are painted after it."""

from dataclasses import replace
from functools import cache

import torch

import sslviz
from sslviz.diagnostics.geometry.collapse import collapse
from sslviz.features import Features
from sslviz.methods import Batch
from sslviz.methods.parts.momentum import update_ema
from sslviz.runtime.random_state import seeded

from .contract import total


@cache
def the_shapes(n=512, size=32):
    return torch.from_numpy(sslviz.shapes(n=n, size=size, seed=0).pixels)


def trained_on_shapes(method, steps, lr=1e-3, batch_size=64):
    """The method after so many steps on pictures of its encoder's size, and the losses of all."""
    size = method.encoder.image_size
    pixels, policy = the_shapes(size=size), replace(method.views, size=size)
    generator, losses = torch.Generator().manual_seed(0), []
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=lr, weight_decay=0.05)
    for step in range(steps):
        rows = torch.randperm(len(pixels), generator=generator)[:batch_size]
        views, labels = policy(pixels[rows], generator), torch.full((batch_size,), -1)
        with seeded(step):
            loss = total(method.loss(Batch(views, pixels[rows], rows, labels, step / steps)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_ema(method, 0.0)
        losses.append(loss.item())
    return method, losses


def inputs(n=256, size=32):
    return the_shapes(n, size).permute(0, 3, 1, 2) / 127.5 - 1


@torch.no_grad()
def painted(method, x, seed=0):
    with seeded(seed):
        return method.eval().reconstruct(x)


def error_beside_mean_color(made, where=None):
    """The mean squared error of the hidden pixels, and that of the mean colour of each picture's visible ones."""
    hidden = made.hidden if where is None else where
    shown = ~hidden
    color = (made.true * shown).sum((2, 3), keepdim=True) / shown.sum((2, 3), keepdim=True)
    of = [((guess - made.true).square() * hidden).sum() / (3 * hidden.sum()) for guess in (made.predicted, color)]
    return of[0].item(), of[1].item()


@torch.no_grad()
def verdict_on_shapes(method):
    """What the collapse diagnostic says of the encoder's features of shapes."""
    return collapse(Features.from_array(method.eval().encoder(inputs(512)).double().numpy())).verdict
