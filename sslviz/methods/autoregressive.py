"""Autoregression: each row of patches is predicted from the rows above it, as iGPT and AIM do.  https://arxiv.org/abs/2401.08541"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.method import Batch, Reconstruction, TrainingImages
from sslviz.methods.parts.codebook import Codebook, code_head, code_loss
from sslviz.methods.parts.draws import uniform_by_row
from sslviz.methods.parts.patches import over_pixels
from sslviz.methods.parts.unreached import freeze_unreached
from sslviz.runtime.random_state import seeded
from sslviz.views import ViewPolicy


class Autoregressive(nn.Module):
    """How does the picture go on below this line?

    A picture is read from top to bottom.  One cut is drawn for each picture; all below it is covered by a learned colour,
    and the codes of the next row of patches are predicted.  A code is the number of the nearest typical patch, found by
    k-means before the first epoch.  The codes never move, so that there is nothing to collapse to.

    The papers hide what follows by a causal mask over the attention of a transformer.  Here it is covered in the picture,
    so that any encoder will do, but one pass predicts one row alone.  AIM predicts pixels; iGPT predicts codes.

    - codes, grid: how many typical patches, and how many patches are side by side
    - width: of the layer between the encoder's grid and the scores of the codes

    Example:
        >>> import sslviz
        >>> method = sslviz.methods.Autoregressive(sslviz.create_encoder("conv_nano"), grid=4)
        >>> method.codebook.side
        8

    Caveat: the patches of a row are predicted apart from one another, so that what it draws may not fit from left to right.
    """

    family = "masked and generative"
    # Crops and flips: colours are to be predicted.
    views = ViewPolicy(views=1, scale=(0.4, 1.0), jitter_prob=0.0, gray_prob=0.0)

    def __init__(self, encoder: Encoder, *, codes: int = 128, grid: int = 8, width: int = 128, seed: int = 0) -> None:
        super().__init__()
        self.grid = grid
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
        """Cross-entropy of the codes of the row below the cut; a scalar, about log(codes) when nothing is known."""
        x = batch.views[0][0]  # (b, 3, s, s)
        cut = 1 + (uniform_by_row(batch.rows, 1)[:, 0] * (self.grid - 1)).long()  # (b,), 1 .. grid - 1 rows are shown
        codes = self.codebook.encode(x).unflatten(1, (self.grid, self.grid))  # (b, rows, columns)
        asked = codes.gather(1, cut[:, None, None].expand(-1, 1, self.grid))[:, 0]  # (b, columns)
        return code_loss(self.next_row(x, cut), codes=asked)

    def covered(self, x: Tensor, cut: Tensor) -> Tensor:
        """The pictures with all rows from the cut (b,) on under the learned colour."""
        return torch.where(self._marks(cut), self.cover[:, None, None], x)

    def next_row(self, x: Tensor, cut: Tensor) -> Tensor:
        """How well each code fits each patch of the row below the cut, (b, 3, s, s), (b,) -> (b, columns, codes)."""
        scores = self.head(self.encoder.tokens(self.covered(x, cut))).movedim(1, 3)  # (b, rows, columns, codes)
        return scores.gather(1, cut[:, None, None, None].expand(-1, 1, *scores.shape[2:]))[:, 0]

    def reconstruct(self, x: Tensor) -> Reconstruction:
        """The lower half, row after row of the most likely patches, each from the upper half and the rows made so far."""
        half = torch.full((len(x),), self.grid // 2, device=x.device)
        hidden, made = self._marks(half), x
        for row in range(self.grid // 2, self.grid):
            codes = self.next_row(made, torch.full_like(half, row)).argmax(-1)  # (b, columns)
            drawn = F.one_hot(codes, len(self.codebook.patches)).repeat(1, self.grid, 1)  # the same in every row
            made = torch.where(self._marks(torch.full_like(half, row)), self.codebook.decode(drawn), made)
        return Reconstruction(self.covered(x, half), made, x, hidden)

    def _marks(self, cut: Tensor) -> Tensor:
        """The pixels from the cut on, bool (b, 1, s, s)."""
        rows = torch.arange(self.grid, device=cut.device).repeat_interleave(self.grid)  # of each patch
        return over_pixels(rows >= cut[:, None], self.codebook.side)
