"""A small transformer that says what stands at places of a grid of which it was not told."""

from __future__ import annotations

import torch
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class TokenPredictor(nn.Module):
    """From tokens at some places to predictions at others: MAE's decoder, and I-JEPA's predictor.

    It asks about a place by a learned token, the same everywhere, plus the place's fixed sine-cosine position.

    - dim: the length of the tokens that it is given
    - out: the length of a prediction
    - side: places along a side of the grid
    - width, depth: its own, narrower than the encoder so that the encoder has to do the work
    """

    positions: Tensor

    def __init__(self, dim: int, out: int, side: int, width: int, depth: int) -> None:
        super().__init__()
        if width % 32 or width < 32:
            raise ValueError(f"width must be a multiple of 32, the width of an attention head; got {width}.")
        self.embed = nn.Linear(dim, width)
        self.asked = nn.Parameter(0.02 * torch.randn(width))
        self.register_buffer("positions", build_sincos2d_pos_embed([side, side], width))  # (places, width)
        self.blocks = nn.Sequential(*(Block(width, width // 32, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, out)

    def forward(self, tokens: Tensor, seen: Tensor, asked: Tensor) -> Tensor:
        """tokens (b, prefix + k, dim), of which the last k stand at `seen` (b, k); asked (b, m) -> (b, m, out)."""
        prefix, patches = self.embed(tokens).tensor_split([tokens.shape[1] - seen.shape[1]], dim=1)
        questions = self.asked + self.positions[asked]  # (b, m, width)
        x = self.blocks(torch.cat([prefix, patches + self.positions[seen], questions.to(patches.dtype)], dim=1))
        return self.head(self.norm(x[:, -asked.shape[1] :]))
