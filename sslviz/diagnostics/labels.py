"""Which columns of the table can be asked about, and which images answer?"""

from __future__ import annotations

import numpy as np
import pandas as pd

MOST_CLASSES = 50


def probe_labels(table: pd.DataFrame) -> list[str]:
    """Which columns can be probed?  Complete ones of 2 to 50 classes with two images each or more; no fractions.

    `split` is left out, and so is `label` where another column says the same (the shapes' `label` is their `shape`).

    Caveat: Whole numbers with few values count as classes, whether or not they are meant so.
    """
    codes = {str(c): table[c].factorize()[0] for c in table.columns if c != "split" and _is_categorical(table[c])}
    label = codes.pop("label", None)
    said_again = any(label is not None and np.array_equal(label, other) for other in codes.values())
    return ([] if label is None or said_again else ["label"]) + list(codes)


def stratified_half(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Which images are fitted on?  True (n,) for half of each class, drawn with `seed`; the odd image is fitted on.

    Caveat: Images that are nearly the same (frames of one video) land on both sides; split those by hand.
    """
    return place_in_class(np.unique(labels, return_inverse=True)[1], seed) % 2 == 0


def place_in_class(codes: np.ndarray, seed: int) -> np.ndarray:
    """0, 1, 2, ... for the images of each class in random order, (n,)."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]  # class by class
    sizes = np.bincount(codes)
    place = np.empty(len(codes), dtype=int)
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def _is_categorical(column: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(column) or column.isna().any():
        return False
    counts = column.value_counts()
    counts = counts[counts > 0]  # a pandas category may hold names that no image has
    return 2 <= len(counts) <= MOST_CLASSES and counts.min() >= 2
