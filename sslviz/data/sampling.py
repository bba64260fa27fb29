"""Evenly spread rows, and the sample that stands for all."""

from __future__ import annotations

import numpy as np


def spread_rows(n: int, count: int) -> np.ndarray:
    """At most `count` of the positions below n, evenly spread from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(count, n)).astype(int))


def sample_rows(n: int, most: int | None) -> np.ndarray:
    """Which of `n` images stand for all?  At most `most`, in their order, the same ones for every checkpoint."""
    return np.sort(np.random.default_rng(0).permutation(n)[:most])
