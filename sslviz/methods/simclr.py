"""SimCLR: two views of an image find each other among all other images.  https://arxiv.org/abs/2002.05709"""

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
from sslviz.methods.parts.settings import above_zero
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class SimCLR(nn.Module):
    """Can a view be told to belong to its image, among all other views in the batch?

    `temperature` says how much the hardest of the others count.  The other images of the batch are the only negatives, so
    large batches help.  Where there are small views, too, the loss is the mean over pairs of which one is large.
    `negatives=False` leaves only the attraction of the two views: it is perfect when all images get the same features.

    Example:
        >>> import sslviz
        >>> method = SimCLR(sslviz.create_encoder("conv_nano"), temperature=0.5)
        >>> method.projector[-1].out_features
        128

    Caveat: what is kept is what both views share most easily, not what matters.
    """

    family = "contrastive"
    views = ViewPolicy(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)  # the paper's for 32 px: no blur
    safeguards = {"negatives": {"negatives": False}}

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.2,
        negatives: bool = True,
        hidden: int = 512,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        self.temperature, self.negatives = temperature, negatives
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)

    def loss(self, batch: Batch) -> Tensor:
        """NT-Xent, the mean over pairs of views; a scalar, log(2B - 1) when nothing is told apart."""
        z = gather(encode_views(lambda x: self.projector(self.encoder(x)), batch.views))  # (views, b, out)
        pairs = pairs_of(z, large=len(batch.views[0]))
        return torch.stack([nt_xent(pair, self.temperature, negatives=self.negatives) for pair in pairs]).mean()


@in_float32
def nt_xent(z: Tensor, temperature: float, negatives: bool = True) -> Tensor:
    """Cross-entropy of an image's other view among all other views; z (2, b, d), any length -> scalar (Eq. 1).

    Without negatives only its numerator is left: minus the cosine of the two views over the temperature.
    """
    if not negatives:
        return -F.cosine_similarity(z[0], z[1], dim=1).mean() / temperature
    b = z.shape[1]
    z = F.normalize(z.flatten(0, 1), dim=1)  # (2b, d)
    similarity = z @ z.T / temperature  # (2b, 2b)
    similarity = similarity.masked_fill(torch.eye(2 * b, dtype=torch.bool, device=z.device), -torch.inf)  # not itself
    other_view = torch.arange(2 * b, device=z.device).roll(b)  # (2b,)
    return F.cross_entropy(similarity, other_view)
