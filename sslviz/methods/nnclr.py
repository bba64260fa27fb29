"""NNCLR: a view predicts what resembles its image most among earlier ones.  https://arxiv.org/abs/2104.14548"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.info_nce import info_nce
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.queue import Queue
from sslviz.methods.parts.settings import above_zero
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class NNCLR(nn.Module):
    """Can a view be told to belong to its image by the nearest neighbour of another view, which is of another image?

    The neighbours are looked up among the last `queue_size` projections of the first view, and get no gradient.  The
    other predictions of the batch are the negatives.  Small views are predicted from, and have no neighbours themselves.
    `negatives=False` leaves only the attraction to the neighbours: soon a few directions hold nearly all that differs.

    Example:
        >>> import sslviz
        >>> method = NNCLR(sslviz.create_encoder("conv_nano"), queue_size=1024)
        >>> method.queue.rows.shape
        torch.Size([1024, 128])

    Caveat: neighbours of a network that has learned nothing yet are alike in colour and brightness, and teach just that.
    """

    family = "contrastive"
    # BYOL's, less the blur, which leaves too little at 32 px.
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, solarize_prob=(0.0, 0.2))
    safeguards = {"negatives": {"negatives": False}}

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.1,
        queue_size: int = 2048,
        negatives: bool = True,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature, queue_size=queue_size)
        self.temperature, self.negatives = temperature, negatives
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, hidden, out, last_norm=True)
            self.predictor = mlp(out, hidden, out)
            self.queue = Queue(queue_size, out)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the prediction that belongs to a neighbour, the mean over pairs of views; a scalar."""
        z = encode_views(lambda x: self.projector(self.encoder(x)), batch.views)  # (views, b, out)
        p = gather(self.predictor(z.flatten(0, 1)).unflatten(0, z.shape[:2]))
        z = gather(z[: len(batch.views[0])].detach())  # (large, b, out)
        loss = nnclr_loss(*against_targets(p, nearest(z, self.queue.rows)), self.temperature, self.negatives)
        self.queue.push(z[0])
        return loss


@torch.no_grad()
@in_float32
def nearest(z: Tensor, rows: Tensor) -> Tensor:
    """The row whose direction is most like that of each z; z (..., d), rows (n, d) at length one -> (..., d)."""
    return rows[(z @ rows.T).argmax(-1)]


def nnclr_loss(p: Tensor, neighbors: Tensor, temperature: float, negatives: bool = True) -> Tensor:
    """Cross-entropy of the prediction that belongs to a neighbour, among those of the batch; (pairs, b, d) -> scalar."""
    return info_nce(neighbors, p, temperature=temperature, negatives=negatives)
