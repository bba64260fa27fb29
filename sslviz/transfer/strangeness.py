"""How strange an image is beside known ones: distance to neighbours, and to Gaussians of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import unit_rows
from sslviz.diagnostics.probes.standardization import standardization

BLOCK = 2**23  # distances held at a time


def neighbor_distances(queries: np.ndarray, bank: np.ndarray, groups: np.ndarray, k: int) -> np.ndarray:
    """The distances to the `k` nearest of `bank` in each of its groups, as unit vectors, nearest first: (n, groups, k).

    Where a group has fewer, the rest is infinite.  `groups` (m,) are numbers from 0 on.
    """
    rows, columns = unit_rows(queries), unit_rows(bank)
    center = columns.mean(axis=0)  # moves no distance, and lets float32 resolve nearly collapsed features
    rows, columns = rows - center, columns - center
    nearest = np.full((len(rows), groups.max() + 1, k), np.inf, np.float32)
    step = max(1, BLOCK // len(columns))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        squared = (block**2).sum(1)[:, None] + (columns**2).sum(1) - 2 * block @ columns.T
        for group in np.unique(groups):
            own = np.maximum(squared[:, groups == group], 0)
            most = min(k, own.shape[1])
            nearest[start : start + step, group, :most] = np.sort(np.partition(own, most - 1, axis=1)[:, :most], axis=1)
    return np.sqrt(nearest)


def knn_strangeness(queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, held: np.ndarray, k: int) -> np.ndarray:
    """The distance to the k-th neighbour in `bank` without each of the `held` classes in turn: (held, n).

    A held class of -1 is none.  Each class that is held out is a group of its own and all others are one, so that the
    bank is searched once.
    """
    places = np.full(codes.max() + 1, len(held))
    places[held[held >= 0]] = np.flatnonzero(held >= 0)
    nearest = neighbor_distances(queries, bank, places[codes], k)
    everyone = np.arange(nearest.shape[1])
    return np.stack([_kth(nearest[:, everyone != i].reshape(len(queries), -1), k) for i in range(len(held))])


def _kth(distances: np.ndarray, k: int) -> np.ndarray:
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def gaussian_strangeness(
    queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, held: np.ndarray, *, relative: bool
) -> np.ndarray:
    """The squared Mahalanobis distance to the nearest class without each of the `held` ones in turn: (held, n).

    A held class of -1 is none.  One covariance for all classes.  `relative`: less the distance to one Gaussian of all
    known images.
    """
    return np.stack(list(_distances(queries, bank, codes, held, relative)))


def _distances(
    queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, held: np.ndarray, relative: bool
) -> Iterator[np.ndarray]:
    for code in held:
        known, theirs = bank[codes != code], codes[codes != code]
        standard = standardization(known)  # by known images only
        known, asked = standard(known).astype(np.float64), standard(queries).astype(np.float64)
        names, theirs = np.unique(theirs, return_inverse=True)
        means = np.stack([known[theirs == i].mean(axis=0) for i in range(len(names))])
        tied = _whitening(known - means[theirs])
        near = _squared(asked @ tied, means @ tied).min(axis=1)
        if relative:
            mean = known.mean(axis=0)
            whole = _whitening(known - mean)  # divided by the number of images, as the tied one is
            near = near - _squared(asked @ whole, (mean @ whole)[None])[:, 0]
        yield near


def _whitening(centred: np.ndarray) -> Any:
    """W (d, d) with W W' the inverse of the covariance of `centred` rows, shrunk as Ledoit and Wolf do (2004).

    Of fewer images than dimensions the plain covariance has no inverse.
    """
    from sklearn.covariance import ledoit_wolf

    values, vectors = np.linalg.eigh(ledoit_wolf(centred, assume_centered=True)[0])
    return vectors / np.sqrt(np.maximum(values, 1e-12 * max(values.max(), 1e-300)))


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of rows, (n, m)."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def strangeness(
    queries: np.ndarray, bank: np.ndarray, codes: np.ndarray, held: np.ndarray, how: str, k: int
) -> np.ndarray:
    """How strange each image is while a class of the bank is held out, (held, n); a held class of -1 is none."""
    if how == "knn":
        return knn_strangeness(queries, bank, codes, held, k)
    return gaussian_strangeness(queries, bank, codes, held, relative=how == "relative")
