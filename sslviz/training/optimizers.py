"""Optimisers by name, and how the learning rate of each grows with the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

BATCH = 256  # the batch that a learning rate is said for

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
}


def check_optimizer(name: str) -> None:
    """ValueError for a name that is not in OPTIMIZERS."""
    if name not in OPTIMIZERS:
        raise ValueError(f"There is no optimizer {name!r}; the optimizers are: {', '.join(OPTIMIZERS)}.")


def create_optimizer(name: str, model: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """The optimiser of all weights that are trained, at rate zero: the loop sets the rate in every step."""
    return OPTIMIZERS[name](parameter_groups(model, weight_decay), lr=0.0, fused=True)


def scaled_rate(name: str, learning_rate: float, batch_size: int) -> float:
    """The learning rate for this batch, from the one for a batch of 256."""
    return learning_rate * (batch_size / BATCH) ** 0.5


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
