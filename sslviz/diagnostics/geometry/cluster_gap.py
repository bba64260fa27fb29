"""The gap between clusters (heaps) of images, from the distances between a sample of them, without labels."""

from __future__ import annotations

import numpy as np

from sslviz.diagnostics.neighbors.neighbors import power_of_two
from sslviz.statistics import delete_groups

SAMPLE = 1000  # images whose distances are looked at
MIN_HEAP, MIN_HEAP_SHARE = 6, 0.02  # images, and share of the sample: a few repeated or stray images are no heap
MAX_HEAP_SHARE = 0.9  # of the sample: beyond it there is one heap and some strays
MAX_GAP = 1000.0  # a finite value for heaps of identical images


def nearest_first(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and Euclidean distances of every other row of `x` (n, d), nearest first, (n, n - 1) each.

    All pairs are held at once, 12 bytes each: meant for a thousand rows.
    """
    distances = _distances(x)
    order = distances.argsort(axis=1)[:, 1:]
    return order, np.take_along_axis(distances, order, axis=1)


def _distances(x: np.ndarray) -> np.ndarray:
    """Euclidean distances of all pairs of rows of `x` (n, d), (n, n); -1 to itself, which comes before its duplicates."""
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)  # the formula below loses the digits that a common offset takes
    squares = np.einsum("nd,nd->n", x, x)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)).astype(np.float32)
    np.fill_diagonal(distances, -1)
    return distances


def heaps(distances: np.ndarray) -> dict[str, float]:
    """The heaps that images fall into, from the `distances` (n, n - 1) of each to the others, nearest first.

    An image's gap is the largest ratio of two neighbouring distances: its heap ends there.  Where the gap is small
    there are no heaps, and their number and width mean nothing.

    - cluster_gap: the median gap over images
    - heaps: their number, the sum over images of 1 / size of the own heap
    - within: root mean square distance of two images of a heap, as a share of that of two of different heaps
    """
    gaps, sizes = _gaps(distances)
    if distances.max() == 0:  # all images are one and the same
        return {"cluster_gap": 1.0, "heaps": 1.0, "within": 1.0}
    inside = np.arange(distances.shape[1]) < (sizes - 1)[:, None]
    within, between = ((distances[where] ** 2).mean(dtype=float) for where in (inside, ~inside))
    return {
        "cluster_gap": float(np.median(gaps)),
        "heaps": float((1 / sizes).sum()),
        "within": float(np.sqrt(within / between)),
    }


def _gaps(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest gap among the sorted distances of every image, and how many images lie before it, itself included."""
    n = len(distances)
    least = distances.mean() / MAX_GAP
    if least == 0:
        return np.ones(n), np.full(n, n)
    smallest = max(MIN_HEAP, int(np.ceil(MIN_HEAP_SHARE * n)))
    far = np.maximum(distances[:, smallest - 2 : max(smallest, int(MAX_HEAP_SHARE * n))], least)
    ratios = far[:, 1:] / far[:, :-1]
    largest = ratios.argmax(axis=1)
    return ratios[np.arange(n), largest], smallest + largest


def heaps_beside_noise(
    x: np.ndarray, eigenvalues: np.ndarray, seed: int = 0
) -> tuple[dict[str, float], float, np.ndarray]:
    """`heaps` of a sample of at most 1,000 rows of `x` (n, d), beside noise with the same `eigenvalues` of the covariance.

    Returns the heaps, the median gap in as many rows of such Gaussian noise, and the median gaps without each tenth of
    the rows (none for fewer than 20).  A heap of fewer than six images, or of fewer than a fiftieth of them, is not seen.
    """
    n, rng = len(x), np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n)[:SAMPLE])
    unit = power_of_two(x[rows])  # so that no square overflows or vanishes in float32
    order, distances = nearest_first(x[rows] / unit)
    noise = rng.standard_normal((len(rows), len(eigenvalues))) * (np.sqrt(eigenvalues) / unit)
    group = delete_groups(n, seed=seed)[rows].astype(np.int8)
    of_neighbors = group[order]
    without = []
    for g in range(group.max() + 1) if group.any() else ():
        # Each row that stays loses as many neighbours: those of the group.
        near = distances[(of_neighbors != g) & (group != g)[:, None]]
        left = int((group != g).sum())
        without.append(np.median(_gaps(near.reshape(left, left - 1))[0]))
    among_noise = np.sort(_distances(noise), axis=1)[:, 1:]  # many times as fast as with their order
    return heaps(distances), float(np.median(_gaps(among_noise)[0])), np.array(without)
