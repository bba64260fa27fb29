"""Random numbers that belong to a picture: they depend on its row and on the step, not on its place in the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

GOLDEN = -7046029254386353131  # 2^64 over the golden ratio: numbers this far apart are spread evenly


def uniform_by_row(rows: Tensor, *shape: int) -> Tensor:
    """Uniform numbers in (0, 1) for each picture, int64 (b,) -> float32 (b, *shape).

    One key is drawn from torch's global generator; each number is a hash of key, row and place (SplitMix64).  The order
    of a batch, and how it is shared between processes, then changes nothing.
    """
    key = torch.randint(2**62, (), device=rows.device)
    places = torch.arange(math.prod(shape), device=rows.device) * GOLDEN
    bits = _mixed(_mixed(rows * GOLDEN + key)[:, None] + places)  # (b, numbers)
    return ((_shifted(bits, 41) + 0.5) / 2**23).float().unflatten(1, shape)  # 23 bits: below 1 in float32, too


def normal_by_row(rows: Tensor, *shape: int) -> Tensor:
    """Normal numbers for each picture, int64 (b,) -> float32 (b, *shape)."""
    return math.sqrt(2) * torch.special.erfinv(2 * uniform_by_row(rows, *shape) - 1)


def order_by_row(rows: Tensor, n: int) -> Tensor:
    """A random order of 0 .. n - 1 for each picture, int64 (b,) -> int64 (b, n)."""
    return uniform_by_row(rows, n).argsort(1)


def groups_by_row(rows: Tensor, size: int, times: int) -> Tensor:
    """Random groups of at least `size` pictures, drawn several times, int64 (b,) -> places int64 (times * groups, pictures).

    All are one group where there are fewer; a few may be left over.  The same pictures meet in whatever order they come.
    """
    groups = max(1, len(rows) // size)
    size = len(rows) // groups
    return uniform_by_row(rows, times).argsort(0)[: groups * size].T.reshape(-1, size)


def _mixed(x: Tensor) -> Tensor:
    x = (x ^ _shifted(x, 30)) * -4658895280553007687
    x = (x ^ _shifted(x, 27)) * -7723592293110705685
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """To the right, with zeros coming in from the left."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
