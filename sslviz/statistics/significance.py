"""Permutation p-values, p-values of intervals, corrections for many tests (Holm, Benjamini and Hochberg), and power."""

from __future__ import annotations

import math

import numpy as np

from sslviz.statistics.score import Score

POWER_80 = 2.8  # standard errors from nothing, 1.96 + 0.84: what is found in 80 of 100 samples at the 5 % level
POWER_80_PAST_THRESHOLD = 0.84  # standard errors beyond a threshold at which it is passed in 80 of 100 samples
WIDTH_95 = 3.92  # standard errors from end to end of a 95 % interval, by the normal distribution


def permutation_p(value: float, null: np.ndarray) -> float:
    """The one-sided p-value of a permutation test: (1 + draws of `null` (b,) that reach the value) / (1 + b).

    Counting the value itself among the draws keeps the test exact, so p is 1 / (1 + b) at the least.  A draw that equals
    the value but for rounding reaches it.
    """
    slack = 1e-9 * max(1.0, abs(value))
    return float((1 + np.count_nonzero(null >= value - slack)) / (1 + len(null)))


def p_beyond(score: Score, null: float = 0.0) -> float:
    """The two-sided p-value of a score if the truth were `null`, with the error of a normal 95 % interval.

    It is 1 without an interval, and where the interval is a point at `null`.
    """
    if score.low is None or score.high is None:
        return 1.0
    error = (score.high - score.low) / WIDTH_95
    distance = abs(score.value - null)
    if error == 0:
        return 0.0 if distance else 1.0
    return math.erfc(distance / error / math.sqrt(2))


def least_found(score: Score) -> float | None:
    """The least distance from nothing at which such a score is found in 80 of 100 samples; None without an interval."""
    if score.low is None or score.high is None:
        return None
    return POWER_80 * (score.high - score.low) / WIDTH_95


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, in the shape of `p`, for claims of which none may be false.

    All below 0.05 may be claimed: the chance that any of them is false is at most 5 %, whatever their dependence.
    """
    flat = np.ravel(np.asarray(p, dtype=float))
    order = np.argsort(flat)
    adjusted = np.empty(len(flat))
    adjusted[order] = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    return np.minimum(adjusted, 1).reshape(np.shape(p))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values for the false discovery rate (Benjamini and Hochberg 1995), in the shape of `p`.

    Of those below 0.05, 5 % are expected to be false, where tests are independent or positively dependent.  That is
    enough to explore with; to confirm, use `holm`.
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.asarray(p, dtype=float), axis=None)).reshape(np.shape(p))
