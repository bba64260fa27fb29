"""Which pictures a sheet shows where there is not room for all of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sslviz.figures.parts.saliency_sheet import MOST


def worst_first(there: int, count: int) -> list[int]:
    """`count` of the pictures 0, 1, ..., which go from the worst to the best: one half the worst, the others up to the best."""
    if count >= there:
        return list(range(there))
    worst = -(-count // 2)
    others = np.linspace(worst, there - 1, count - worst).round().astype(int)
    return [*range(worst), *others.tolist()]


def worst_of_each(
    there: Mapping[str, int], columns: int, *, panels: int = 1, rows: int = 1
) -> tuple[int, dict[str, list[int]]]:
    """How many pictures stand side by side, and which of its pictures, the worst first, each checkpoint shows.

    - there: {checkpoint: how many pictures it can show}
    - columns: side by side at most
    - panels: what is shown of one picture, one below the other
    - rows: of pictures of one checkpoint at most

    A sheet holds `MOST` panels, so that there are fewer columns and rows where there are many checkpoints.
    """
    least = min(there.values())
    columns = max(1, min(columns, MOST // (panels * len(there)), least))
    rows = max(1, min(rows, MOST // (columns * panels * len(there)), least // columns))
    return columns, {name: worst_first(n, columns * rows) for name, n in there.items()}
