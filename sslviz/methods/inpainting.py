"""Context encoder: what lies in the part of the picture that is hidden?  https://arxiv.org/abs/1604.07379"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction
from sslviz.methods.parts.blocks import hidden_blocks
from sslviz.methods.parts.pixel_decoder import pixel_decoder
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class Inpainting(nn.Module):
    """What lies in the blocks of this picture that are hidden?

    Rectangles of the picture are replaced by the mean colour.  A decoder draws the picture from the encoder's last grid of
    features, and only the squared error of hidden pixels counts.  They are not in the input, so they cannot be copied.  The
    known shortcut is to continue colours and lines from a block's edge, which needs no idea of the object; it gets worse
    with large blocks.  The paper's adversarial term is left out: it sharpens the pictures drawn.

    It cannot collapse to a low loss: features that are the same for all pictures give at best the variance of the pixels.

    - area: the share of the picture that each block hides
    - blocks: how many blocks there are; they may overlap
    - width: the decoder's channels

    Example:
        >>> import sslviz, torch
        >>> method = Inpainting(sslviz.create_encoder("conv_nano"), area=0.1, blocks=3)
        >>> method.reconstruct(torch.randn(2, 3, 32, 32)).predicted.shape
        torch.Size([2, 3, 32, 32])

    Caveat: the squared error asks for the mean of all that could be there, so what is drawn is blurred.
    """

    family = "pretext tasks"
    views = ViewPolicy(views=1, scale=(0.5, 1.0), jitter_prob=0.0, gray_prob=0.0)  # the paper only crops and flips

    def __init__(
        self, encoder: Encoder, *, area: float = 0.25, blocks: int = 1, width: int = 32, seed: int = 0
    ) -> None:
        super().__init__()
        if not 0 < area < 1 or blocks < 1:
            raise ValueError(f"At least one block of a share of the picture between 0 and 1; got {blocks} of {area:g}.")
        self.area, self.blocks = area, blocks
        self.encoder = encoder
        freeze_unreached(encoder, encoder.tokens)
        with seeded(seed):
            self.decoder = pixel_decoder(encoder, width=width)

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of the hidden pixels, averaged over pictures; a scalar."""
        x = batch.views[0][0]  # (b, 3, s, s)
        hidden = hidden_blocks(batch.rows, x.shape[-1], self.area, self.blocks)
        return inpainting_loss(self.decoder(self.encoder.tokens(without(x, hidden))), x, hidden)

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """What it draws where these pictures (n, 3, s, s) are hidden, and the pictures themselves elsewhere."""
        hidden = hidden_blocks(torch.arange(len(x), device=x.device), x.shape[-1], self.area, self.blocks)
        shown = without(x, hidden)
        predicted = torch.where(hidden, self.decoder(self.encoder.tokens(shown)), x)
        return Reconstruction(shown, predicted, x, hidden)


def without(x: Tensor, hidden: Tensor) -> Tensor:
    """The pictures with 0, which is the mean colour of encoder input, in place of what is hidden."""
    return x.masked_fill(hidden, 0.0)


@in_float32
def inpainting_loss(predicted: Tensor, true: Tensor, hidden: Tensor) -> Tensor:
    """Squared error of hidden pixels; (b, 3, s, s) twice and (b, 1, s, s) -> scalar (Eq. 1, over the number of pixels).

    The mean is taken within each picture first, so all pictures count the same, however much of them is hidden.
    """
    error = (predicted - true).square().mean(1, keepdim=True) * hidden  # (b, 1, s, s)
    return (error.sum((1, 2, 3)) / hidden.sum((1, 2, 3))).mean()
