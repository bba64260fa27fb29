"""SimSiam: predict another view's projection, and stop the gradient there.  https://arxiv.org/abs/2011.10566"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import against_targets, encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class SimSiam(nn.Module):
    """Can the projection of another view be predicted, while no gradient moves that projection?

    `stop_gradient=False` is the paper's own experiment (Sec. 4.1): the loss falls to -1, its best, because all images
    get the same features.

    Example:
        >>> import sslviz
        >>> method = SimSiam(sslviz.create_encoder("conv_nano"), stop_gradient=False)
        >>> method.views.scale
        (0.2, 1.0)

    Caveat: a loss near -1 says nothing; look at the features' spread.
    """

    family = "self-distillation"
    # The paper's for 32 px: no blur.
    views = ViewPolicy(scale=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    safeguards = {"stop-gradient": {"stop_gradient": False}}

    def __init__(
        self, encoder: Encoder, *, stop_gradient: bool = True, hidden: int = 512, out: int = 512, seed: int = 0
    ) -> None:
        super().__init__()
        self.stop_gradient = stop_gradient
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out, last_norm=True)
            self.predictor = mlp(out, out // 4, out)

    def loss(self, batch: Batch) -> Tensor:
        """Negative cosine of prediction and target, of every view and each other large one; a scalar in [-1, 1]."""
        z = encode_views(lambda x: self.projector(self.encoder(x)), batch.views)  # (views, b, out)
        p = encode_views(self.predictor, z.split([len(x) for x in batch.views]))  # (views, b, out)
        z = z.detach() if self.stop_gradient else z
        return simsiam_loss(p, z[: len(batch.views[0])])


@in_float32
def simsiam_loss(p: Tensor, z: Tensor) -> Tensor:
    """Negative cosine of predictions and other views' projections; p (views, b, d), z (large, b, d) -> scalar (Eq. 2).

    It is -1 at best.
    """
    p, z = against_targets(p, z)  # (pairs, b, d)
    return -F.cosine_similarity(p, z, dim=-1).mean()
