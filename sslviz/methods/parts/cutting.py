"""Square pieces cut from pictures, cell by cell, with gaps of random width between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.encoders import Encoder
from sslviz.methods.parts.draws import uniform_by_row


def piece_side(picture: int, grid: int, gap: float) -> int:
    """The side in pixels of a piece of grid x grid ones, when a share `gap` of each cell's side is left out."""
    side = round(picture // grid * (1 - gap)) if grid > 0 and 0 <= gap < 1 else 0
    if side < 4:
        raise ValueError(
            f"A piece is at least 4 pixels wide; {picture} pixels in {grid} x {grid} pieces with a gap of {gap:g} of a "
            f"cell leave {side}. Take a larger picture, or a smaller grid or gap."
        )
    return side


def cut_pieces(x: Tensor, rows: Tensor, grid: int, gap: float) -> Tensor:
    """Pieces of pictures (b, c, s, s) in reading order, (b, grid * grid, c, side, side).

    Each lies at a random place within its cell, drawn by the picture's row, int64 (b,).  The edges of two neighbours are
    then seldom those that touch in the picture (arXiv 1505.05192, §3).
    """
    size = x.shape[-1]
    cell, side = size // grid, piece_side(size, grid, gap)
    jitter = (uniform_by_row(rows, 2, grid, grid) * (cell - side + 1)).long()  # (b, 2, grid, grid), in pixels
    first = (size - grid * cell) // 2 + cell * torch.arange(grid, device=x.device)
    along = torch.arange(side, device=x.device)
    top = (first[:, None] + jitter[:, 0])[..., None] + along  # (b, grid, grid, side)
    left = (first + jitter[:, 1])[..., None] + along
    which = torch.arange(len(x), device=x.device)[:, None, None, None, None]
    pieces = x.movedim(1, -1)[which, top[..., :, None], left[..., None, :]]  # (b, grid, grid, side, side, c)
    return pieces.flatten(1, 2).movedim(-1, 2)


def standardized(pieces: Tensor) -> Tensor:
    """Each piece at mean 0 and standard deviation 1 over its pixels and channels, (b, n, 3, side, side)."""
    centered = pieces - pieces.mean((2, 3, 4), keepdim=True)
    return centered / (centered.square().mean((2, 3, 4), keepdim=True) + 1e-4).sqrt()  # finite where a piece is plain


def encode_pieces(encoder: Encoder, pieces: Tensor, size: int) -> Tensor:
    """The features of pieces, (b, n, 3, side, side) -> (b, n, dim), enlarged to `size` pixels; one call."""
    x = F.interpolate(pieces.flatten(0, 1), (size, size), mode="bilinear")
    return encoder(x).unflatten(0, pieces.shape[:2])
