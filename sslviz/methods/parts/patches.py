"""Pictures as patches in reading order, and back."""

from __future__ import annotations

from torch import Tensor


def to_patches(x: Tensor, side: int) -> Tensor:
    """(b, c, h, w) -> (b, patches, c * side * side), in reading order; side divides h and w."""
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // side, side, w // side, side)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, (h // side) * (w // side), c * side * side)


def from_patches(patches: Tensor, side: int, channels: int = 3) -> Tensor:
    """(b, rows * rows, channels * side * side) -> (b, channels, rows * side, rows * side), of a square picture."""
    b, n, _ = patches.shape
    rows = round(n**0.5)
    x = patches.reshape(b, rows, rows, channels, side, side)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(b, channels, rows * side, rows * side)


def over_pixels(hidden: Tensor, side: int) -> Tensor:
    """Marks of patches, (b, rows * rows), as marks of pixels, (b, 1, rows * side, rows * side)."""
    rows = round(hidden.shape[1] ** 0.5)
    grid = hidden.unflatten(1, (rows, rows))[:, None]  # (b, 1, rows, rows)
    return grid.repeat_interleave(side, 2).repeat_interleave(side, 3)
