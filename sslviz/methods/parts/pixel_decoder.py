"""Decoders from the encoder's last grid of features to pixels."""

from __future__ import annotations

import torch
from torch import nn

from sslviz.encoders import Encoder


@torch.no_grad()
def grid_shape(encoder: Encoder) -> tuple[int, int]:
    """Length and side of the encoder's last grid of features; ValueError for encoders that end in none."""
    encoder.eval()  # batch statistics stay as they are
    try:
        side = encoder.image_size
        shape = encoder.tokens(next(encoder.parameters()).new_zeros(1, 3, side, side)).shape
        return shape[1], shape[3]
    finally:
        encoder.train()


def pixel_decoder(encoder: Encoder, out: int = 3, width: int = 64) -> nn.Sequential:
    """From the last grid (b, d, g, g) to (b, out, s, s) at the encoder's own size, by convolutions and pixel shuffles.

    The side doubles until it is that of the picture, or until one last shuffle by an odd factor makes it so.
    """
    dim, grid = grid_shape(encoder)
    factor, layers = encoder.image_size // grid, []
    while factor % 2 == 0:
        layers += [nn.Conv2d(dim, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.GELU()]
        dim, factor = width, factor // 2
    return nn.Sequential(*layers, nn.Conv2d(dim, out * factor**2, 3, padding=1), nn.PixelShuffle(factor))
