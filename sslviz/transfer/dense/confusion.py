"""What is taken for what, pixel by pixel: counts of each picture, and the overlap of classes that follows from their sum."""

from __future__ import annotations

import numpy as np

DRAWS = 1000
_CELLS = 2**24  # of all draws' counts at once


def confusions(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """How many pixels of each class are taken for which: int32 (n, true class, predicted class).

    `truth` and `predicted` (n, h, w) are numbers of classes; pixels whose truth is negative are not counted.
    """
    counts = np.empty((len(truth), n_classes, n_classes), np.int32)
    for i, (true, guess) in enumerate(zip(truth, predicted, strict=True)):
        known = true >= 0
        pair = true[known].astype(int) * n_classes + guess[known]
        counts[i] = np.bincount(pair, minlength=n_classes**2).reshape(n_classes, n_classes)
    return counts


def overlaps(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, (..., c), of counts (..., c, c); NaN for one neither there nor predicted."""
    both = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    union = counts.sum(-1) + counts.sum(-2) - both
    return np.divide(both, union, out=np.full(both.shape, np.nan), where=union > 0)


def mean_overlap(counts: np.ndarray) -> np.ndarray:
    """The mean of `overlaps` over the classes that are there or predicted, (...); NaN where no pixel is known."""
    each = overlaps(counts)
    there = np.isfinite(each)
    total = np.where(there, each, 0).sum(-1)
    return np.divide(total, there.sum(-1), out=np.full(total.shape, np.nan), where=there.any(-1))


def overlap_draws(counts: np.ndarray, seed: int, units: np.ndarray | None = None) -> np.ndarray:
    """`overlaps` (draws, c) of pictures drawn again, each with all its pixels: those of one picture go together.

    Pictures of one of `units` (n,) go together too.
    """
    if units is not None:  # the sums of whole units, drawn again
        unit = np.unique(units, return_inverse=True)[1]
        whole = np.zeros((unit.max() + 1, *counts.shape[1:]), np.int64)
        np.add.at(whole, unit, counts)
        return overlap_draws(whole, seed)
    n, c, _ = counts.shape
    rng = np.random.default_rng(seed)
    flat, found = counts.reshape(n, c * c).astype(np.float64), []
    step = max(1, _CELLS // (c * c))
    for start in range(0, DRAWS, step):
        times = rng.multinomial(n, np.full(n, 1 / n), size=min(step, DRAWS - start))
        found.append(overlaps((times @ flat).reshape(-1, c, c)))
    return np.concatenate(found)
