"""The parts of CKA, Procrustes distance and RSA: matrices whose rows are the same images in, numbers out."""

from __future__ import annotations

import numpy as np


def scaled(x: np.ndarray) -> np.ndarray:
    """The rows in float64, centred, with squared lengths that sum to 1: a space up to shift and scale.

    No wider than there are rows: turning them into the space they span changes no distance.
    """
    x = x.astype(np.float64)
    x -= x.mean(axis=0)
    x /= max(x.max(), -x.min())  # so that no square over- or underflows
    x /= np.sqrt(np.vdot(x, x))
    return np.asarray(np.linalg.qr(x.T, mode="r")).T if x.shape[1] > len(x) else x


def debiased_cka(squares: tuple[float, float, float], u: np.ndarray, v: np.ndarray) -> float:
    """Linear CKA with the estimator of Song et al. 2012, in [-1, 1]; 0 on average for unrelated images.

    `squares` are the squared Frobenius norms of x^T y, x^T x and y^T y, and `u`, `v` (n,) the squared lengths of the
    centred rows.  NaN where a space has nothing but a single image apart from all others, which debiasing leaves without
    any spread.  As first published (arXiv 1905.00414), unrelated images read sqrt(PR(x) PR(y)) / (n - 1), with PR the
    participation ratio: near 1 where n is below the width.
    """
    n, products = len(u), list(squares)
    for i, (a, b) in enumerate(((u, v), (u, u), (v, v))):
        products[i] += a.sum() * b.sum() / ((n - 1) * (n - 2)) - n / (n - 2) * (a @ b)
    xy, xx, yy = products
    if min(xx / u.sum() ** 2, yy / v.sum() ** 2) < 1e-12:
        return float("nan")
    return float(xy / np.sqrt(xx * yy))


def nuclear_norm(matrix: np.ndarray) -> float:
    """The sum of the singular values; from the smaller Gram matrix, which is many times faster than an SVD.

    Between two spaces that are `scaled`, 2 - 2 nuclear_norm(x^T y) is the squared Procrustes distance (arXiv 2108.01661).
    """
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)).sum())


def polar(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """`nuclear_norm` and its gradient, the product of the singular vectors on either side, of the shape of the matrix.

    The gradient leaves out directions below 1e-7 of the widest, which the Gram matrix cannot tell apart.  Values are read
    along its eigenvectors, which keeps digits that the roots of its eigenvalues lose.
    """
    if matrix.shape[0] < matrix.shape[1]:
        norm, turned = polar(matrix.T)
        return norm, turned.T
    right = np.linalg.eigh(matrix.T @ matrix)[1]
    left = matrix @ right
    values = np.linalg.norm(left, axis=0)
    seen = values > 1e-7 * values.max()
    return float(values.sum()), (left[:, seen] / values[seen]) @ right[:, seen].T


def distance_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of the Euclidean distances of all pairs, less their mean: symmetric (n, n), zeros on the diagonal.

    Equal distances share the mean of their ranks.  In float32, which hides rounding of the products.
    """
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    squared = np.einsum("nd,nd->n", x, x)
    distances = (squared[:, None] + squared - 2 * x @ x.T)[np.tri(len(x), k=-1, dtype=bool).T]
    distances[distances < 1e-13 * squared.max()] = 0  # rows that are the same
    return squareform(rankdata(distances.astype(np.float32)) - (len(distances) + 1) / 2)
