"""Typical patches of pictures, found by k-means: a picture becomes a grid of codes, and codes become a picture."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.encoders import Encoder
from sslviz.methods.parts.distributed import same_everywhere
from sslviz.methods.parts.patches import from_patches, to_patches
from sslviz.methods.parts.precision import in_float32
from sslviz.methods.parts.trial import grid_shape
from sslviz.views import ViewPolicy

PICTURES = 500  # that the codebook is fitted to: 32,000 patches of a grid of 8 x 8, a second of k-means


class Codebook(nn.Module):
    """The typical patches of a grid of `grid` x `grid`; the code of a patch is the number of the nearest one.

    - patches: (codes, 3 * side * side), a buffer; normalised like the encoder's input, random until `fit`
    - side: pixels of a patch

    ValueError for a grid that does not divide the encoder's pictures.
    """

    patches: Tensor

    def __init__(self, encoder: Encoder, codes: int, grid: int) -> None:
        super().__init__()
        if codes < 2 or grid < 2 or encoder.image_size % grid:
            raise ValueError(
                f"At least 2 codes, and a grid of at least 2 that divides the picture's {encoder.image_size} pixels, are "
                f"needed; got {codes} codes and a grid of {grid}."
            )
        self.side = encoder.image_size // grid
        self.register_buffer("patches", torch.randn(codes, 3 * self.side**2))

    @torch.no_grad()
    def fit(self, pixels: np.ndarray, views: ViewPolicy, encoder: Encoder) -> None:
        """K-means of the patches of views of some pictures, uint8 (n, h, w, 3); draws from torch's global generator.

        Where there are fewer patches than codes, typical patches are repeated.
        """
        from sklearn.cluster import MiniBatchKMeans

        some = torch.randperm(len(pixels))[:PICTURES].sort().values  # a memory map is read in one sweep
        seed = int(torch.randint(2**31 - 1, ()))
        own: dict[str, Any] = {"size": encoder.image_size, "mean": encoder.mean, "std": encoder.std}
        policy = dataclasses.replace(views, **own)
        x = policy(torch.from_numpy(pixels[some.numpy()]), torch.Generator().manual_seed(seed))[0]
        patches = to_patches(x.flatten(0, 1), self.side).flatten(0, 1).numpy()
        k = min(len(self.patches), len(patches))
        found = MiniBatchKMeans(k, n_init=1, batch_size=4096, random_state=seed).fit(patches).cluster_centers_
        self.patches.copy_(torch.from_numpy(found)[torch.arange(len(self.patches)) % k])
        same_everywhere(self.patches)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The codes of pictures (b, 3, s, s), int64 (b, grid * grid) in reading order."""
        return nearest(to_patches(x, self.side), self.patches)

    def decode(self, weights: Tensor) -> Tensor:
        """Pictures of patches that mix the codes with these weights, (b, grid * grid, codes) -> (b, 3, s, s)."""
        return from_patches(weights.float() @ self.patches, self.side)


@in_float32
def nearest(x: Tensor, centers: Tensor) -> Tensor:
    """The number of the center at the smallest distance; (..., d), (k, d) -> int64 (...)."""
    return (centers.square().sum(1) - 2 * x @ centers.T).argmin(-1)  # less the length of x, the same for all centers


def code_head(encoder: Encoder, codes: int, grid: int, width: int) -> nn.Sequential:
    """From the encoder's last grid of features (b, d, g, g) to a score for each code, (b, codes, grid, grid).

    A cell of a coarser grid is cut into as many as it covers; whatever still differs is averaged.
    """
    dim, cells = grid_shape(encoder)
    factor = math.ceil(grid / cells)
    return nn.Sequential(
        nn.Conv2d(dim, width * factor**2, 1),
        nn.PixelShuffle(factor),
        nn.AdaptiveAvgPool2d(grid),
        nn.GELU(),
        nn.Conv2d(width, codes, 1),
    )


@in_float32
def code_loss(scores: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy of the right codes, the mean over places; scores (b, p, codes), int64 (b, p) -> scalar."""
    return F.cross_entropy(scores.flatten(0, 1), codes.flatten())
