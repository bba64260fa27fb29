"""How alike are two spaces?  The measures themselves, plain: two matrices with rows of the same images, one number."""

from __future__ import annotations

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray, *, debiased: bool = True) -> float:
    """How alike are two spaces by linear CKA?  1 for the same space up to rotation and scale.

    `x` (n, p) and `y` (n, q), rows of the same images.  Debiased (Song et al. 2012), in [-1, 1], it is 0 on average
    for unrelated images; as first published (arXiv 1905.00414), in [0, 1], unrelated images read
    sqrt(PR(x) PR(y)) / (n - 1) with PR the participation ratio, which is near 1 where n is below the width.
    ValueError for rows that do not match, constant features, and fewer than 4 rows (2 if not debiased).

    Caveat: Undebiased, it grows as images become fewer or dimensions more: never compare it across either.
    """
    x, y = _matching(x, y, 4 if debiased else 2)
    squares = (((x.T @ y) ** 2).sum(), ((x.T @ x) ** 2).sum(), ((y.T @ y) ** 2).sum())
    return cka_of(squares, (x**2).sum(axis=1), (y**2).sum(axis=1), debiased)


def procrustes_distance(x: np.ndarray, y: np.ndarray) -> float:
    """What is left between two spaces after the best rotation?  Squared, in [0, 2]; 0 for the same space.

    `x` (n, p) and `y` (n, q), rows of the same images, centred and scaled to length one (arXiv 2108.01661); the
    narrower is thought of as padded with zeros.  Its root is a metric.  ValueError as for `linear_cka`.

    Caveat: Unrelated images read well below 2 where n is not far above the widths: look at the shuffled control.
    """
    x, y = _matching(x, y, 2)
    return max(0.0, 2 - 2 * nuclear(x.T @ y))


def rank_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Are images far apart in one space far apart in the other?  Spearman correlation of distances, in [-1, 1].

    `x` (n, p) and `y` (n, q), rows of the same images; Euclidean distances of all pairs, so memory grows with n
    squared (1,000 images: 20 MB).  ValueError as for `linear_cka`.

    Caveat: Most pairs of images are far apart, so it speaks of the coarse layout and hardly of near neighbours.
    """
    x, y = _matching(x, y, 3)
    a, b = distance_ranks(x).ravel(), distance_ranks(y).ravel()  # about their mean
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _matching(x: np.ndarray, y: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < least:
        raise ValueError(
            f"Two spaces are compared row by row, (n, p) with (n, q) for at least {least} images; got {x.shape} and "
            f"{y.shape}."
        )
    for which, rows in (("first", x), ("second", y)):
        if not np.isfinite(rows).all():
            raise ValueError(f"The {which} features hold NaN or infinite values; drop those rows.")
        if np.ptp(rows, axis=0).max() <= 1e-12 * np.abs(rows).max():
            raise ValueError(f"The {which} features are the same for all images, so there is no geometry to compare.")
    return scaled(x), scaled(y)


def scaled(x: np.ndarray) -> np.ndarray:
    """The rows in float64, centred, with squared lengths that sum to 1: what is left of a space once shift and scale
    do not count.  No wider than there are rows: turning them into the space they span changes no distance.
    """
    x = x.astype(np.float64)
    x -= x.mean(axis=0)
    x /= np.abs(x).max()  # so that no square over- or underflows
    x /= np.sqrt((x**2).sum())
    return np.asarray(np.linalg.qr(x.T, mode="r")).T if x.shape[1] > len(x) else x


def cka_of(squares: tuple[float, float, float], u: np.ndarray, v: np.ndarray, debiased: bool = True) -> float:
    """CKA from squared Frobenius norms of x^T y, x^T x, y^T y and the squared lengths of the centred rows, (n,) each.

    NaN where a space has nothing but a single image apart from all others, which debiasing leaves without any spread.
    """
    n, products = len(u), list(squares)
    if debiased:
        for i, (one, other) in enumerate(((u, v), (u, u), (v, v))):
            products[i] += one.sum() * other.sum() / ((n - 1) * (n - 2)) - n / (n - 2) * (one @ other)
    xy, xx, yy = products
    if min(xx / u.sum() ** 2, yy / v.sum() ** 2) < 1e-12:
        return float("nan")
    return float(xy / np.sqrt(xx * yy))


def nuclear(matrix: np.ndarray) -> float:
    """The sum of the singular values; from the smaller Gram matrix, which is many times faster than an SVD."""
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)).sum())


def distance_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of the Euclidean distances of all pairs, as a symmetric matrix (n, n) with zeros on its diagonal.

    Minus their mean; equal distances share the mean of their ranks.  In float32, which hides rounding of the products.
    """
    from scipy.spatial.distance import squareform

    squared = np.einsum("nd,nd->n", x, x)
    distances = (squared[:, None] + squared - 2 * x @ x.T)[np.tri(len(x), k=-1, dtype=bool).T]
    distances[distances < 1e-13 * squared.max()] = 0  # rows that are the same
    values = distances.astype(np.float32)
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(starts[1:], len(ordered))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends - len(ordered)) / 2, ends - starts)
    return squareform(ranks)
