"""Decoders from the encoder's last grid of features to pixels."""

from __future__ import annotations

from torch import nn

from sslviz.encoders import Encoder
from sslviz.methods.parts.trial import grid_shape


def pixel_layer(encoder: Encoder, out: int = 3) -> nn.Sequential:
    """From the last grid (b, d, g, g) to (b, out, s, s) at the encoder's own size, by one linear layer for all places."""
    dim, grid = grid_shape(encoder)
    factor = encoder.image_size // grid
    layers = [nn.Conv2d(dim, out * factor**2, 1), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers, *_resized(encoder, grid * factor))


def pixel_decoder(encoder: Encoder, out: int = 3, width: int = 64) -> nn.Sequential:
    """From the last grid (b, d, g, g) to (b, out, s, s) at the encoder's own size, by convolutions and pixel shuffles.

    The side doubles until it is that of the picture, or until one last shuffle by an odd factor makes it so.
    """
    dim, grid = grid_shape(encoder)
    factor, layers = encoder.image_size // grid, []
    side = grid * factor
    while factor % 2 == 0:
        layers += [nn.Conv2d(dim, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.GELU()]
        dim, factor = width, factor // 2
    layers += [nn.Conv2d(dim, out * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers, *_resized(encoder, side))


def _resized(encoder: Encoder, side: int) -> list[nn.Module]:
    """What makes pictures of this side as large as the encoder's, where a grid does not divide them."""
    size = encoder.image_size
    return [] if side == size else [nn.Upsample((size, size), mode="bilinear")]
