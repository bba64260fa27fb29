"""Patch codes: hidden patches are named by the typical patch that they are nearest to.  https://arxiv.org/abs/2106.08254"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction, TrainingImages
from sslviz.methods.parts.codebook import Codebook, code_head, code_loss
from sslviz.methods.parts.draws import order_by_row
from sslviz.methods.parts.masking import marks_of
from sslviz.methods.parts.patches import over_pixels
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class PatchCodes(nn.Module):
    """Which typical patch is hidden here?  A model of how the patches of a picture go together, as in BEiT.

    Before the first epoch, k-means finds typical patches; the code of a patch is the number of the nearest one.  Hidden
    patches are covered by a learned colour, and their codes are predicted from what is left.  The encoder cannot copy
    them, because it is given the covered picture.  The codes never move, so that there is nothing to collapse to.
    BEiT's codes come from a network that was trained before; here they are clusters, found by k-means.

    - codes, grid: how many typical patches, and how many patches are side by side
    - hidden: the share of patches that is covered
    - width: of the layer between the encoder's grid and the scores of the codes

    Example:
        >>> import sslviz
        >>> method = sslviz.methods.PatchCodes(sslviz.create_encoder("vit_nano"), codes=32)
        >>> tuple(method.codebook.patches.shape)
        (32, 48)

    Caveat: typical patches are about colour and edges; what it takes to name them is not all that a picture shows.
    """

    family = "masked and generative"
    views = ViewPolicy(views=1, scale=(0.2, 1.0), jitter_prob=0.0, gray_prob=0.0)  # MAE's (arXiv 2111.06377)

    def __init__(
        self, encoder: Encoder, *, codes: int = 128, grid: int = 8, hidden: float = 0.5, width: int = 128, seed: int = 0
    ) -> None:
        super().__init__()
        self.grid, self.count = grid, round(hidden * grid**2)  # the same in every picture: each then counts alike
        if not 0 < self.count < grid**2:
            raise ValueError(f"Between none and all of the {grid**2} patches are hidden; got a share of {hidden}.")
        self.encoder = encoder
        freeze_unreached(encoder, encoder.tokens)
        with seeded(seed):
            self.codebook = Codebook(encoder, codes, grid)
            self.head = code_head(encoder, codes, grid, width)
        self.cover = nn.Parameter(torch.zeros(3))

    def epoch_begins(self, epoch: int, images: TrainingImages) -> None:
        """Finds the typical patches, once."""
        if epoch == 1:
            self.codebook.fit(images.pixels, self.views, self.encoder)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the codes of hidden patches; a scalar, about log(codes) when nothing is known."""
        x = batch.views[0][0]  # (b, 3, s, s)
        which = self._draw(batch.rows)  # (b, hidden)
        scores = self.scores(self.covered(x, which))  # (b, patches, codes)
        hidden_scores = scores.gather(1, which[..., None].expand(-1, -1, scores.shape[2]))
        return code_loss(hidden_scores, codes=self.codebook.encode(x).gather(1, which))

    def covered(self, x: Tensor, which: Tensor) -> Tensor:
        """The pictures with these patches (b, hidden) under the learned colour."""
        return torch.where(self._marks(which), self.cover[:, None, None], x)

    def scores(self, shown: Tensor) -> Tensor:
        """How well each code fits each patch, (b, 3, s, s) -> (b, patches, codes)."""
        return self.head(self.encoder.tokens(shown)).flatten(2).mT

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """The mean of all typical patches, each as likely as it was predicted, wherever a patch was hidden."""
        which = self._draw(torch.arange(len(x), device=x.device))
        shown, hidden = self.covered(x, which), self._marks(which)
        made = self.codebook.decode(self.scores(shown).float().softmax(-1))
        return Reconstruction(shown, torch.where(hidden, made, x), x, hidden)

    def _draw(self, rows: Tensor) -> Tensor:
        return order_by_row(rows, self.grid**2)[:, : self.count]

    def _marks(self, which: Tensor) -> Tensor:
        return over_pixels(marks_of(which, self.grid**2), self.codebook.side)
