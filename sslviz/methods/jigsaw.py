"""Jigsaw: in which of some orders are the pieces of the picture?  https://arxiv.org/abs/1603.09246"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.cutting import cut_pieces, encode_pieces, piece_side, standardized
from sslviz.methods.parts.draws import uniform_by_row
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.orders import CANDIDATES, distant_orders, shuffled
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.trial import accepted_size
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class Jigsaw(nn.Module):
    """In which of `orders` known orders do the shuffled pieces of this picture lie?

    A view is cut into pieces, which are shuffled by an order drawn from a table.  The encoder sees each piece alone.  A
    head gets all their features in the shuffled order and predicts which order it was.  The classes are whole orders, as in
    the paper, and not the place of each piece: places predicted one by one can contradict each other.  The orders of the
    table differ in many places, so that no two classes are nearly the same (Algorithm 1).

    The known shortcuts are edges and brightness that continue from piece to piece, and the colour fringes of a lens.
    Against them there are random gaps, pieces are standardised one by one, and some views are grey.

    It cannot collapse to a low loss: features that are the same for all pieces give ln `orders`, the loss of a guess.

    - grid: pieces along a side; they are enlarged to half the encoder's size
    - gap: the share of a cell's side that is left out, at a random place
    - orders: how many orders there are to choose from
    - hidden, out: widths of the heads, and of what they keep of each piece

    Example:
        >>> import sslviz
        >>> method = Jigsaw(sslviz.create_encoder("conv_nano"), grid=2, orders=24)
        >>> method.order.shape
        torch.Size([24, 4])

    Caveat: the encoder sees enlarged parts, never a whole picture.
    """

    family = "pretext tasks"
    views = ViewPolicy(views=1, scale=(0.5, 1.0), jitter_prob=0.0, gray_prob=0.3)  # grey as often as in the paper
    order: Tensor  # (orders, pieces)

    def __init__(
        self,
        encoder: Encoder,
        *,
        grid: int = 3,
        gap: float = 0.15,
        orders: int = 64,
        hidden: int = 256,
        out: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        piece_side(encoder.image_size, grid, gap)
        pieces = grid**2
        most = min(math.factorial(pieces), CANDIDATES // 2)
        if grid < 2 or not 2 <= orders <= most:
            raise ValueError(f"{grid} x {grid} pieces have from 2 to {most} orders to tell apart; got {orders}.")
        self.grid, self.gap = grid, gap
        self.encoder, self.size = encoder, accepted_size(encoder, encoder.image_size // 2)
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, out)
            self.classifier = mlp(pieces * out, hidden, orders)
        self.register_buffer("order", distant_orders(pieces, orders))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the order; a scalar, ln `orders` for a guess."""
        pieces = standardized(cut_pieces(batch.views[0][0], batch.rows, self.grid, self.gap))
        which = (uniform_by_row(batch.rows, 1)[:, 0] * len(self.order)).long()  # (b,)
        h = encode_pieces(self.encoder, shuffled(pieces, self.order[which]), self.size)  # (b, pieces, dim)
        z = self.projector(h.flatten(0, 1)).view(len(h), -1)  # (b, pieces * out)
        return jigsaw_loss(self.classifier(z), which)


@in_float32
def jigsaw_loss(logits: Tensor, which: Tensor) -> Tensor:
    """Cross-entropy of logits (b, orders) and the order that was taken, int64 (b,) -> scalar."""
    return F.cross_entropy(logits, which)
