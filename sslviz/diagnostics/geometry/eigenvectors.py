"""Eigenvectors of a sum of outer products of rows, and how ranks change once some of the rows are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Eigenvectors:
    """The eigendecomposition of a sum of outer products of rows, with k = min(n, d).

    - values: eigenvalues (k,), descending; 0 where float32 rounding of the rows or float64 rounding of the sums could
      have made them
    - vectors: eigenvectors (d, k), one a column
    """

    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, products: np.ndarray, n: int, total: float) -> Eigenvectors:
        """Of `products` (d, d), summed over `n` rows whose squared lengths sum to `total`."""
        d = len(products)
        kept = min(n, d)
        rounding = max(total / kept * np.finfo(np.float32).eps ** 2, total * d * np.finfo(np.float64).eps)
        values, vectors = np.linalg.eigh(products)
        values = values[::-1][:kept]
        return cls(np.where(values > rounding, values, 0.0), vectors[:, ::-1][:, :kept])

    def rank_gradient(self, eps: float = 0.0) -> np.ndarray:
        """The derivative of the logarithm of the effective rank by each of the products, (d, d).

        The rank is that of the square roots of the eigenvalues: `effective_rank(np.sqrt(values), eps=eps)`.
        """
        slopes = _rank_slopes(self.values, eps)
        up, down = (self.vectors[:, part] * np.sqrt(np.abs(slopes[part])) for part in (slopes > 0, slopes < 0))
        return up @ up.T - down @ down.T  # a matrix times its own transpose takes half the time

    def leading_values(self, products: np.ndarray, most: int) -> np.ndarray:
        """The largest eigenvalues, at most `most`, of nearly the same products, descending (Rayleigh and Ritz).

        Exact where there are no more than that.  Else the error grows with the square of how far the eigenvectors turn
        out of the space that the leading ones span.
        """
        vectors = self.vectors[:, :most]
        return np.maximum(np.linalg.eigvalsh(vectors.T @ (products @ vectors))[::-1], 0)


def _rank_slopes(values: np.ndarray, eps: float) -> np.ndarray:
    """The derivative of the logarithm of the effective rank by each eigenvalue; 0 where that is 0."""
    positive = values > 0
    roots = np.sqrt(values[positive])
    slopes = np.zeros(len(values))
    if len(roots):
        share = roots / roots.sum()
        surprise = np.log(share + eps)
        slopes[positive] = (share @ surprise - surprise) / (2 * roots * roots.sum())
    return slopes
