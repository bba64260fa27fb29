"""Barlow Twins: each dimension agrees with itself across views, and with no other.  https://arxiv.org/abs/2103.03230"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views, pairs_of
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class BarlowTwins(nn.Module):
    """Is the correlation of two views' dimensions, over the batch, the identity?

    Its diagonal asks for what both views share.  A constant has no correlation, so the features cannot all be alike.  Off
    the diagonal, no dimension may repeat another; with `redundancy=0` all of them say the same few things.

    - redundancy: the weight of what is off the diagonal, whose entries are `out` times as many

    Example:
        >>> import sslviz
        >>> method = BarlowTwins(sslviz.create_encoder("conv_nano"), redundancy=0.01)
        >>> sorted(method.weights)
        ['on_diagonal', 'redundancy']

    Caveat: correlations are those of the batch; in a small one, unrelated dimensions look related.
    """

    family = "redundancy reduction"
    # BYOL's, as in the paper, less the blur, which leaves too little at 32 px.
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, solarize_prob=(0.0, 0.2))
    safeguards = {"redundancy reduction": {"redundancy": 0.0}}

    def __init__(
        self, encoder: Encoder, *, redundancy: float = 0.005, hidden: int = 512, out: int = 512, seed: int = 0
    ) -> None:
        super().__init__()
        self.weights = {"on_diagonal": 1.0, "redundancy": redundancy}
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, hidden, out)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both terms, averaged over pairs of views of which one is large, each times its weight."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        pairs = pairs_of(z, large=len(batch.views[0]))
        terms = torch.stack([torch.stack(barlow_terms(pair)) for pair in pairs]).mean(0)  # (2,)
        return {name: weight * term for (name, weight), term in zip(self.weights.items(), terms, strict=True)}


@in_float32
def barlow_terms(z: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of the cross-correlation from the identity, on and off the diagonal; z (2, b, d) (Eq. 1).

    - on_diagonal: in [0, 4d]; about d when the views have nothing in common
    - redundancy: in [0, d (d - 1)]; 0 when no dimension repeats another
    """
    _, b, d = z.shape
    z = z - z.mean(1, keepdim=True)
    z = z / (z.square().mean(1, keepdim=True) + 1e-5).sqrt()  # batch norm's epsilon; a bare root has no gradient at 0
    squared = (z[0].T @ z[1] / b - torch.eye(d, device=z.device)).square()  # (d, d)
    return squared.trace(), squared.sum() - squared.trace()
