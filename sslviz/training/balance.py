"""Balance: how often each picture is drawn where groups of pictures are to be seen equally often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sslviz.features.class_names import class_texts
from sslviz.features.column_kinds import describe_column

MISSING = "no value"  # the group of the pictures whose column is empty


@dataclass(frozen=True, eq=False)
class Balance:
    """Chances by which pictures are drawn, so that every group has the same share of what is drawn.

    - column: what the groups are of; several columns are divided by commas, and each combination is a group
    - groups: {group: pictures in it}, the largest first
    - chances: of each picture in a draw, float64 (n,), summing to one
    """

    column: str
    groups: dict[str, int]
    chances: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """As run.json holds it: the groups, and the smallest and largest share before and after."""
        n, after = sum(self.groups.values()), 1 / len(self.groups)
        before = [min(self.groups.values()) / n, max(self.groups.values()) / n]
        return {"column": self.column, "groups": self.groups, "before": before, "after": [after, after]}

    def __str__(self) -> str:
        """What is done, in one line."""
        least, most = self.to_dict()["before"]
        gaps = ", those without a value as one of them" if any(MISSING in group for group in self.groups) else ""
        return (
            f"balance: {len(self.groups)} groups of {self.column} are drawn equally often, {1 / len(self.groups):.1%} "
            f"each{gaps}; the smallest is {least:.1%} of the images, the largest {most:.1%}."
        )


def balanced(table: pd.DataFrame, column: str) -> Balance:
    """The chances that make all groups of this column, or of these ("label,background"), equally frequent.

    Images without a value are a group of their own.  ValueError for columns that do not exist or hold no groups.
    """
    names = [name.strip() for name in column.split(",")]
    texts = pd.DataFrame({name: _texts(table, name) for name in names})
    group = texts.agg(", ".join, axis=1) if len(names) > 1 else texts[names[0]]
    counts = group.value_counts()
    chances = 1 / (len(counts) * group.map(counts).to_numpy(np.float64))
    return Balance(", ".join(names), {str(name): int(n) for name, n in counts.items()}, chances)


def _texts(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        raise ValueError(f"balance names no column {name!r}; the images have: {', '.join(table.columns) or 'none'}.")
    column = table[name]
    texts = class_texts(column).fillna(MISSING)
    if texts.nunique() < 2:
        raise ValueError(
            f"All images have the {name!r} {texts.iloc[0]!r}, so there is nothing to balance; choose another column."
        )
    told = describe_column(name, column)
    if told.kind not in ("classes", "whole numbers", "constant"):
        raise ValueError(f"The column {name!r} holds no groups to balance ({told.text}); choose another column.")
    return texts
