"""LEACE: the least change of features that hides an attribute from every linear readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RCOND = 1e-10  # of the largest variance: below it a direction is rounding, as in a pseudo-inverse


@dataclass(frozen=True, eq=False)
class Erasure:
    """A fitted erasure of rank r, called on rows of features.

    - mean: of the features it was fitted on, (d,)
    - left: directions along which the erased part is taken away, (d, r)
    - right: directions along which it is measured, (d, r)
    """

    mean: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The rows of `x` (n, d) without that part, in float64."""
        return x - ((x - self.mean) @ self.right) @ self.left.T


def leace(x: np.ndarray, codes: np.ndarray) -> Erasure:
    """LEACE, least-squares concept erasure in closed form (arXiv 2306.03819).

    It is fitted on `x` (n, d) and the attribute's `codes` (n,).  After erasure all values have exactly the same mean there.
    So no linear readout with a convex loss can beat one that does not look.  With W the whitening of x, it is
    r(x) = x - W^+ P W (x - mean), where P projects on the columns of W Cov(x, one-hot codes).  Its rank is at most one less
    than the number of values.

    Caveat: Linearly guarded is not removed: what is coded in any other way stays.
    """
    x = np.asarray(x, dtype=np.float64)
    mean = x.mean(axis=0)
    one_hot = np.eye(codes.max() + 1)[codes]
    x = x - mean
    variances, axes = np.linalg.eigh(x.T @ x / len(x))
    real = variances > RCOND * max(variances[-1], 0)
    if not real.any():  # features that are all the same hold nothing that could be hidden
        return Erasure(mean, np.zeros((len(mean), 0)), np.zeros((len(mean), 0)))
    root, axes = np.sqrt(variances[real]), axes[:, real]
    cross = axes.T @ (x.T @ (one_hot - one_hot.mean(axis=0))) / len(x)  # (d', c)
    u, sizes, _ = np.linalg.svd(cross / root[:, None], full_matrices=False)
    u = u[:, sizes > 1e-8 * max(1.0, sizes[0])]  # correlations, at most 1 each
    return Erasure(mean, left=axes @ (root[:, None] * u), right=axes @ (u / root[:, None]))
