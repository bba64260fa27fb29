"""How one layer attends: distance, entropy and likeness of its heads, and what passes on through the layers."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

TINY = 1e-30  # of a row that gives its patches nothing at all


def head_measures(weights: Tensor, grid: tuple[int, int], prefix: int = 0) -> dict[str, Tensor]:
    """Five measures of how each head of one layer attends.

    `weights` (b, heads, n, n), rows summing to one; `prefix` tokens come before the patches, which lie on `grid`
    (rows, columns).  Only attention from patches to patches counts, each row divided by its sum.  (b, heads) each:

    - distance: mean distance of what is attended to, in patches (arXiv 2010.11929, fig. 7)
    - entropy: of a query's attention in nats, in [0, log patches]
    - nmi: normalised mutual information of query and key, in [0, 1]; 0 where all queries attend alike (arXiv 2305.00729)
    - homogeneity: mean cosine between the rows of two queries, in [0, 1]
    - redundancy: mean cosine between two heads' weights, (b,); NaN where there is one head

    Caveat: Means over queries hide a head in which a few patches attend unlike all others.
    """
    a = weights[..., prefix:, prefix:].float()
    a = a / a.sum(-1, keepdim=True).clamp_min(TINY)  # (b, h, P, P)
    patches = a.shape[-1]
    between = torch.from_numpy(patch_distances(*grid)).to(a)
    row_entropy = torch.special.entr(a).sum(-1).mean(-1)
    return {
        "distance": a.flatten(2) @ between.flatten() / patches,
        "entropy": row_entropy,
        "nmi": _nmi(row_entropy, torch.special.entr(a.mean(-2)).sum(-1), patches),
        "homogeneity": _mean_cosine(a),
        "redundancy": _mean_cosine_of_few(a.flatten(2)),
    }


def _nmi(row_entropy: Tensor, key_entropy: Tensor, patches: int) -> Tensor:
    """I(query; key) / sqrt(H(query) H(key)), queries being equally likely; 0 where the key never varies."""
    shared = (key_entropy - row_entropy).clamp_min(0)
    scale = (key_entropy * np.log(patches)).clamp_min(0).sqrt()
    return torch.where(scale > 1e-6, shared / scale.clamp_min(1e-6), torch.zeros_like(shared))


def _mean_cosine(rows: Tensor) -> Tensor:
    """The mean cosine between two different ones of many rows, (..., m, d) -> (...), without their m x m products."""
    m = rows.shape[-2]
    total = (rows / rows.norm(dim=-1, keepdim=True).clamp_min(TINY)).sum(-2).square().sum(-1)
    return (total - m) / (m * (m - 1))


def _mean_cosine_of_few(rows: Tensor) -> Tensor:
    """The same of few, long rows: from their products, because float32 loses digits in the norms of long rows."""
    m = rows.shape[-2]
    products = rows @ rows.mT
    lengths = products.diagonal(dim1=-2, dim2=-1).sqrt().clamp_min(TINY)
    total = (products / lengths[..., None] / lengths[..., None, :]).sum((-2, -1))
    return (total - m) / (m * (m - 1)) if m > 1 else torch.full_like(total, torch.nan)


@cache
def patch_distances(rows: int, columns: int) -> np.ndarray:
    """Euclidean distances, in patches, between all patches of a grid: (P, P)."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.hypot(y[:, None] - y, x[:, None] - x)


def uniform_distance(rows: int, columns: int) -> float:
    """The mean distance of two patches, in patches: how far attention reaches that falls on all patches alike."""
    return float(patch_distances(rows, columns).mean())


def rollout_step(passed: Tensor | None, weights: Tensor) -> Tensor:
    """What each token has taken from each token of the input, one layer further on.

    `passed` (b, n, n) is what it was before (None at the first layer), `weights` (b, heads, n, n) the layer's.
    Attention rollout (arXiv 2005.00928): half of a token stays (the residual), half comes from where the mean head
    attends.  Rows of the result sum to one.

    Caveat: It takes all heads and both halves for equally important and ignores the values and the MLPs.
    """
    mean = weights.float().mean(1)
    step = (mean + torch.eye(mean.shape[-1], device=mean.device)) / 2
    step = step / step.sum(-1, keepdim=True)  # one already, but for rounding in half precision
    return step if passed is None else step @ passed
