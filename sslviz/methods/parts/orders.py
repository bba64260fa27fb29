"""Orders of pieces that differ in many places (arXiv 1603.09246)."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

CANDIDATES = 10_000  # orders among which those far apart are looked for: a tenth of a second


def distant_orders(pieces: int, orders: int) -> Tensor:
    """Orders of 0 .. pieces - 1 that differ in many places, int64 (orders, pieces); the same at every call.

    Each is the candidate whose nearest order so far is farthest (Algorithm 1; the paper sums the distances).  Where there are
    few pieces, the candidates are all orders, and else a random part of them.
    """
    if math.factorial(pieces) <= CANDIDATES:
        candidates = torch.tensor(list(itertools.permutations(range(pieces))))
    else:
        candidates = torch.rand(CANDIDATES, pieces, generator=torch.Generator().manual_seed(0)).argsort(1)
    chosen, nearest = [0], torch.full((len(candidates),), pieces)
    for _ in range(orders - 1):
        nearest = torch.minimum(nearest, (candidates != candidates[chosen[-1]]).sum(1))
        chosen.append(int(nearest.argmax()))
    return candidates[chosen]


def shuffled(pieces: Tensor, order: Tensor) -> Tensor:
    """Piece order[i, j] of picture i in place j; pieces (b, n, ...), order int64 (b, places) -> (b, places, ...)."""
    return pieces[torch.arange(len(pieces), device=pieces.device)[:, None], order]
