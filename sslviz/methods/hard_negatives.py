"""Hard negatives: SimCLR that looks hardest at its most similar negatives.  https://arxiv.org/abs/2010.04592"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views, pairs_of
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.settings import above_zero
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class HardNegatives(nn.Module):
    """Can a view be told to belong to its image, among the images that are most easily taken for it?

    A negative of similarity s weighs exp(`beta` * s / `temperature`).  Some negatives are of the same class;
    `tau_plus` is how often, and as much of the positive's similarity is taken off (arXiv 2007.00224).  With both at 0
    this is SimCLR's loss, to the digit.  Small views are compared as in SimCLR.

    Example:
        >>> import sslviz
        >>> method = HardNegatives(sslviz.create_encoder("conv_nano"), beta=2.0)
        >>> method.projector[-1].out_features
        128

    Caveat: among few classes the hardest negatives are often of the same class, and are pushed away all the same.
    """

    family = "contrastive"
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)  # the authors' code for CIFAR-10

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.5,
        beta: float = 1.0,
        tau_plus: float = 0.1,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        if not (0 <= beta < math.inf and 0 <= tau_plus < 1):
            raise ValueError(f"beta must be at least 0 and tau_plus in [0, 1); got {beta} and {tau_plus}.")
        self.settings = {"temperature": temperature, "beta": beta, "tau_plus": tau_plus}
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)

    def loss(self, batch: Batch) -> Tensor:
        """The loss of hard negatives, the mean over pairs of views; a scalar."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        pairs = pairs_of(z, large=len(batch.views[0]))
        return torch.stack([hard_nt_xent(pair, **self.settings) for pair in pairs]).mean()


@in_float32
def hard_nt_xent(z: Tensor, temperature: float, beta: float, tau_plus: float) -> Tensor:
    """-log(e^p / (e^p + G)), where p is the similarity of a view's positive; z (2, b, d) -> scalar, the mean.

    G = (R - tau_plus n e^p) / (1 - tau_plus) estimates the sum of e^s over n = 2b - 2 true negatives.  R is n times the
    mean of e^s, weighted by e^(beta s).  G is at least n e^(-1 / temperature), the smallest possible sum.
    """
    b = z.shape[1]
    log_n = math.log(2 * b - 2)
    z = F.normalize(z.flatten(0, 1), dim=1)  # (2b, d)
    s = z @ z.T / temperature  # (2b, 2b)
    p = s.diagonal(b).repeat(2)  # (2b,)
    same_image = torch.eye(b, dtype=torch.bool, device=z.device).repeat(2, 2)
    weighted, weights = ((x * s).masked_fill(same_image, -torch.inf).logsumexp(1) for x in (1 + beta, beta))
    # With logarithms: e^(1 / temperature) may be too large a number, and a difference of two such is inexact.
    log_r = weighted - weights + log_n
    log_taken = p + log_n + (math.log(tau_plus) if tau_plus else -math.inf) - log_r  # the share of R
    left = log_taken < 0
    log_left = torch.where(left, (-log_taken.where(left, -1).expm1()).log(), -math.inf)
    log_g = (log_r + log_left - math.log1p(-tau_plus)).clamp(min=log_n - 1 / temperature)
    return F.softplus(log_g - p).mean()
