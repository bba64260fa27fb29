"""What several processes share in a step: the batch of all of them with gradients, and numbers they must agree on."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(z: Tensor) -> Tensor:
    """The outputs of all processes, (views, b, d) -> (views, processes * b, d), with gradients.

    Every process then computes the loss of the whole batch.  Data-parallel training averages their gradients, which gives
    the gradient that one process with the whole batch would have.
    """
    if processes() == 1:
        return z
    parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(processes())]
    dist.all_gather(parts, z.detach().contiguous())
    # All processes compute the same loss, and their gradients are averaged later: each counts its own images in full.
    # The value stays z to the digit, also in half precision.
    parts[dist.get_rank()] = z.detach() + processes() * (z - z.detach())
    return torch.cat(parts, dim=1)


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes without gradients, (b, ...) -> (processes * b, ...): labels, row numbers, keys."""
    if processes() == 1:
        return x.detach()
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(processes())]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.cat(parts)


def mean_of_processes(x: Tensor) -> Tensor:
    """The mean over processes, without gradient: of statistics such as DINO's centre."""
    if processes() == 1:
        return x.detach()
    total = x.detach().clone()
    dist.all_reduce(total)
    return total / processes()


def same_everywhere(x: Tensor) -> Tensor:
    """The first process' numbers, in every process: for draws that all must share."""
    if processes() > 1:
        dist.broadcast(x, 0)
    return x
