"""Sinkhorn-Knopp: soft assignments in which every prototype gets its share of the batch (arXiv 1306.0895)."""

from __future__ import annotations

import torch
from torch import Tensor

from sslviz.methods.parts.precision import in_float32


@torch.no_grad()
@in_float32
def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Assignments that follow the scores and use all prototypes alike; (b, prototypes) -> (b, prototypes).

    exp(scores / epsilon) is scaled in turns until each column sums to b / prototypes and each row to 1.  Rows come last
    and are exact.  In logarithms, so that no sum can vanish.  The scores are those of all processes.
    """
    logs = scores / epsilon
    for _ in range(iterations):
        logs = logs - logs.logsumexp(0, keepdim=True)
        logs = logs - logs.logsumexp(1, keepdim=True)
    return logs.exp()
