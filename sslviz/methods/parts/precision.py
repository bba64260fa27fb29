"""Losses in float32 where the network runs in half precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


def in_float32(objective: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the objective is computed in float32 even where the network that made its input runs in half precision.

    Three digits are enough for a network's products.  Similarities divided by a temperature need more, and so do
    differences of views, which are small beside what is subtracted.
    """

    @wraps(objective)
    def computed(*outputs: Tensor, **settings: Any) -> Any:
        with torch.autocast(outputs[0].device.type, enabled=False):
            return objective(*map(_at_least_float32, outputs), **settings)

    return computed


def _at_least_float32(z: Any) -> Any:
    if not isinstance(z, Tensor) or not z.is_floating_point():
        return z
    return z.to(torch.promote_types(z.dtype, torch.float32))
