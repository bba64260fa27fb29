"""Exponential moving averages of weights."""

from __future__ import annotations

import math
from typing import Any

import torch


@torch.no_grad()
def update_ema(model: Any, progress: float) -> None:
    """Moves each target a little towards its online twin; the momentum rises to 1 on a cosine (arXiv 2006.07733, §3.2)."""
    for target, online in getattr(model, "ema", {}).items():
        momentum = 1 - (1 - model.momentum) * (math.cos(math.pi * progress) + 1) / 2
        a, b = getattr(model, target), getattr(model, online)
        torch._foreach_lerp_(list(a.parameters()), list(b.parameters()), 1 - momentum)
        for x, y in zip(a.buffers(), b.buffers(), strict=True):
            x.copy_(y)
