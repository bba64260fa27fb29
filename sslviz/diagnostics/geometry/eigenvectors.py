"""Along which directions do the rows lie, and what would change without some of them?  One eigendecomposition for both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Directions:
    """How much lies along which direction?  Eigenvalues and eigenvectors of a sum of outer products of rows.

    `sizes` (k,) descending and `axes` (d, k), with k = min(n, d).  Sizes that float32 rounding of the rows, or float64
    rounding of the sums, could have made are 0.
    """

    sizes: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, products: np.ndarray, n: int, total: float) -> Directions:
        """Of `products` (d, d), summed over `n` rows whose squared lengths sum to `total`."""
        d = len(products)
        kept = min(n, d)
        rounding = max(total / kept * np.finfo(np.float32).eps ** 2, total * d * np.finfo(np.float64).eps)
        sizes, axes = np.linalg.eigh(products)
        sizes = sizes[::-1][:kept]
        return cls(np.where(sizes > rounding, sizes, 0.0), axes[:, ::-1][:, :kept])

    def rank_slope(self, eps: float = 0.0) -> np.ndarray:
        """How does the logarithm of the effective rank follow the products?  Its derivative by each of them, (d, d).

        Of the rank of the square roots of the sizes, as `effective_rank(np.sqrt(sizes), eps=eps)` counts it.
        """
        slopes = _slopes(self.sizes, eps)
        up, down = (self.axes[:, part] * np.sqrt(np.abs(slopes[part])) for part in (slopes > 0, slopes < 0))
        return up @ up.T - down @ down.T  # a matrix times its own transpose takes half the time

    def leading(self, products: np.ndarray, most: int) -> np.ndarray:
        """The largest eigenvalues, at most `most`, of nearly the same products, descending: Rayleigh and Ritz's.

        Exact where that is all there are; else off by the square of how far the axes turned out of their own span.
        """
        axes = self.axes[:, :most]
        return np.maximum(np.linalg.eigvalsh(axes.T @ (products @ axes))[::-1], 0)


def _slopes(sizes: np.ndarray, eps: float) -> np.ndarray:
    """Derivative of the logarithm of the effective rank by each size; 0 for directions that hold nothing."""
    held = sizes > 0
    roots = np.sqrt(sizes[held])
    slopes = np.zeros(len(sizes))
    if len(roots):
        share = roots / roots.sum()
        surprise = np.log(share + eps)
        slopes[held] = (share @ surprise - surprise) / (2 * roots * roots.sum())
    return slopes
