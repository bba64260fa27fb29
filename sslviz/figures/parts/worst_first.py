"""Which pictures a sheet shows where there is not room for all of them."""

from __future__ import annotations

import numpy as np


def worst_first(there: int, count: int) -> list[int]:
    """`count` of the pictures 0, 1, ..., which go from the worst to the best: one half the worst, the others up to the best."""
    if count >= there:
        return list(range(there))
    worst = -(-count // 2)
    others = np.linspace(worst, there - 1, count - worst).round().astype(int)
    return [*range(worst), *others.tolist()]
