"""Errors of slices beyond luck: what random slices of the same predictions show, and the p of each slice against them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sslviz.statistics import permutation_p, wilson
from sslviz.statistics.shuffling import chunks, permuted

DRAWS = 2000  # of errors shuffled within predictions


def judged_slices(wrong: np.ndarray, predicted: np.ndarray, membership: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Sizes, errors, interval, expectation, reach and p of slices, from errors (n,), predictions (n,) and members (n, s)."""
    sizes = membership.sum(axis=0)
    excess = ExcessErrors(wrong, predicted, membership)
    worst = np.concatenate([excess.standardized(drawn).max(axis=-1) for drawn in _shuffled(wrong, predicted, seed)])
    errors = wrong @ membership / sizes
    low, high = wilson(errors, sizes)
    return {
        "sizes": sizes,
        "errors": errors,
        "low": low,
        "high": high,
        "expected": excess.expected / sizes,
        "reach": np.minimum((excess.expected + np.quantile(worst, 0.95) * excess.spread) / sizes, 1),
        "p_corrected": np.array([permutation_p(value, worst) for value in excess.standardized(wrong)]),
    }


class ExcessErrors:
    """Errors of slices beyond those of random slices with the same predictions, in standard deviations.

    - membership: images of each slice, (n, s)
    - expected, spread: mean and standard deviation of a random slice's errors, (s,)
    """

    def __init__(self, wrong: np.ndarray, predicted: np.ndarray, membership: np.ndarray) -> None:
        self.membership = membership.astype(float)
        n, errors = np.bincount(predicted), np.bincount(predicted, wrong)
        drawn = np.stack(
            [membership[predicted == c].sum(axis=0) for c in range(len(n))]
        )  # from each prediction, (c, s)
        n, rate = np.maximum(n, 1)[:, None], (errors / np.maximum(n, 1))[:, None]
        self.expected = (drawn * rate).sum(axis=0)
        variance = drawn * rate * (1 - rate) * (n - drawn) / np.maximum(n - 1, 1)  # hypergeometric
        self.spread = np.sqrt(variance.sum(axis=0))

    def standardized(self, wrong: np.ndarray) -> np.ndarray:
        """For errors (..., n): (..., s); 0 where luck has no say."""
        excess = wrong @ self.membership - self.expected
        return np.divide(excess, self.spread, out=np.zeros_like(excess), where=self.spread > 1e-9)


def _shuffled(wrong: np.ndarray, predicted: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The errors in other orders within each prediction, (b, n) at a time, DRAWS in all."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(predicted == c) for c in np.unique(predicted)]
    for b in chunks(DRAWS, len(wrong)):
        drawn = np.empty((b, len(wrong)))
        for rows in members:
            drawn[:, rows] = permuted(wrong[rows], b, rng)
        yield drawn
