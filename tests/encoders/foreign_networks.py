"""Networks as somebody else writes them, each a function that returns one: what `package.module:function` names."""

import torch
import torch.nn.functional as F
from torch import nn


class Pooled(nn.Module):
    """Two convolutions and their mean: (b, 3, h, w) -> (b, 16), with functions between the layers."""

    def __init__(self, channels=3):
        super().__init__()
        self.first, self.norm = nn.Conv2d(channels, 8, 4, 4), nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, 1, 1)

    def forward(self, x):
        return self.second(F.relu(self.norm(self.first(x)))).mean((2, 3))


class Grid(Pooled):
    """The same without the mean: (b, 16, h / 4, w / 4)."""

    def forward(self, x):
        return self.second(F.relu(self.norm(self.first(x))))


class Tokens(nn.Module):
    """A transformer of two blocks on patches of 8 pixels, behind a class token: (b, 1 + n, 16)."""

    def __init__(self):
        super().__init__()
        self.patches, self.start = nn.Conv2d(3, 16, 8, 8), nn.Parameter(torch.randn(1, 1, 16))
        block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

    def forward(self, x):
        x = self.patches(x).flatten(2).mT
        return self.blocks(torch.cat([self.start.expand(len(x), -1, -1), x], 1))


class Perceptron(nn.Module):
    """No grid at all: (b, 3, 32, 32) -> (b, 8)."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 8)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Gives(nn.Module):
    """A linear layer, and of its features whatever `make` makes."""

    def __init__(self, make):
        super().__init__()
        self.layer, self.make = nn.Linear(3, 4), make

    def forward(self, x):
        return self.make(self.layer(x.mean((2, 3))))


def pooled():
    return Pooled()


def described():
    network = Grid()
    network.default_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "input_size": (3, 48, 48)}
    return network


def tokens():
    return Tokens()


def fails():
    raise RuntimeError("no such dataset\nand a second line")


def gives_nothing():
    return None


not_a_function = 3
