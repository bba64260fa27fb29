"""MAE: most patches are left out, and a small decoder paints them.  https://arxiv.org/abs/2111.06377"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction
from sslviz.methods.parts.masking import hidden_count, marks_of, random_places
from sslviz.methods.parts.patches import from_patches, over_pixels, to_patches
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.token_predictor import TokenPredictor
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.methods.parts.visible_patches import at_places, patch_grid, run_on_patches
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class MAE(nn.Module):
    """What do the hidden patches look like, to a network that is given the others alone?

    The pixels of the hidden patches are predicted from the visible ones.  Hidden patches never enter the encoder, so they
    cannot be copied; that also saves most of the work.  It needs a transformer, since convolutions cannot leave patches
    out.  Pixels are fixed targets, so nothing can collapse.

    - mask_ratio: the share of the patches that is hidden
    - normalize: patches are predicted at mean 0 and variance 1, the paper's best target; `reconstruct` then borrows their
      mean and contrast from the truth
    - width, depth: of the decoder

    Example:
        >>> import sslviz
        >>> method = MAE(sslviz.create_encoder("vit_nano"), mask_ratio=0.75)
        >>> method.hidden, method.patches
        (48, 64)

    Caveat: its features serve fine-tuning; a linear probe finds less in them than in those of contrastive methods.
    """

    family = "masked and generative"
    views = ViewPolicy(views=1, scale=(0.2, 1.0), jitter_prob=0.0, gray_prob=0.0)  # the paper's: crops and flips alone

    def __init__(
        self,
        encoder: Encoder,
        *,
        mask_ratio: float = 0.75,
        normalize: bool = False,
        width: int = 64,
        depth: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        side, self.patch = patch_grid(encoder)
        self.patches, self.normalize = side**2, normalize
        self.hidden = hidden_count(mask_ratio, self.patches)
        self.encoder = encoder
        freeze_unreached(encoder, encoder.model.forward_features)
        with seeded(seed):
            self.decoder = TokenPredictor(encoder.model.embed_dim, 3 * self.patch**2, side, width, depth)

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the hidden patches; a scalar."""
        x = batch.views[0][0]
        predicted, hidden = self._predict(x, batch.rows)
        return mae_loss(predicted, at_places(to_patches(x, self.patch), hidden), normalize=self.normalize)

    def _predict(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The predicted patches (b, hidden, 3 * patch * patch), and their places (b, hidden)."""
        seen, hidden = random_places(rows, self.patches, self.hidden)
        return self.decoder(run_on_patches(self.encoder, x, seen), seen, hidden), hidden

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """Hides patches of pictures (n, 3, s, s) and paints them; the visible ones stay as they are."""
        predicted, hidden = self._predict(x, torch.arange(len(x), device=x.device))
        patches, marks = to_patches(x, self.patch), over_pixels(marks_of(hidden, self.patches), self.patch)
        if self.normalize:
            mean, std = _mean_and_std(at_places(patches, hidden))
            predicted = predicted * std + mean
        painted = patches.scatter(1, hidden[..., None].expand_as(predicted), predicted.to(x.dtype))
        return Reconstruction(x.masked_fill(marks, 0), from_patches(painted, self.patch), x, marks)


@in_float32
def mae_loss(predicted: Tensor, true: Tensor, *, normalize: bool) -> Tensor:
    """Mean squared error over pixels of hidden patches; both (b, hidden, pixels) -> scalar."""
    if normalize:
        mean, std = _mean_and_std(true)
        true = (true - mean) / std
    return F.mse_loss(predicted, true)


def _mean_and_std(patches: Tensor) -> tuple[Tensor, Tensor]:
    var, mean = torch.var_mean(patches, dim=2, keepdim=True)
    return mean, (var + 1e-6).sqrt()  # as in the authors' code: a flat patch has no contrast to divide by
