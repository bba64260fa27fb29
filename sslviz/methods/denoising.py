"""Denoising autoencoder: make the clean picture from a noisy one.  https://arxiv.org/abs/2401.14404"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction
from sslviz.methods.parts.draws import normal_by_row, uniform_by_row
from sslviz.methods.parts.pixel_decoder import pixel_decoder
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.settings import above_zero
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

STRONGEST = math.sqrt(2)  # the paper's highest level


class Denoising(nn.Module):
    """What did the picture look like before noise was added to it?

    Each picture gets Gaussian noise of a level of its own, between 0 and `noise`.  Encoder and decoder then predict the
    clean picture.  A copy of the input is wrong by the noise, so that structure has to be known: edges, surfaces,
    objects.  Very noisy pictures count less, as in the paper, because nobody could restore them.  Nothing here collapses:
    features that were all alike could not be decoded.

    The paper adds its noise to principal components of patches; here it is added to pixels, as classical denoising
    autoencoders have it.  `noise` is in standard deviations of the normalised input; `width` is that of the decoder.

    Example:
        >>> import sslviz
        >>> method = Denoising(sslviz.create_encoder("conv_nano"), noise=1.0)
        >>> sum(p.numel() for p in method.decoder.parameters()) < 1_000_000
        True

    Caveat: noise hides fine detail first, so colours and large surfaces are learned before shapes.
    """

    family = "masked and generative"
    # Crops and flips: colours are to be predicted.
    views = ViewPolicy(views=1, scale=(0.2, 1.0), jitter_prob=0.0, gray_prob=0.0)

    def __init__(self, encoder: Encoder, *, noise: float = STRONGEST, width: int = 32, seed: int = 0) -> None:
        super().__init__()
        above_zero(noise=noise)
        self.noise = noise
        self.encoder = encoder
        freeze_unreached(encoder, encoder.tokens)
        with seeded(seed):
            self.decoder = pixel_decoder(encoder, width=width)

    def loss(self, batch: Batch) -> Tensor:
        """The weighted squared error of the clean pictures; a scalar."""
        x = batch.views[0][0]  # (b, 3, s, s)
        levels = self.noise * uniform_by_row(batch.rows, 1, 1, 1)  # (b, 1, 1, 1)
        return denoising_loss(self._clean(x, levels, batch.rows)[1], x, levels)

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """What it makes of pictures with half of the strongest noise, a level at which much can still be seen."""
        rows = torch.arange(len(x), device=x.device)
        noisy, predicted = self._clean(x, x.new_full((len(x), 1, 1, 1), self.noise / 2), rows)
        return Reconstruction(noisy, predicted, x, torch.ones_like(x[:, :1], dtype=torch.bool))

    def _clean(self, x: Tensor, levels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The noisy pictures, and what is made of them."""
        noisy = x + levels * normal_by_row(rows, *x.shape[1:])
        return noisy, self.decoder(self.encoder.tokens(noisy))


@in_float32
def denoising_loss(predicted: Tensor, clean: Tensor, levels: Tensor) -> Tensor:
    """Squared error, each picture weighted by 1 / (1 + level²); (b, 3, s, s) twice, levels (b, 1, 1, 1) -> scalar."""
    return ((predicted - clean).square() / (1 + levels.square())).mean()
