"""MoCo: a view finds its image among many that a slow copy of the network saw before.  https://arxiv.org/abs/1911.05722"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather, gather_rows
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.info_nce import info_nce
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.queue import Queue
from sslviz.methods.parts.settings import above_zero
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class MoCo(nn.Module):
    """Can the key of an image be told from the keys of many earlier images?

    A slow copy of the network makes the keys, so that those in the queue, of several steps, are comparable.  Every view is
    a query for the other's key; small views are queries only.  The paper shuffles batch norm between devices, since batch
    statistics may tell which key belongs to which query.  Here it sees the whole batch, over all devices, and both views.

    - momentum: the share of itself that the slow copy keeps; it rises to 1, as in version 3
    - queue_size: how many earlier keys are negatives.  With 0 it is version 3 (arXiv 2104.02057): a predictor makes the
      queries, and the keys of the batch are the negatives
    - negatives: without them the loss only attracts queries to their keys, and without a predictor all images then get
      the same features

    Example:
        >>> import sslviz
        >>> method = MoCo(sslviz.create_encoder("conv_nano"), queue_size=1024)
        >>> method.queue.rows.shape
        torch.Size([1024, 128])

    Caveat: among few images, the queue holds earlier views of the very image that is sought.
    """

    family = "contrastive"
    # Version 2's (arXiv 2003.04297), less the blur, which leaves too little at 32 px.
    views = ViewPolicy(scale=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    safeguards = {"negatives": {"negatives": False}}
    ema = {"target_encoder": "encoder", "target_projector": "projector"}

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.2,
        momentum: float = 0.99,
        queue_size: int = 2048,
        negatives: bool = True,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        if queue_size < 0:
            raise ValueError(f"queue_size must be at least 0; got {queue_size}.")
        self.temperature, self.momentum, self.negatives = temperature, momentum, negatives
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out, last_norm=not queue_size)
            self.queue = Queue(queue_size, out) if queue_size else None
            self.predictor = nn.Identity() if queue_size else mlp(out, hidden, out, last_norm=True)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of each view's key, the mean over pairs of views; a scalar."""
        q = encode_views(lambda x: self.predictor(self.projector(self.encoder(x))), batch.views)  # (views, b, out)
        with torch.no_grad():  # (large, b, out)
            k = encode_views(lambda x: self.target_projector(self.target_encoder(x)), batch.views[:1])
        if self.queue is None:
            return moco_v3_loss(*against_targets(gather(q), gather(k)), self.temperature, self.negatives)
        loss = moco_loss(*against_targets(q, k), self.queue.rows.clone(), self.temperature, self.negatives)
        self.queue.push(gather_rows(k.transpose(0, 1)).flatten(0, 1))  # image by image, however many processes
        return loss


@in_float32
def moco_loss(q: Tensor, k: Tensor, others: Tensor, temperature: float, negatives: bool = True) -> Tensor:
    """Cross-entropy of a query's key among it and the others; q, k (pairs, b, d), others (n, d) -> scalar (Eq. 1).

    Without negatives only its numerator is left: minus the cosine of query and key over the temperature.
    """
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    positive = (q * k).sum(-1, keepdim=True) / temperature  # (pairs, b, 1)
    if not negatives:
        return -positive.mean()
    among = torch.cat([positive, q @ F.normalize(others, dim=-1).T / temperature], -1)  # (pairs, b, 1 + n)
    return (among.logsumexp(-1) - positive[..., 0]).mean()


def moco_v3_loss(q: Tensor, k: Tensor, temperature: float, negatives: bool = True) -> Tensor:
    """2 temperature times the cross-entropy of a query's key among those of the batch; q, k (pairs, b, d) -> scalar."""
    return 2 * temperature * info_nce(q, k, temperature=temperature, negatives=negatives)
