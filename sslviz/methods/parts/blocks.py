"""Rectangles of a picture, at random places."""

from __future__ import annotations

import torch
from torch import Tensor

from sslviz.methods.parts.draws import uniform_by_row


def hidden_blocks(rows: Tensor, size: int, area: float, blocks: int) -> Tensor:
    """Pixels in rectangles at random places, drawn by row, int64 (b,) -> bool (b, 1, size, size).

    Each has the same area up to rounding.  Its height by its width lies between 1/2 and 2, as far as the picture allows.
    """
    shape, top, left = uniform_by_row(rows, 3, blocks, 1).unbind(1)  # (b, blocks, 1)
    most = min(2.0, 1 / area)  # a rectangle longer than this does not fit
    height = (size * (area * most ** (2 * shape - 1)).sqrt()).round().clamp(1, size)
    width = (size**2 * area / height).round().clamp(1, size)
    return torch.einsum("bky,bkx->byx", _inside(top, height, size), _inside(left, width, size))[:, None] > 0


def _inside(place: Tensor, extent: Tensor, size: int) -> Tensor:
    """1.0 where an axis of `size` pixels is covered, (b, blocks, 1) -> (b, blocks, size)."""
    first = (place * (size - extent + 1)).floor()
    at = torch.arange(size, device=place.device)
    return ((at >= first) & (at < first + extent)).float()
