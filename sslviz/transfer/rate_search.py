"""The learning rate by the labelled images alone: a fifth of them is held back, and never an image that is scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sslviz.features.columns import place_in_class

HELD = 5  # one of so many labelled images of each class is held back, at least one


def held_back(codes: np.ndarray, seed: int) -> np.ndarray:
    """Which of the labelled images (n,) the rate is chosen by: a fifth of each class, one at least.

    None where a class has a single one.
    """
    place, counts = place_in_class(codes, seed), np.bincount(codes)
    if counts[counts > 0].min() < 2:
        return np.zeros(len(codes), bool)
    return place < np.maximum(1, counts // HELD)[codes]


def choose_rate(
    rates: Sequence[float],
    codes: np.ndarray,
    seed: int,
    logits_of: Callable[[float, np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """The rate of those that reads the held-back images best; of equals, the one with the least cross-entropy.

    `logits_of(rate, fitted, held)` fits to some rows and gives the logits (m, c) of others.  The middle rate where there
    is a single one, or where no image can be held back.
    """
    held = held_back(codes, seed)
    if len(rates) == 1 or not held.any():
        return float(rates[len(rates) // 2])
    ranks, truth = [], codes[held]
    for rate in rates:
        logits = logits_of(rate, np.flatnonzero(~held), np.flatnonzero(held)).astype(float)
        largest = logits.max(axis=1, keepdims=True)
        log_sum = largest[:, 0] + np.log(np.exp(logits - largest).sum(axis=1))
        loss = (log_sum - logits[np.arange(len(truth)), truth]).mean()
        right = float((logits.argmax(axis=1) == truth).mean())
        ranks.append((right, -float(loss)) if np.isfinite(loss) else (-1.0, 0.0))  # a rate at which it went astray
    return float(rates[ranks.index(max(ranks))])


def fits(rates: Sequence[float], k: int) -> int:
    """How often a network is trained where k images of each class are labelled: once for each rate, and once at last."""
    return 1 + (len(rates) if len(rates) > 1 and k > 1 else 0)
