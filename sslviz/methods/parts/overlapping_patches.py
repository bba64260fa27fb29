"""A picture as a grid of patches that overlap by half, and a summary of such a grid from top to bottom."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def patch_side(pixels: int, rows: int) -> int:
    """Pixels of a patch, twice the stride, where `rows` of them lie below one another in a picture."""
    return 2 * (pixels // (rows + 1))


def overlapping_patches(x: Tensor, rows: int, size: int) -> Tensor:
    """The rows x rows patches of each picture, in reading order, (b, 3, s, s) -> (b * rows * rows, 3, size, size).

    They are resized where `size` is not their side; the few pixels that no patch reaches are at the right and below.
    """
    side = patch_side(x.shape[-1], rows)
    reach = side // 2 * (rows + 1)
    patches = F.unfold(x[..., :reach, :reach], side, stride=side // 2).mT  # (b, rows * rows, 3 * side * side)
    patches = patches.reshape(-1, 3, side, side)
    return patches if size == side else F.interpolate(patches, size=(size, size), mode="bilinear")


class RowsAbove(nn.Module):
    """Adds to each place of a grid (b, width, rows, columns) what a convolution makes of its row and the row above."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, (2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(b, width, rows, columns) -> the same shape; no row depends on those below it."""
        return x + F.gelu(self.conv(F.pad(x, (1, 1, 1, 0))))  # left, right and above, but not below
