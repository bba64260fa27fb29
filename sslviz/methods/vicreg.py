"""VICReg: views agree, dimensions vary, and no two of them say the same.  https://arxiv.org/abs/2105.04906"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views, pairs_of
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class VICReg(nn.Module):
    """Can two views agree while every dimension keeps varying and none repeats another?

    The three weights are the paper's.  With `variance=0` the loss falls to 0, its best, because all images get the same
    features.  With `covariance=0` the features vary in a few directions only.

    Example:
        >>> import sslviz
        >>> method = VICReg(sslviz.create_encoder("conv_nano"), covariance=4.0)
        >>> method.weights
        {'invariance': 25.0, 'variance': 25.0, 'covariance': 4.0}

    Caveat: what is kept from collapsing is the projector's output; the features before it may still be of low rank.
    """

    family = "redundancy reduction"
    # BYOL's, as in the paper, less the blur, which leaves too little at 32 px.
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, solarize_prob=(0.0, 0.2))
    safeguards = {"variance": {"variance": 0.0}, "covariance": {"covariance": 0.0}}

    def __init__(
        self,
        encoder: Encoder,
        *,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        hidden: int = 512,
        out: int = 512,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, hidden, out)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The three terms, averaged over pairs of views of which one is large, each times its weight."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        pairs = pairs_of(z, large=len(batch.views[0]))
        terms = torch.stack([torch.stack(vicreg_terms(pair)) for pair in pairs]).mean(0)  # (3,)
        return {name: weight * term for (name, weight), term in zip(self.weights.items(), terms, strict=True)}


@in_float32
def vicreg_terms(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Invariance, variance and covariance; z (2, b, d) -> three scalars, each 0 at best.

    - invariance: the mean squared difference of the views
    - variance: by how much the standard deviations miss 1, averaged over dimensions and views (as in the authors' code;
      the paper sums the views)
    - covariance: the squared covariances of different dimensions, summed over views, divided by d
    """
    _, b, d = z.shape
    invariance = F.mse_loss(z[0], z[1])
    centered = z - z.mean(1, keepdim=True)  # (2, b, d)
    std = (centered.square().sum(1) / (b - 1) + 1e-4).sqrt()  # (2, d); a bare root has no gradient at 0
    variance = F.relu(1 - std).mean()
    covariance = centered.mT @ centered / (b - 1)  # (2, d, d)
    off_diagonal = covariance.square().sum() - covariance.diagonal(dim1=1, dim2=2).square().sum()
    return invariance, variance, off_diagonal / d
