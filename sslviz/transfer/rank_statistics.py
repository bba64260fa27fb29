"""AUROC and false positives at 95 % recall by ranks, and how much each image adds to an AUROC."""

from __future__ import annotations

import numpy as np

from sslviz.statistics import resampled_times


def placements(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """The share of `negative` (m,) scores below each of the `positive` (n,) ones, equal ones counted half: (n,).

    Their mean is the AUROC.  Only the order of scores matters, so no score is squeezed into [0, 1] first.
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return below / (2 * len(ordered))


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The probability that a positive score lies above a negative one, equal ones counted half."""
    return float(placements(positive, negative).mean())


def threshold_at_recall(positive: np.ndarray, recall: float = 0.95) -> float:
    """The highest threshold that at least this share of the positive scores reaches."""
    ordered = np.sort(positive)[::-1]
    return float(ordered[int(np.ceil(recall * len(ordered) - 1e-9)) - 1])


def false_positives(positive: np.ndarray, negative: np.ndarray, recall: float = 0.95) -> float:
    """The share of negative scores that reach the threshold which 95 % of the positive ones reach (FPR95)."""
    return float((negative >= threshold_at_recall(positive, recall)).mean())


def false_positive_draws(
    positive: np.ndarray,
    negative: np.ndarray,
    *,
    draws: int,
    seed: int,
    recall: float = 0.95,
    units: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """The bootstrap of `false_positives`, both sides resampled: (draws,).

    Scores of one of `units` ((n,), (m,)), of each side, are drawn together.
    """
    rng = np.random.default_rng(seed)
    if units is not None:
        times = [resampled_times(np.zeros(len(of)), draws, rng, of).astype(int) for of in units]
        drawn = ((np.repeat(positive, p), np.repeat(negative, n)) for p, n in zip(*times, strict=True))
        return np.array([false_positives(p, n, recall) for p, n in drawn])
    ordered, m = np.sort(negative), len(negative)
    values = np.empty(draws)
    for i in range(draws):
        reached = threshold_at_recall(positive[rng.integers(len(positive), size=len(positive))], recall)
        values[i] = rng.binomial(m, 1 - np.searchsorted(ordered, reached, "left") / m) / m  # of resampled negatives
    return values


def told_apart(strange: np.ndarray, truth: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and FPR95 of each class held out, (h,) each."""
    sides = [(s[truth == code], s[truth != code]) for s, code in zip(strange, held, strict=True)]
    return np.array([auroc(*both) for both in sides]), np.array([false_positives(*both) for both in sides])


def halves_apart(strange: np.ndarray, truth: np.ndarray, held: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same where a random half of the known images takes the place of the novel ones."""
    rng = np.random.default_rng(seed)
    sides = []
    for values, code in zip(strange, held, strict=True):
        known = rng.permutation(values[truth != code])
        sides.append((known[::2], known[1::2] if len(known) > 1 else known))
    return np.array([auroc(*both) for both in sides]), np.array([false_positives(*both) for both in sides])
