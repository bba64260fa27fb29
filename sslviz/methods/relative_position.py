"""Relative position: on which side of the middle of the picture was this piece?  https://arxiv.org/abs/1505.05192"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.cutting import cut_pieces, encode_pieces, piece_side
from sslviz.methods.parts.draws import uniform_by_row
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.orders import shuffled
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.trial import accepted_size
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

GRID, MIDDLE, NEIGHBORS = 3, 4, 8


class RelativePosition(nn.Module):
    """On which of eight sides of the middle piece does this other piece lie?

    A view is cut into 3 x 3 pieces.  The encoder sees the middle one and one of its neighbours, each alone.  A head gets
    both features and predicts which of the eight neighbours it is.  To know, the encoder must recognise parts of objects.

    The known shortcuts are lines that continue from piece to piece, and colour fringes, which tell how far a piece is from
    the middle of the lens.  Against them there are random gaps, and colours are dropped.

    It cannot collapse to a low loss: features that are the same for all pieces give ln 8, the loss of a guess.

    - gap: the share of a cell's side that is left out, at a random place
    - drop_colors: each piece shows one channel, drawn for it alone, three times (the paper fills the others with noise)
    - hidden, out: widths of the heads, and of what they keep of each piece

    Example:
        >>> import sslviz
        >>> method = RelativePosition(sslviz.create_encoder("conv_nano"), out=32)
        >>> method.classifier[-1].out_features
        8

    Caveat: the encoder sees enlarged parts, never a whole picture, and no colours unless `drop_colors` is off.
    """

    family = "pretext tasks"
    views = ViewPolicy(views=1, scale=(0.5, 1.0), flip_prob=0.0, jitter_prob=0.0, gray_prob=0.0)  # the paper only crops

    def __init__(
        self,
        encoder: Encoder,
        *,
        gap: float = 0.3,
        drop_colors: bool = True,
        hidden: int = 256,
        out: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        piece_side(encoder.image_size, GRID, gap)
        self.gap, self.drop_colors = gap, drop_colors
        self.encoder, self.size = encoder, accepted_size(encoder, encoder.image_size // 2)
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)
            self.classifier = mlp(2 * out, hidden, NEIGHBORS)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the neighbour; a scalar, ln 8 for a guess."""
        pieces = cut_pieces(batch.views[0][0], batch.rows, GRID, self.gap)
        side = (uniform_by_row(batch.rows, 1)[:, 0] * NEIGHBORS).long()  # (b,)
        pair = middle_and_neighbor(pieces, side)  # (b, 2, 3, side, side)
        if self.drop_colors:
            pair = in_one_channel(pair, (uniform_by_row(batch.rows, 2) * 3).long())
        z = self.projector(encode_pieces(self.encoder, pair, self.size).flatten(0, 1))  # (2b, out)
        return relative_position_loss(self.classifier(z.view(len(pair), -1)), side)


def middle_and_neighbor(pieces: Tensor, side: Tensor) -> Tensor:
    """The middle piece and one of the others, counted in reading order; (b, 9, ...), int64 (b,) -> (b, 2, ...)."""
    neighbor = side + (side >= MIDDLE)
    return shuffled(pieces, torch.stack([torch.full_like(side, MIDDLE), neighbor], 1))


def in_one_channel(pieces: Tensor, channel: Tensor) -> Tensor:
    """One channel of each piece, three times; (b, n, 3, h, w), int64 (b, n) -> (b, n, 3, h, w)."""
    return pieces.take_along_dim(channel[:, :, None, None, None], 2).expand_as(pieces)


@in_float32
def relative_position_loss(logits: Tensor, side: Tensor) -> Tensor:
    """Cross-entropy of logits (b, 8) and the neighbour that was shown, int64 (b,) -> scalar."""
    return F.cross_entropy(logits, side)
