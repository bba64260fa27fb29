"""W-MSE: views agree after each batch of them was whitened.  https://arxiv.org/abs/2007.06346"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather, gather_rows, same_everywhere
from sslviz.methods.parts.draws import groups_by_row
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views, pairs_of
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

SHRINKAGE = 1e-3  # of the mean variance: the whitening of few pictures stays finite, that of many does not change


class WMSE(nn.Module):
    """Do two views agree in a space where the images have variance one in every direction?

    Groups of images, drawn at random in every step, are whitened, each view by itself.  After that no two images can be
    alike and no direction can be empty, so agreement is all that is asked.  With `whitening=False` the loss falls to 0,
    its best, because all images get the same features.

    - whitening_size: images of a group, at least; of a smaller batch, all
    - iterations: how often a batch is split into other groups

    Example:
        >>> import sslviz
        >>> method = WMSE(sslviz.create_encoder("conv_nano"), whitening_size=256)
        >>> method.projector[-1].out_features
        64

    Caveat: a group of n images has no more than n - 1 directions; keep it at twice `out` or more.
    """

    family = "redundancy reduction"
    # The paper's.
    views = ViewPolicy(scale=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, gray_prob=0.1)
    safeguards = {"whitening": {"whitening": False}}

    def __init__(
        self,
        encoder: Encoder,
        *,
        whitening: bool = True,
        whitening_size: int = 128,
        iterations: int = 1,
        hidden: int = 512,
        out: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if whitening_size < 2 or iterations < 1:
            got = f"got whitening_size {whitening_size} and iterations {iterations}"
            raise ValueError(f"W-MSE whitens groups of at least 2 images, at least once; {got}.")
        self.whitening, self.whitening_size, self.iterations = whitening, whitening_size, iterations
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)

    def loss(self, batch: Batch) -> Tensor:
        """2 - 2 cosine of whitened views, over pairs of which one is large; a scalar in [0, 4]."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        if self.whitening:
            groups = groups_by_row(gather_rows(batch.rows), self.whitening_size, self.iterations)
            z = whiten(z[:, same_everywhere(groups)], SHRINKAGE)  # (views, groups, size, out)
        return wmse_loss(z, len(batch.views[0]))


@in_float32
def whiten(z: Tensor, shrinkage: float) -> Tensor:
    """The rows with mean 0 and covariance 1, by Cholesky decomposition; (..., n, d) -> (..., n, d).

    To the covariance comes `shrinkage` times its mean variance, along the diagonal.
    """
    z = z - z.mean(-2, keepdim=True)
    covariance = z.mT @ z / (z.shape[-2] - 1)  # (..., d, d)
    variance = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    covariance = covariance + (shrinkage * variance + 1e-8) * torch.eye(z.shape[-1], device=z.device)
    root, _ = torch.linalg.cholesky_ex(covariance)  # unlike cholesky, does not wait for the device
    return torch.linalg.solve_triangular(root, z.mT, upper=False).mT


@in_float32
def wmse_loss(z: Tensor, large: int) -> Tensor:
    """Squared distance of views at length one, (views, ..., d) -> scalar, the mean over pairs."""
    one, other = torch.stack(pairs_of(z, large), 1)  # (pairs, ..., d) each
    return 2 - 2 * F.cosine_similarity(one, other, dim=-1).mean()
