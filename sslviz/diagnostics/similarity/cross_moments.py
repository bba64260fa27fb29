"""Cross moments x^T y of two spaces, of all rows and without each group of them; what CKA and Procrustes are read from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ROWS = (
    32  # of the moments at a time: half a megabyte at 2,048 dimensions, so that what is subtracted stays in the cache
)
# From here on products are in float32, which takes half the time; rounding then moves no score by 1e-6.  With fewer images
# for each direction most of a product cancels in the debiased CKA, and its rounding does not.
SINGLE_WIDTH = 512  # directions of the wider space
SINGLE_IMAGES = 4  # for each of them


class CrossMoments:
    """x^T y (p, q) of all rows, and of those outside each group, about their own means.  Rows are centred already.

    - groups: None for all rows, then each group, where there is more than one
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> None:
        count = int(groups.max()) + 1
        self.groups = [None, *(range(count) if count > 1 else [])]
        self._sizes = np.bincount(groups)
        wide = max(x.shape[1], y.shape[1])
        single = wide >= SINGLE_WIDTH and len(x) >= SINGLE_IMAGES * wide
        dtype = np.float32 if single else np.float64
        parts = _parts(x, groups, dtype)  # of x and itself one array, so that BLAS does half the work
        others = parts if y is x else _parts(y, groups, dtype)
        self._blocks = np.empty((count, x.shape[1], y.shape[1]), dtype)
        for part, other, block in zip(parts, others, self._blocks, strict=True):
            np.matmul(part.T, other, out=block)
        self._sums = [tuple(z.sum(axis=0, dtype=np.float64) for z in pair) for pair in zip(parts, others, strict=True)]
        self._total = self._blocks[0].astype(np.float64)
        for block in self._blocks[1:]:
            self._total += block

    def without(self, g: int | None, rows: slice = slice(None)) -> np.ndarray:
        """The moments of the rows outside group `g`, or of all; these `rows` of the matrix."""
        if g is None:
            return self._total[rows]
        rest = self._total[rows] - self._blocks[g][rows]
        # the rows sum to 0, so those that stay sum to minus the group's
        x, y = self._sums[g]
        rest -= np.multiply.outer(x[rows] / (self._sizes.sum() - self._sizes[g]), y)
        return rest

    def squares(self) -> list[float]:
        """The squared Frobenius norms, one for each of `groups`."""
        return [sum(float(np.vdot(part, part)) for _, part in self._slices(g)) for g in self.groups]

    def along(self, direction: np.ndarray) -> np.ndarray:
        """The scalar products with a matrix (p, q), one for each of `groups`."""
        return np.array(
            [sum(float(np.vdot(direction[rows], part)) for rows, part in self._slices(g)) for g in self.groups]
        )

    def _slices(self, g: int | None) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(self._total), ROWS):
            rows = slice(start, start + ROWS)
            yield rows, self.without(g, rows)


def _parts(x: np.ndarray, groups: np.ndarray, dtype: type) -> list[np.ndarray]:
    """The rows of each group."""
    x = x.astype(dtype, copy=False)
    return [x[groups == g] for g in range(groups.max() + 1)]


def squared_lengths(x: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances from the mean of all rows, then of those outside each group, from theirs."""
    squared = np.einsum("nd,nd->n", x, x)
    yield squared
    if groups.any():
        member = groups == np.arange(groups.max() + 1)[:, None]  # (g, n)
        means = -(member @ x) / (~member).sum(axis=1, keepdims=True)
        along = x @ means.T
        for g, mean in enumerate(means):
            kept = ~member[g]
            yield squared[kept] - 2 * along[kept, g] + mean @ mean
