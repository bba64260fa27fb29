"""Prototypes: directions that features are compared with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.methods.parts.precision import in_float32


class Prototypes(nn.Module):
    """A layer of learned directions: features (b, dim) -> cosines (b, number)."""

    def __init__(self, dim: int, number: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(number, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(b, dim) -> (b, number)."""
        return cosines(x, self.weight)


@in_float32
def cosines(x: Tensor, prototypes: Tensor) -> Tensor:
    """The cosine of each feature and each prototype; (..., d), (k, d) -> (..., k)."""
    return F.normalize(x, dim=-1) @ F.normalize(prototypes, dim=-1).T
