"""Accuracies of groups under luck: the worst group judged by other images, and extremes with the attribute shuffled."""

from __future__ import annotations

import numpy as np

DRAWS = 2000  # of the attribute shuffled within each class
SPLITS = 400  # of the images into those that name the worst group and those that judge it


def accuracy_by_value(accuracy: np.ndarray, group_value: np.ndarray, m: int) -> np.ndarray:
    """The mean over the groups of each value: (..., g) -> (..., m)."""
    member = (group_value == np.arange(m)[:, None]).astype(float)
    return accuracy @ (member / member.sum(axis=1, keepdims=True)).T


def worst_group(hits: np.ndarray, counts: np.ndarray, seed: int) -> float:
    """The accuracy of the worst group, named by one half of each group's images and judged by the other.

    `hits` and `counts` (g,) are images read rightly and images of each group.  It is the mean over SPLITS, and at most
    the mean over groups, as the worst is never better than all.  With a group of one image it is the lowest accuracy.
    """
    rng = np.random.default_rng(seed)
    if counts.min() < 2:
        return float((hits / counts).min())
    half = counts // 2
    naming_hits = rng.hypergeometric(hits, counts - hits, half, size=(SPLITS, len(counts)))
    worst = (naming_hits / half + 1e-9 * rng.random(naming_hits.shape)).argmin(axis=1)
    judged = ((hits - naming_hits) / (counts - half))[np.arange(SPLITS), worst].mean()
    return float(min(judged, (hits / counts).mean()))


def shuffled_extremes(
    correct: np.ndarray, group: np.ndarray, group_class: np.ndarray, group_value: np.ndarray, m: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The worst group and the disparity with the attribute shuffled within each class, (DRAWS,) each.

    Which of a class's hits fall into which group is then a draw without replacement, so that nothing needs shuffling.
    """
    rng, counts = np.random.default_rng(seed), np.bincount(group)
    hits = np.bincount(group, correct, len(counts)).astype(int)
    accuracy = np.empty((DRAWS, len(counts)))
    for c in np.unique(group_class):
        own = group_class == c
        accuracy[:, own] = rng.multivariate_hypergeometric(counts[own], hits[own].sum(), size=DRAWS) / counts[own]
    return accuracy.min(axis=1), np.ptp(accuracy_by_value(accuracy, group_value, m), axis=1)
