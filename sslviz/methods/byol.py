"""BYOL: predict what a slow copy of the network makes of another view.  https://arxiv.org/abs/2006.07733"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class BYOL(nn.Module):
    """Can the projection that a slow copy of this network gives of another view be predicted?

    There are no negatives: the predictor and the slow copy keep the features from collapsing.  The training loop moves
    each target in `ema` towards its online twin, keeping `momentum` of it.  `predictor=False` is the paper's own
    experiment (Table 5b): the loss falls to 0, its best, because all images get the same features.

    Example:
        >>> import sslviz
        >>> method = BYOL(sslviz.create_encoder("conv_nano"), momentum=0.996)
        >>> method.ema["target_encoder"]
        'encoder'

    Caveat: the loss may rise while the features improve, because its target moves.
    """

    family = "self-distillation"
    # The paper's, less the blur, which leaves too little at 32 px.
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, solarize_prob=(0.0, 0.2))
    safeguards = {"predictor": {"predictor": False}}
    ema = {"target_encoder": "encoder", "target_projector": "projector"}

    def __init__(
        self,
        encoder: Encoder,
        *,
        momentum: float = 0.99,
        predictor: bool = True,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)
            self.predictor: nn.Module = mlp(out, hidden, out) if predictor else nn.Identity()
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """2 - 2 cosine of prediction and target, of every view and each other large one; a scalar in [0, 4]."""
        p = encode_views(lambda x: self.predictor(self.projector(self.encoder(x))), batch.views)  # (views, b, out)
        with torch.no_grad():
            z = encode_views(lambda x: self.target_projector(self.target_encoder(x)), batch.views[:1])  # (large, ...)
        return byol_loss(p, z)


@in_float32
def byol_loss(p: Tensor, z: Tensor) -> Tensor:
    """Squared distance of each prediction and the other views' targets; p (views, b, d), z (large, b, d) -> scalar.

    Both are scaled to unit length, so it is in [0, 4].  Eq. 2, averaged over the pairs of views (the paper sums two).
    """
    p, z = against_targets(p, z)  # (pairs, b, d)
    return 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()
