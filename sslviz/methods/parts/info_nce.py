"""InfoNCE between two lists of features, in which the other images of the batch are the negatives (arXiv 1807.03748)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sslviz.methods.parts.precision import in_float32


@in_float32
def info_nce(queries: Tensor, keys: Tensor, temperature: float, negatives: bool = True) -> Tensor:
    """Cross-entropy of the key that belongs to a query, among those of the batch; both (pairs, b, d) -> scalar.

    Without negatives only its numerator is left: minus the cosine of query and key over the temperature.
    """
    similarity = F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).mT / temperature  # (pairs, b, b)
    among = similarity.logsumexp(-1) if negatives else 0
    return (among - similarity.diagonal(dim1=1, dim2=2)).mean()
