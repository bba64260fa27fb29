"""Errors of slices beyond luck: what random slices of the same predictions show, and the p of each slice against them."""

from __future__ import annotations

import numpy as np

from sslviz.statistics import permutation_p, wilson

DRAWS = 2000  # of errors by luck


def judged_slices(wrong: np.ndarray, predicted: np.ndarray, membership: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Sizes, errors, interval, expectation, reach and p of slices, from errors (n,), predictions (n,) and members (n, s).

    No image is a member of two slices.
    """
    sizes = membership.sum(axis=0)
    excess = ExcessErrors(wrong, predicted, membership)
    worst = excess.standardized(_errors_by_luck(wrong, predicted, membership, seed)).max(axis=-1)
    errors = wrong @ membership
    low, high = wilson(errors / sizes, sizes)
    return {
        "sizes": sizes,
        "errors": errors / sizes,
        "low": low,
        "high": high,
        "expected": excess.expected / sizes,
        "reach": np.minimum((excess.expected + np.quantile(worst, 0.95) * excess.spread) / sizes, 1),
        "p_corrected": np.array([permutation_p(value, worst) for value in excess.standardized(errors)]),
    }


class ExcessErrors:
    """Errors of slices beyond those of random slices with the same predictions, in standard deviations.

    `wrong` (..., n) may be many assignments of errors at once.

    - expected, spread: mean and standard deviation of a random slice's errors, (..., s)
    """

    def __init__(self, wrong: np.ndarray, predicted: np.ndarray, membership: np.ndarray) -> None:
        order = np.argsort(predicted, kind="stable")
        _, starts, n = np.unique(predicted[order], return_index=True, return_counts=True)
        rate = np.add.reduceat(wrong[..., order], starts, axis=-1) / n  # (..., c)
        drawn = np.add.reduceat(membership[order].astype(float), starts, axis=0)  # from each prediction, (c, s)
        self.expected = rate @ drawn
        hypergeometric = drawn * (n[:, None] - drawn) / np.maximum(n - 1, 1)[:, None]
        self.spread = np.sqrt((rate * (1 - rate)) @ hypergeometric)

    def standardized(self, errors: np.ndarray) -> np.ndarray:
        """For errors in each slice (..., s): as many numbers; 0 where luck has no say."""
        excess = errors - self.expected
        return np.divide(excess, self.spread, out=np.zeros_like(excess), where=self.spread > 1e-9)


def _errors_by_luck(wrong: np.ndarray, predicted: np.ndarray, membership: np.ndarray, seed: int) -> np.ndarray:
    """The errors in each slice with errors in another order within each prediction, (DRAWS, s).

    Which of a prediction's errors fall into which slice is a draw without replacement, so that nothing needs shuffling.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros((DRAWS, membership.shape[1]))
    for c in np.unique(predicted):
        own = predicted == c
        inside = membership[own].sum(axis=0)
        places = np.append(inside, own.sum() - inside.sum())  # the last are of no slice
        drawn += rng.multivariate_hypergeometric(places, int(wrong[own].sum()), size=DRAWS)[:, :-1]
    return drawn
