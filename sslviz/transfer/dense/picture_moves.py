"""Pictures that were moved in a known way: shifted, mirrored, and enlarged in part; and where their points then lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

CROP = 0.75  # of the sides is enlarged to the whole: tokens see another scale, and most points stay
FARTHEST = 0.25  # of the patches of a side: as far as a picture is shifted


class Moved(NamedTuple):
    """A moved picture, and where its points went: a point (x, y) in pixels now lies at scale * (x, y) + offset.

    - pixels: uint8 (h, w, 3)
    - scale, offset: (2,)
    """

    pixels: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def points(self, before: np.ndarray) -> np.ndarray:
        """Where points (m, 2) lie now."""
        return before * self.scale + self.offset


def shifted(picture: np.ndarray, grid: tuple[int, int], anchor: np.ndarray, rng: np.random.Generator) -> Moved:
    """Moved by whole patches, by chance, so that the anchor (x, y) stays inside; the edge is repeated where nothing is."""
    size = np.array(picture.shape[1::-1])  # x, y
    cells = np.array(grid[::-1])
    far = np.maximum(1, (FARTHEST * cells).astype(int))
    low = np.maximum(-far, -np.floor(anchor / size * cells).astype(int))
    high = np.minimum(far, cells - 1 - np.floor(anchor / size * cells).astype(int))
    ways = [(x, y) for x in range(low[0], high[0] + 1) for y in range(low[1], high[1] + 1) if x or y] or [(0, 0)]
    by = np.round(np.array(ways[rng.integers(len(ways))]) * size / cells).astype(int)  # whole pixels
    columns = (np.arange(size[0]) - by[0]).clip(0, size[0] - 1)
    rows = (np.arange(size[1]) - by[1]).clip(0, size[1] - 1)
    return Moved(picture[rows[:, None], columns], np.ones(2), by.astype(float))


def mirrored(picture: np.ndarray, grid: tuple[int, int], anchor: np.ndarray, rng: np.random.Generator) -> Moved:
    """Left and right exchanged."""
    return Moved(picture[:, ::-1], np.array([-1.0, 1.0]), np.array([picture.shape[1], 0.0]))


def enlarged_part(picture: np.ndarray, grid: tuple[int, int], anchor: np.ndarray, rng: np.random.Generator) -> Moved:
    """CROP of its sides, by chance around the anchor (x, y), enlarged to the whole (bilinear)."""
    size = np.array(picture.shape[1::-1])
    part = np.maximum(1, np.round(CROP * size).astype(int))
    low = np.maximum(0, np.floor(anchor - part) + 1).astype(int)
    x, y = rng.integers(low, np.minimum(size - part, np.floor(anchor).astype(int)) + 1)
    cut = torch.from_numpy(np.array(picture[y : y + part[1], x : x + part[0]])).movedim(-1, 0)[None].float()
    large = F.interpolate(cut, tuple(size[::-1].tolist()), mode="bilinear", antialias=False)
    pixels = large[0].movedim(0, -1).round().clamp(0, 255).byte().numpy()
    return Moved(pixels, size / part, -np.array([x, y]) * size / part)


MOVES: dict[str, Callable[[np.ndarray, tuple[int, int], np.ndarray, np.random.Generator], Moved]] = {
    "shifted": shifted,
    "mirrored": mirrored,
    "enlarged": enlarged_part,
}
