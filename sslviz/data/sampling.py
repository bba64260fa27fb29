"""Evenly spread rows, and the sample that stands for all."""

from __future__ import annotations

import numpy as np


def spread_rows(n: int, count: int, *, nearest: bool = False) -> np.ndarray:
    """At most `count` of the positions below n, evenly spread from the first to the last.

    Rounded down, as the pictures of a limited dataset have always been taken; or with `nearest` to the nearest row.
    """
    positions = np.linspace(0, n - 1, min(count, n))
    return np.unique((positions.round() if nearest else positions).astype(int))


def sample_rows(n: int, most: int | None) -> np.ndarray:
    """Which of `n` images stand for all?  At most `most`, in their order, the same ones for every checkpoint."""
    return np.sort(np.random.default_rng(0).permutation(n)[:most])
