"""Views of several sizes: through the network one size at a time, and who is compared with whom (arXiv 2006.09882).

Views are picked one by one: a list of numbers as an index would be copied to the device, which waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def encode_views(network: Callable[[Tensor], Tensor], views: Sequence[Tensor]) -> Tensor:
    """The outputs of all views, [(v, b, 3, s, s)] -> (views, b, d), the large ones first; one call for each size."""
    return torch.cat([network(x.flatten(0, 1)).unflatten(0, (len(x), -1)) for x in views])


def view_pairs(large: int, views: int) -> list[tuple[int, int]]:
    """Every large view with every view after it: (0, 1) alone where there are two large ones and no small ones."""
    return [(i, j) for i in range(large) for j in range(i + 1, views)]


def pairs_of(z: Tensor, large: int) -> list[Tensor]:
    """The pairs of views of which one is large, z (views, b, d) -> [(2, b, d)]."""
    return [torch.stack([z[i], z[j]]) for i, j in view_pairs(large, len(z))]


def against_targets(p: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Every view beside each large view but itself; p (views, b, d), z (large, b, d) -> both (pairs, b, d)."""
    pairs = [(j, i) for i in range(len(z)) for j in range(len(p)) if i != j]
    return torch.stack([p[j] for j, _ in pairs]), torch.stack([z[i] for _, i in pairs])
