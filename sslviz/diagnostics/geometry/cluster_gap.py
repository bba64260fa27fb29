"""Do the images fall into heaps?  From the distances between a sample of them, without labels."""

from __future__ import annotations

import numpy as np

from sslviz.statistics import delete_groups

SAMPLE = 1000  # images whose distances are looked at
SMALLEST_HEAP, HEAP_SHARE = 6, 0.02  # images, and of the sample: repeated images and stray ones are no heap
MOST_IN_ONE = 0.9  # of the sample: beyond it there is one heap and some strays
LARGEST_GAP = 1000.0  # told apart; heaps of identical images have no finite one


def nearest_first(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far is every other row of `x` (n, d), nearest first?  Row numbers and Euclidean distances, (n, n - 1) each.

    Caveat: All pairs are held at once, 12 bytes each: meant for a thousand rows, not for all of them.
    """
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)  # the formula below loses the digits that a common offset takes
    squares = np.einsum("nd,nd->n", x, x)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)).astype(np.float32)
    np.fill_diagonal(distances, -1)  # itself comes first, also before its duplicates
    order = distances.argsort(axis=1)[:, 1:]
    return order, np.take_along_axis(distances, order, axis=1)


def heaps(distances: np.ndarray) -> dict[str, float]:
    """Do images fall into heaps?  `distances` (n, n - 1) of each to the others, nearest first.

    For every image, the largest ratio of two neighbouring distances: between the last image of its heap and the first
    beyond.  Returns the median `cluster_gap` over images, the number of `heaps` (the sum of one over the size of one's
    own), and how far apart two of a heap are as a share of two of different heaps (`within`, root mean squares).

    Caveat: Where the gap is small there are no heaps, and their number and width mean nothing.
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
    """For every image the largest gap among its sorted distances, and how many images lie before it, itself included."""
    n = len(distances)
    least = distances.mean() / LARGEST_GAP
    if least == 0:
        return np.ones(n), np.full(n, n)
    smallest = max(SMALLEST_HEAP, int(np.ceil(HEAP_SHARE * n)))
    far = np.maximum(distances[:, smallest - 2 : max(smallest, int(MOST_IN_ONE * n))], least)
    ratios = far[:, 1:] / far[:, :-1]
    largest = ratios.argmax(axis=1)
    return ratios[np.arange(n), largest], smallest + largest


def heaps_beside_noise(
    x: np.ndarray, eigenvalues: np.ndarray, seed: int = 0
) -> tuple[dict[str, float], float, np.ndarray]:
    """Do images fall into heaps, and would noise?  Of `x` (n, d), whose covariance has these `eigenvalues`.

    Returns what `heaps` says of a sample of at most 1,000 rows, the median gap in Gaussian noise of the same covariance
    and number, and the median gaps without each tenth of the rows (none for fewer than 20).

    Caveat: A heap of fewer than six images, or of fewer than a fiftieth of them, is not seen.
    """
    n = len(x)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n)[:SAMPLE])
    order, distances = nearest_first(x[rows])
    noise = rng.standard_normal((len(rows), len(eigenvalues))) * np.sqrt(eigenvalues)
    group = delete_groups(n, seed=seed)[rows]
    without = []
    for g in range(group.max() + 1) if group.any() else ():
        kept = group != g
        near = distances[kept][kept[order[kept]]]  # each row loses as many neighbours: those of the group
        without.append(np.median(_gaps(near.reshape(kept.sum(), kept.sum() - 1))[0]))
    return heaps(distances), float(np.median(_gaps(nearest_first(noise)[1])[0])), np.array(without)
