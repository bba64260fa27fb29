"""A queue of past outputs: the negatives, neighbours or assignments that a batch alone is too small for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Queue(nn.Module):
    """The last `size` rows that were pushed, at length one; directions drawn at random until there are so many.

    - rows: (size, d), a buffer
    - next: where the next row goes, a buffer
    """

    rows: Tensor
    next: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, z: Tensor) -> None:
        """Puts z (b, d), of all processes, in place of the oldest rows; of more than `size`, the last ones stay."""
        size = len(self.rows)
        z = F.normalize(z.detach().float(), dim=1)[-size:]
        at = (self.next + torch.arange(len(z), device=z.device)) % size  # no waiting for the device
        self.rows[at] = z.to(self.rows.dtype)
        self.next.copy_((self.next + len(z)) % size)
