"""Points of one picture in another, by the tokens of patches: the nearest by cosine, and what other rules would say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RADIUS = 0.1  # of the longer side of an object, or of the picture: as near as a right match lies (PCK@.1)
_EXACT = 1e-6  # pixels: a distance that is the radius must not be missed by rounding


@dataclass(frozen=True)
class Asked:
    """What is asked of one pair of pictures, m points.

    - before: where they lie in the first picture, x and y in pixels, (m, 2)
    - after: where they truly lie in the second, (m, 2)
    - radius: how near a right answer lies, in pixels of the second, (m,)
    """

    before: np.ndarray
    after: np.ndarray
    radius: np.ndarray

    def right(self, found: np.ndarray) -> np.ndarray:
        """Whether each found point (m, 2) is near enough."""
        return np.hypot(*(found - self.after).T) <= self.radius + _EXACT


def centres(grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The middles of patches, x and y in pixels, (rows * columns, 2), row by row."""
    rows, columns = np.mgrid[: grid[0], : grid[1]] + 0.5
    return np.stack([columns.ravel() * size[1] / grid[1], rows.ravel() * size[0] / grid[0]], axis=1)


def patch_at(points: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The numbers of the patches that points (m, 2) lie in, (m,)."""
    cells = np.floor(points * np.array(grid[::-1]) / np.array(size[::-1])).astype(int)
    x, y = np.clip(cells, 0, np.array(grid[::-1]) - 1).T
    return y * grid[1] + x


def nearest_patches(first: np.ndarray, second: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Which patch of the second picture is most like some of the first, by cosine: tokens (rows, columns, d) -> (m,)."""
    a, b = (x.reshape(-1, x.shape[-1]) for x in (first, second))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (a, b))
    return (a[patches] @ b.T).argmax(1)


def by_chance(asked: Asked, middles: np.ndarray) -> np.ndarray:
    """How likely a patch that is drawn at random is right, (m,): about pi * radius² / area, where patches are small."""
    return np.mean([asked.right(np.broadcast_to(middle, asked.after.shape)) for middle in middles], axis=0)


def at_best(asked: Asked, middles: np.ndarray) -> np.ndarray:
    """Whether any patch is right, (m,): the nearest one."""
    distance = np.hypot(*(middles[None] - asked.after[:, None]).transpose(2, 0, 1))
    return asked.right(middles[distance.argmin(1)])
