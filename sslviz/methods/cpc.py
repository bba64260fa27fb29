"""CPC: the upper patches of a picture tell the lower ones from those of other pictures.  https://arxiv.org/abs/1807.03748"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.distributed import gather
from sslviz.methods.parts.overlapping_patches import RowsAbove, overlapping_patches, patch_side
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.settings import above_zero
from sslviz.methods.parts.trial import accepted_size
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class CPC(nn.Module):
    """Which of all patches in the batch lies so many rows below what was seen?

    Each patch of an overlapping grid goes through the encoder alone.  Causal convolutions summarise what lies at and above
    a place.  From there, one linear map for each distance predicts the patches below, among all patches of all pictures.
    Equal features for all patches cannot tell the right one from the others.  The paper compares by inner products, and
    this by cosines over a temperature.

    - rows: patches from top to bottom and from left to right; each overlaps the next by half
    - ahead: the largest distance, in rows, that is predicted
    - temperature: how much the hardest of the others count

    Example:
        >>> import sslviz
        >>> method = sslviz.methods.CPC(sslviz.create_encoder("conv_nano"), rows=7)
        >>> method.side
        8

    Caveat: with batch norm, as in most convolutional encoders, a patch's features also depend on the patches below it.
    """

    family = "predictive coding and latent prediction"
    # The paper crops, flips and takes colour out; here colours change instead, and a fifth of the views is grey.
    views = ViewPolicy(views=1, scale=(0.3, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)

    def __init__(
        self,
        encoder: Encoder,
        *,
        rows: int = 3,
        ahead: int = 2,
        temperature: float = 0.1,
        width: int = 256,
        out: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        if not 1 <= ahead < rows or rows >= encoder.image_size:
            raise ValueError(
                f"CPC needs 1 <= ahead < rows < {encoder.image_size}, the picture's pixels; got {ahead=} and {rows=}."
            )
        self.rows, self.temperature = rows, temperature
        self.side = patch_side(encoder.image_size, rows)
        self.encoder = encoder
        self.input_size = accepted_size(encoder, self.side)
        with seeded(seed):
            self.projector = nn.Linear(encoder.dim, out)
            self.context = nn.Sequential(nn.Conv2d(out, width, 1), *(RowsAbove(width) for _ in range(rows - 1)))
            self.predictors = nn.ModuleList(nn.Conv2d(width, out, 1) for _ in range(ahead))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE for each distance; log(number of patches in the batch) when nothing is told apart."""
        z = self.patch_features(batch.views[0][0])  # (b, out, rows, rows)
        places = gather(z.flatten(2).permute(2, 0, 1)).unflatten(0, (self.rows, self.rows))  # (rows, rows, b, out)
        terms = {}
        for k, p in enumerate(self.predictions(z), start=1):  # (b, out, rows - k, rows)
            p = gather(p.flatten(2).permute(2, 0, 1)).unflatten(0, (-1, self.rows))
            terms[f"below_{k}"] = cpc_loss(p, places, k=k, temperature=self.temperature)
        return terms

    def patch_features(self, x: Tensor) -> Tensor:
        """What the encoder and the projector make of each patch, (b, 3, s, s) -> (b, out, rows, rows)."""
        patches = overlapping_patches(x, self.rows, self.input_size)
        z = self.projector(self.encoder(patches)).unflatten(0, (len(x), -1))  # (b, n, out)
        return z.mT.unflatten(2, (self.rows, self.rows))

    def predictions(self, z: Tensor) -> list[Tensor]:
        """Of the patches k = 1, 2, ... rows below each place that has one: (b, out, rows - k, rows) for each k."""
        context = self.context(z)  # (b, width, rows, rows)
        return [predict(context[:, :, :-k]) for k, predict in enumerate(self.predictors, start=1)]


@in_float32
def cpc_loss(p: Tensor, z: Tensor, k: int, temperature: float) -> Tensor:
    """Cross-entropy of the patch k rows below, among all patches of all pictures; InfoNCE (Eq. 4) -> scalar.

    p (rows - k, columns, b, d) are the predictions from each place, z (rows, columns, b, d) the patches.
    """
    right = torch.arange(p[..., 0].numel(), device=p.device) + k * z[0, ..., 0].numel()  # k rows further in z
    p, z = (F.normalize(x.flatten(0, 2), dim=1) for x in (p, z))
    return F.cross_entropy(p @ z.T / temperature, right)
