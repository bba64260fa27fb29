"""What do the methods share?  The head that is thrown away after training, and the batch of all processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def mlp(*widths: int, last_norm: bool = False) -> nn.Sequential:
    """What stands between the features and the loss?  Linear layers, (b, widths[0]) -> (b, widths[-1]).

    Batch norm and ReLU follow each but the last; `last_norm` adds a batch norm there, without scale and shift
    (SimSiam, arXiv 2011.10566).
    """
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-2], widths[1:-1], strict=True):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
    layers += [nn.Linear(widths[-2], widths[-1], bias=not last_norm)]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(widths[-1], affine=False)] if last_norm else []))


def gather(z: Tensor) -> Tensor:
    """What would one process with the whole batch have?  (views, b, d) -> (views, processes * b, d), with gradients.

    Every process then computes the whole loss, and the average of their gradients, which data-parallel training takes,
    is the gradient of that one process.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return z
    processes = dist.get_world_size()
    parts = [torch.empty_like(z) for _ in range(processes)]
    dist.all_gather(parts, z.detach().contiguous())
    # All processes compute the same loss, and their gradients are averaged later: each counts its own images in full.
    parts[dist.get_rank()] = z * processes - (z * (processes - 1)).detach()
    return torch.cat(parts, dim=1)


def in_float32(objective: Callable[..., Any]) -> Callable[..., Any]:
    """What if the network runs in half precision?  The objective on its outputs is still computed in float32.

    Three digits are enough for a network's products; similarities divided by a temperature and differences of views,
    which are small beside what is subtracted, need more.
    """

    @wraps(objective)
    def computed(*outputs: Tensor, **settings: Any) -> Any:
        with torch.autocast(outputs[0].device.type, enabled=False):
            return objective(*map(_at_least_float32, outputs), **settings)

    return computed


def _at_least_float32(z: Any) -> Any:
    return z.to(torch.promote_types(z.dtype, torch.float32)) if isinstance(z, Tensor) else z
