"""SimMIM: squares of the picture are painted over, and one linear layer says what was there.  https://arxiv.org/abs/2111.09886"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction
from sslviz.methods.parts.masking import random_squares, square_side
from sslviz.methods.parts.pixel_decoder import pixel_layer
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class SimMIM(nn.Module):
    """What was there, where squares of the picture are painted over?

    The hidden pixels are predicted from the encoder's last grid by one linear layer.  Their squares have one learned colour,
    so they cannot be copied.  The paper replaces patch embeddings inside a transformer by a learned token; a colour does the
    same to any encoder, convolutions included.  A token has more numbers than a colour, and can therefore not be mistaken
    for a picture.  Pixels are fixed targets, so nothing can collapse.

    - mask_ratio: the share of the squares that is hidden
    - grid: squares along a side of the picture, whose number of pixels it divides; the paper has 6

    Example:
        >>> import sslviz
        >>> method = SimMIM(sslviz.create_encoder("conv_nano"), grid=4)
        >>> method.side
        8

    Caveat: nothing reads a class token here; of a transformer that pools by it, look at the mean of the last grid instead.
    """

    family = "masked and generative"
    views = ViewPolicy(views=1, scale=(0.67, 1.0), jitter_prob=0.0, gray_prob=0.0)  # the paper's: light crops and flips

    def __init__(self, encoder: Encoder, *, mask_ratio: float = 0.6, grid: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.side, self.ratio = square_side(encoder.image_size, grid, mask_ratio), mask_ratio
        self.encoder = encoder
        freeze_unreached(encoder, encoder.tokens)
        with seeded(seed):
            self.color = nn.Parameter(torch.zeros(3, 1, 1))
            self.head = pixel_layer(encoder)

    def loss(self, batch: Batch) -> Tensor:
        """Mean absolute error of the hidden pixels; a scalar."""
        x = batch.views[0][0]
        _, predicted, hidden = self._predict(x, batch.rows)
        return simmim_loss(predicted, x, hidden)

    def _predict(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is shown (b, 3, s, s), the predicted pixels (b, 3, s, s), and which pixels are hidden (b, 1, s, s)."""
        hidden = random_squares(rows, x.shape[-1], self.side, self.ratio)
        shown = torch.where(hidden, self.color, x)
        return shown, self.head(self.encoder.tokens(shown)), hidden

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """Hides squares of pictures (n, 3, s, s) and paints them; the visible ones stay as they are."""
        shown, predicted, hidden = self._predict(x, torch.arange(len(x), device=x.device))
        return Reconstruction(shown, torch.where(hidden, predicted.to(x.dtype), x), x, hidden)


@in_float32
def simmim_loss(predicted: Tensor, true: Tensor, hidden: Tensor) -> Tensor:
    """Mean absolute error over hidden pixels; both (b, 3, s, s), hidden bool (b, 1, s, s) -> scalar."""
    return ((predicted - true).abs() * hidden).sum() / (3 * hidden.sum())
