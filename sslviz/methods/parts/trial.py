"""What an encoder takes and gives, found by trying it on a blank picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sslviz.encoders import Encoder


@contextmanager
def blank_picture(encoder: Encoder, size: int) -> Iterator[Tensor]:
    """A picture (1, 3, size, size) on the encoder's device; the encoder meanwhile leaves its batch statistics as they are."""
    encoder.eval()
    try:
        yield next(encoder.parameters()).new_zeros(1, 3, size, size)
    finally:
        encoder.train()


@torch.no_grad()
def grid_shape(encoder: Encoder) -> tuple[int, int]:
    """Length and side of the encoder's last grid of features; ValueError for encoders that end in none."""
    with blank_picture(encoder, encoder.image_size) as x:
        shape = encoder.tokens(x).shape
    return shape[1], shape[3]


@torch.no_grad()
def accepted_size(encoder: Encoder, side: int) -> int:
    """The smallest of side, 2 * side, 4 * side, ... that the encoder takes, else the size that it was built for."""
    while side < encoder.image_size:
        try:
            with blank_picture(encoder, side) as x:
                encoder(x)
            return side
        except (AssertionError, RuntimeError, ValueError):
            side *= 2
    return encoder.image_size
