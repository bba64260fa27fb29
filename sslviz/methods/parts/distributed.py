"""The batch of all processes, with gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def gather(z: Tensor) -> Tensor:
    """The outputs of all processes, (views, b, d) -> (views, processes * b, d), with gradients.

    Every process then computes the loss of the whole batch.  Data-parallel training averages their gradients, which gives
    the gradient that one process with the whole batch would have.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return z
    processes = dist.get_world_size()
    parts = [torch.empty_like(z) for _ in range(processes)]
    dist.all_gather(parts, z.detach().contiguous())
    # All processes compute the same loss, and their gradients are averaged later: each counts its own images in full.
    parts[dist.get_rank()] = z * processes - (z * (processes - 1)).detach()
    return torch.cat(parts, dim=1)
