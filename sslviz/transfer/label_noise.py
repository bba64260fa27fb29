"""Wrong labels: how they are planted, and what they do to a measured accuracy."""

from __future__ import annotations

import numpy as np

from sslviz.features.columns import place_in_class


def noisy_labels(codes: np.ndarray, classes: int, rate: float, kind: str, seed: int) -> np.ndarray:
    """The codes (n,) with a share `rate` of each class, rounded to whole images, given another class; one image keeps its.

    - "symmetric": any other class with the same probability, so that `rate` is the share of wrong labels
    - "pair": the next class

    Of the same seed, the wrong labels of a lower rate are wrong in the same way at a higher one.
    """
    rng = np.random.default_rng(seed)
    step = np.ones(len(codes), int) if kind == "pair" else rng.integers(1, classes, len(codes))
    size = np.bincount(codes, minlength=classes)
    flipped = place_in_class(codes, seed) < np.minimum(np.round(rate * size), size - 1)[codes]
    return np.where(flipped, (codes + step) % classes, codes)


def noisy_accuracy(accuracy: float, rate: float, classes: int) -> float:
    """The accuracy measured on test labels of which a share `rate` is symmetrically wrong, of a reader this good."""
    return (1 - rate) * accuracy + rate * (1 - accuracy) / (classes - 1)


def clean_accuracy(measured: float, rate: float, classes: int) -> float:
    """The accuracy on true labels, from one measured on labels of which a share `rate` is symmetrically wrong.

    The inverse of `noisy_accuracy`; ValueError for a rate of 1 - 1 / classes, at which labels say nothing.
    """
    kept = 1 - rate - rate / (classes - 1)
    if abs(kept) < 1e-9:
        raise ValueError(f"Of {classes} classes, labels wrong in {rate:.3g} of cases say nothing of the true ones.")
    return (measured - rate / (classes - 1)) / kept
