"""Permutation p-values, corrections for many tests (Holm, Benjamini and Hochberg), and power."""

from __future__ import annotations

import numpy as np

MIN_PER_CLASS = (
    10  # images in the smallest class or group, for an interval: fewer show too little of what chance can do
)
POWER_80 = 2.8  # standard errors from nothing, 1.96 + 0.84: what is found in 80 of 100 samples at the 5 % level
POWER_80_PAST_THRESHOLD = 0.84  # standard errors beyond a threshold at which it is passed in 80 of 100 samples


def permutation_p(value: float, null: np.ndarray) -> float:
    """How often does chance reach this value?  (1 + draws of `null` (b,) that do) / (1 + b), one-sided.

    Counting the value itself among the draws keeps the test exact: it is never 0, and 1 / (1 + b) at the least.  A draw
    that equals the value but for rounding reaches it.
    """
    slack = 1e-9 * max(1.0, abs(value))
    return float((1 + np.count_nonzero(null >= value - slack)) / (1 + len(null)))


def holm(p: np.ndarray) -> np.ndarray:
    """Which of several tests hold, if none may hold by luck?  Holm's adjusted p-values, in the shape of `p`.

    Those below 0.05 may all be claimed: the chance that any of them is false is at most 5 %, whatever their dependence.
    """
    flat = np.ravel(np.asarray(p, dtype=float))
    order = np.argsort(flat)
    adjusted = np.empty(len(flat))
    adjusted[order] = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    return np.minimum(adjusted, 1).reshape(np.shape(p))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Which of a grid of tests are worth following up?  Adjusted p-values, in the shape of `p`.

    Of those below 0.05, 5 % are expected to be false, where tests are independent or positively dependent (Benjamini
    and Hochberg 1995): enough to explore with, too little to confirm with; `holm` is for that.
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.asarray(p, dtype=float), axis=None)).reshape(np.shape(p))
