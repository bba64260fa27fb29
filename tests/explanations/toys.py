"""Encoders so small that the right answer can be written down, and pictures to show them."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.runs import Checkpoint


class Linear(nn.Module):
    """f(x) = W x, no grid."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))  # (d, 3, s, s)
        self.batches = []

    def forward_features(self, x):
        self.batches.append(len(x))
        return x.flatten(1) @ self.weights.flatten(1).T

    def forward_head(self, features, pre_logits=True):
        return features


class Quadratic(nn.Module):
    """f(x) = x' A x / 2, one number."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(torch.as_tensor(matrix, dtype=torch.float32))

    def forward_features(self, x):
        x = x.flatten(1)
        return ((x @ self.matrix) * x).sum(1, keepdim=True) / 2

    def forward_head(self, features, pre_logits=True):
        return features


class Conv(nn.Module):
    """3 x 3 convolution, ReLU in place, mean over the picture: a grid whose class activation map is known."""

    def __init__(self, channels=5, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.conv = nn.utils.skip_init(nn.Conv2d, 3, channels, 3, padding=1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.randn(self.conv.weight.shape, generator=generator) / 3)
            self.conv.bias.copy_(torch.randn(channels, generator=generator) / 10)

    def forward_features(self, x):
        return torch.relu_(self.conv(x))

    def forward_head(self, grid, pre_logits=True):
        return grid.mean((2, 3))

    def forward_intermediates(self, x, indices=1):
        grid = self.forward_features(x)
        return grid, [grid]


def toy(model, size=8):
    """An encoder that is given levels from 0 to 1 as they are."""
    return Encoder(model, {"name": "toy", "image_size": size}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)).eval()


def linear(size=8, d=4, seed=0):
    weights = np.random.default_rng(seed).normal(size=(d, 3, size, size)).astype(np.float32)
    return toy(Linear(weights), size), weights


def noise_images(n=3, size=8, seed=0, masks=None):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return Images(pixels, np.array([f"p{i}" for i in range(n)]), pd.DataFrame(index=range(n)), masks or {})


def levels(images):
    """What `toy` is shown: (n, 3, s, s)."""
    return images.pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255


def per_patch(values, grid):
    """Every pixel (n, s, s) shows the sum over its patch of a grid x grid division."""
    n, s, _ = values.shape
    blocks = values.reshape(n, grid, s // grid, grid, s // grid).sum((2, 4))
    return blocks.repeat(s // grid, 1).repeat(s // grid, 2)


@contextmanager
def counted():
    """Inside, what goes through the first layer of any encoder is counted, forwards and backwards: [pictures, pictures]."""
    counts, make = [0, 0], Checkpoint.encoder

    def watch(module, inputs, out):
        counts[0] += len(out)
        if out.requires_grad:
            out.register_hook(lambda gradient: counts.__setitem__(1, counts[1] + len(gradient)))

    def encoder(self):
        made = make(self)
        next(m for m in made.modules() if not list(m.children())).register_forward_hook(watch)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "encoder", encoder)
        yield counts
