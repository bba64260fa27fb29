"""Distances between two samples of features: held-out domain classifier, kernel (MMD), means and covariances (Frechet)."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.probes.standardization import standardization
from sslviz.statistics import balanced_mean

DOMAIN_PENALTY = 0.01  # scikit-learn's C of the domain classifier; fixed, so that no image chooses it


def domain_accuracy(x: np.ndarray, y: np.ndarray, folds_x: np.ndarray, folds_y: np.ndarray) -> np.ndarray:
    """Whether a linear classifier that did not see a row tells its sample: (n + m,) bool, first those of `x`.

    `folds_x` (n,) and `folds_y` (m,) are 0 or 1: rows of each fold are read by a logistic regression fitted on the other
    fold.  A classifier that is scored on its own rows tells any two samples apart once there are as many columns as rows.
    """
    from sklearn.linear_model import LogisticRegression

    both, fold = np.concatenate([x, y]), np.concatenate([folds_x, folds_y])
    domain = np.repeat([0, 1], [len(x), len(y)])
    right = np.zeros(len(both), bool)
    for k in (0, 1):
        fitted, scored = fold != k, fold == k
        standard = standardization(both[fitted])
        model = LogisticRegression(C=DOMAIN_PENALTY, class_weight="balanced", max_iter=200, tol=1e-3)
        model.fit(standard(both[fitted]), domain[fitted])
        right[scored] = model.predict(standard(both[scored])) == domain[scored]
    return right


def proxy_a(right: np.ndarray, domain: np.ndarray) -> float:
    """The proxy A-distance, 2 (1 - 2 error): 0 where samples cannot be told apart, 2 where always; below 0 by luck."""
    return 2 * (2 * balanced_mean(right.astype(float), domain) - 1)


def median_distance(x: np.ndarray, most: int = 500) -> float:
    """The median distance between two different rows, by the first `most` of them; 1 where all rows are the same."""
    squares = _squared_distances(x[:most], x[:most])
    return float(np.sqrt(np.median(squares[np.triu_indices(len(squares), 1)]))) or 1.0


def mmd(
    x: np.ndarray,
    y: np.ndarray,
    *,
    bandwidth: float | None = None,
    permutations: int = 0,
    strata: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, np.ndarray]:
    """The squared maximum mean discrepancy of `x` (n, d) and `y` (m, d), and what it reads in random orders of their rows.

    Kernel exp(-|a - b|^2 / (2 s^2)), s the `bandwidth` or the median distance of rows of both.  The estimate is
    unbiased (arXiv 0805.2368), so that it reads 0 on average where there is no difference, and below 0 half of the
    time.  Rows change places only within their stratum, `strata` (n + m,).  Otherwise samples with equal shares of each
    class lie closer than any shuffling, and samples with other shares farther, though no class differs.
    """
    n, m = len(x), len(y)
    group = np.zeros(n + m, int) if strata is None else np.unique(strata, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    rng = np.random.default_rng(seed)
    both = np.concatenate([x, y]).astype(np.float32)
    width = bandwidth or median_distance(rng.permuted(both, axis=0))
    kernel = np.exp(_squared_distances(both, both) / (-2 * width**2))
    np.fill_diagonal(kernel, 0)
    member = np.zeros((n + m, 1 + permutations), np.float32)  # whether a row counts as one of x, column by column
    member[:n] = 1
    for column in range(1, 1 + permutations):
        member[order, column] = member[np.lexsort((rng.random(n + m), group)), 0]
    rows = kernel @ member  # (n + m, 1 + permutations)
    within_x = np.einsum("ij,ij->j", member, rows, dtype=float)
    across = np.einsum("ij,ij->j", 1 - member, rows, dtype=float)
    within_y = kernel.sum(dtype=float) - within_x - 2 * across
    values = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)
    return float(values[0]), values[1:]


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The squared Frechet distance of two normal distributions with the means and covariances of `x` and `y`.

    |difference of means|^2 + tr(S + T - 2 (S T)^(1/2)).  It is biased upwards: two samples of one distribution in d
    columns read about 2 d / n + d (d + 1) / (2 n) where that is white.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    means = x.mean(axis=0) - y.mean(axis=0)
    x, y = ((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    if min(len(x), len(y)) < x.shape[1]:  # tr (S T)^(1/2) is the sum of the singular values of x y', whatever d is
        root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    else:
        values, vectors = np.linalg.eigh(x.T @ x)
        half = vectors * np.sqrt(np.maximum(values, 0))  # S^(1/2), turned
        root = np.sqrt(np.maximum(np.linalg.eigvalsh(half.T @ (y.T @ y) @ half), 0)).sum()
    return float(means @ means + (x**2).sum() + (y**2).sum() - 2 * root)


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, m), centred first, so that a large common offset costs no digits."""
    center = x.mean(axis=0)
    x, y = (x - center).astype(np.float32), (y - center).astype(np.float32)
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * (x @ y.T)
    return np.maximum(squares, 0, out=squares)
