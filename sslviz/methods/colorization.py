"""Colorization: which colour has each place of this grey picture?  https://arxiv.org/abs/1603.08511"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction, TrainingImages
from sslviz.methods.parts.chroma import (
    annealed_mean,
    chroma_bins,
    from_luma_and_chroma,
    rarity,
    soft_bins,
    to_luma_and_chroma,
)
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.settings import above_zero
from sslviz.methods.parts.trial import grid_shape
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

COUNTED = 1000  # pictures at most in which colours are counted


class Colorization(nn.Module):
    """Which colour has each place of this picture, of which only the grey is seen?

    The encoder sees the brightness, in three equal channels.  A head on its last grid of features predicts the bin of
    chroma of each place, at half the picture's size.  Chroma is not in the input, so it cannot be copied.  It is that of
    YUV, which is linear in the colours; the paper takes Lab.  The known shortcut is to guess colours from brightness or
    texture, which needs no idea of the object.

    It cannot collapse to a low loss: features that are the same for all pictures give the entropy of the colours' shares.

    - rebalance: how much more rare colours count, because most places are nearly grey; 0 for all the same (Eq. 4)
    - temperature: how sharp the probabilities are made before a colour is drawn as the mean of its bins (Eq. 5)
    - hidden: the head's channels

    Example:
        >>> import sslviz, torch
        >>> method = Colorization(sslviz.create_encoder("conv_nano"))
        >>> method.reconstruct(torch.randn(2, 3, 32, 32)).predicted.shape
        torch.Size([2, 3, 32, 32])

    Caveat: the encoder never saw a colour in training, so its features of coloured pictures are not what it learned.
    """

    family = "pretext tasks"
    views = ViewPolicy(views=1, scale=(0.5, 1.0), jitter_prob=0.0, gray_prob=0.0)  # colours are to be the picture's own
    bins: Tensor  # (bins, 2)
    weights: Tensor  # (bins,)
    mean: Tensor  # (3, 1, 1), as is std
    std: Tensor

    def __init__(
        self, encoder: Encoder, *, rebalance: float = 0.5, temperature: float = 0.38, hidden: int = 256, seed: int = 0
    ) -> None:
        super().__init__()
        above_zero(temperature=temperature)
        if not 0 <= rebalance < 1:
            raise ValueError(f"rebalance must be at least 0 and below 1; got {rebalance}.")
        self.rebalance, self.temperature = rebalance, temperature
        self.encoder = encoder
        freeze_unreached(encoder, encoder.tokens)
        self.register_buffer("bins", chroma_bins())
        self.register_buffer("weights", torch.ones(len(self.bins)))
        self.register_buffer("mean", torch.tensor(encoder.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(encoder.std)[:, None, None])
        dim, grid = grid_shape(encoder)
        fine = max(1, encoder.image_size // (2 * grid))  # places along a side of each feature
        with seeded(seed):
            out = nn.Conv2d(hidden, len(self.bins) * fine**2, 1)
            self.head = nn.Sequential(nn.Conv2d(dim, hidden, 1), nn.GELU(), out, nn.PixelShuffle(fine))

    def epoch_begins(self, epoch: int, images: TrainingImages) -> None:
        """Before the first epoch the colours of the training images are counted."""
        if epoch == 1:
            some = np.array(images.pixels[:: -(-len(images.pixels) // COUNTED)])
            _, chroma = to_luma_and_chroma(torch.from_numpy(some).to(self.bins.device).movedim(3, 1) / 255)
            # Picture by picture: a place has a number for each bin.
            shares = [soft_bins(F.avg_pool2d(own, 2), self.bins).mean((0, 2, 3)) for own in chroma.split(1)]
            self.weights.copy_(rarity(torch.stack(shares).mean(0), self.rebalance))

    def loss(self, batch: Batch) -> Tensor:
        """Weighted cross-entropy of the bins, averaged over all places; a scalar."""
        gray, _, chroma = self.without_color(batch.views[0][0])
        logits = self.head(self.encoder.tokens(gray))  # (b, bins, rows, columns)
        target = soft_bins(F.adaptive_avg_pool2d(chroma, logits.shape[2:]), self.bins)
        return colorization_loss(logits, target, self.weights)

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """The greys of these pictures (n, 3, s, s) in the colours that it expects."""
        gray, luma, _ = self.without_color(x)
        chroma = annealed_mean(self.head(self.encoder.tokens(gray)), self.bins, self.temperature)
        chroma = F.interpolate(chroma, x.shape[2:], mode="bilinear")
        predicted = (from_luma_and_chroma(luma, chroma) - self.mean) / self.std
        return Reconstruction(gray, predicted, x, torch.ones_like(x[:, :1], dtype=torch.bool))

    def without_color(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encoder input as encoder input in grey, and its luma and chroma: (b, 3, s, s), (b, 1, s, s), (b, 2, s, s)."""
        luma, chroma = to_luma_and_chroma(x * self.std + self.mean)
        return (luma - self.mean) / self.std, luma, chroma


@in_float32
def colorization_loss(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of bins, each place weighed as its likeliest bin; (b, bins, h, w) twice, (bins,) -> scalar (Eq. 2)."""
    return (weights[target.argmax(1)] * F.cross_entropy(logits, target, reduction="none")).mean()
