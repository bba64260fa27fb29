"""RotNet: by how many quarter turns was the picture turned?  https://arxiv.org/abs/1803.07728"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch
from sslviz.methods.parts.heads import mlp
from sslviz.methods.parts.multi_crop import encode_views
from sslviz.methods.parts.precision import in_float32
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy

TURNS = 4


class Rotation(nn.Module):
    """By how many quarter turns was this view turned?

    View i of each picture is turned by i quarter turns.  A head on the pooled features predicts how many turns they were.
    The encoder must find the object and know which way up it usually stands.  Quarter turns move pixels without
    interpolation, so they leave no other trace.  The paper turns one crop four ways; here each turn has its own crop.
    The known shortcut is whatever is upright by itself: light from above, captions, watermarks.

    It cannot collapse to a low loss: features that are the same for all views give ln 4, the loss of a guess.

    - hidden: the width of the head's hidden layer

    Example:
        >>> import sslviz
        >>> method = Rotation(sslviz.create_encoder("conv_nano"), hidden=64)
        >>> method.projector[-1].out_features
        4

    Caveat: pictures that look the same after a quarter turn teach nothing, and the features tell turned objects apart.
    """

    family = "pretext tasks"
    # The paper crops and flips and leaves the colours alone; a view for each turn.
    views = ViewPolicy(views=TURNS, scale=(0.5, 1.0), jitter_prob=0.0, gray_prob=0.0)

    def __init__(self, encoder: Encoder, *, hidden: int = 256, seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        with seeded(seed):
            self.projector = mlp(encoder.dim, hidden, TURNS)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the turn, averaged over all views; a scalar, ln 4 for a guess."""
        x = [quarter_turns(views) for views in batch.views]
        logits = encode_views(lambda views: self.projector(self.encoder(views)), x)  # (views, b, 4)
        turns = [torch.arange(len(views), device=logits.device) % TURNS for views in batch.views]
        return rotation_loss(logits, torch.cat(turns))


def quarter_turns(views: Tensor) -> Tensor:
    """View i turned by i quarter turns to the left, (views, b, 3, s, s); the fifth is as the first."""
    return torch.stack([view.rot90(i % TURNS, (-2, -1)) for i, view in enumerate(views)])


@in_float32
def rotation_loss(logits: Tensor, turns: Tensor) -> Tensor:
    """Cross-entropy of logits (views, b, 4) and each view's turn, int64 (views,) -> scalar (Eq. 2 and 3)."""
    return F.cross_entropy(logits.movedim(2, 1), turns[:, None].expand(logits.shape[:2]))
