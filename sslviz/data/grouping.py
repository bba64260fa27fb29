"""Grouping: rows that belong together, such as pictures by one author or of one object, by a column that names it."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd


class Grouped:
    """Rows with ids and a table, of which those that share a value of the column `group` belong together.

    They stay on one side of every split, and an interval draws them again together: a unit.  Without a `group` each row
    stands for itself, and so does a row without a value.  `Images` and `Features` are such rows; slices keep the group.
    """

    ids: np.ndarray
    table: pd.DataFrame
    group: str

    @cached_property
    def unit_names(self) -> np.ndarray:
        """What each row shares with those of its unit, (n,): the value as text, or its own id; the same in any table."""
        return unit_names(self.table, self.group, self.ids)

    @cached_property
    def units(self) -> np.ndarray | None:
        """The number of each row's unit, (n,); None where each row stands for itself."""
        return pd.factorize(self.unit_names)[0] if self.group else None

    def grouped_by(self, column: str | None) -> Self:
        """The same rows, kept together by this column; by none if it is empty.  ValueError where there is no such column."""
        check_group(self.table, column or "")
        same = copy.copy(self)  # with what was computed of it, as digests say nothing of a group
        object.__setattr__(same, "group", column or "")
        for name in ("unit_names", "units"):
            same.__dict__.pop(name, None)
        return same

    def shares_units_with(self, other: Grouped) -> np.ndarray:
        """Which rows are of a unit of the others, (n,) bool; none without a group."""
        if not self.group:
            return np.zeros(len(self.ids), bool)
        valued = self.table[self.group].notna().to_numpy()  # a row without a value is of no unit but its own
        return valued & np.isin(self.unit_names.astype(str), other.unit_names.astype(str))


def unit_names(table: pd.DataFrame, group: str, ids: np.ndarray) -> np.ndarray:
    """What each row shares with those of its unit, as text (n,): its value of the column `group`, or else its own id."""
    alone = np.array([f"\0{one}" for one in ids], dtype=object)
    if not group:
        return alone
    codes, values = pd.factorize(table[group])
    return np.where(codes < 0, alone, np.array([*map(_text, values), ""], dtype=object)[codes])


def check_group(table: pd.DataFrame, column: str) -> None:
    """ValueError where there is no such column to keep rows together by; an empty name asks for none."""
    if column and column not in table:
        have = ", ".join(map(str, table.columns)) or "none"
        raise ValueError(f"Images cannot be kept together by {column!r}: there is no such column; there are: {have}.")


def _text(value: Any) -> str:
    """A value as it is written; a whole number without its fraction, since gaps make fractions of a column."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
