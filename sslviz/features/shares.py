"""Shares: where several devices embed, each reads a part of the pictures, and all get the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def share(fabric: Fabric, n: int) -> slice:
    """Which of n pictures this process reads.

    All processes read equally many, as `whole` has to exchange them; so the last shares may overlap.
    """
    size = -(-n // fabric.world_size)
    start = _start(fabric.global_rank, size, n)
    return slice(start, start + size)


def whole(fabric: Fabric, x: np.ndarray, n: int) -> np.ndarray:
    """The rows of all n pictures, (n, ...), from the rows that each process has of its share."""
    gathered: Any = fabric.all_gather(torch.from_numpy(x).to(fabric.device))
    parts = gathered.cpu().numpy().reshape(fabric.world_size, *x.shape)  # one process alone gets no first axis
    rows = np.empty((n, *x.shape[1:]), x.dtype)
    for rank, part in enumerate(parts):
        start = _start(rank, len(x), n)
        rows[start : start + len(x)] = part
    return rows


def _start(rank: int, size: int, n: int) -> int:
    return min(rank * size, n - size)
