"""Rows of a table that a question of some columns can be asked of, and how many are left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslviz.data.grouping import unit_names
from sslviz.features.class_names import LEAST_PER_CLASS, class_counts, class_texts, usable_classes
from sslviz.features.column_kinds import counted_once
from sslviz.features.features import Features

NAMED = 3  # classes that a reason names


@dataclass(frozen=True, eq=False)
class CompleteRows:
    """Which images a question can be asked of.

    - keep: those that are scored, (n,) bool
    - keep_fit: those of the images fitted on, (m,) bool; None where one half of the same images is fitted on
    - left_out: {reason: images}, of both
    """

    keep: np.ndarray
    keep_fit: np.ndarray | None
    left_out: dict[str, int]

    @property
    def all(self) -> bool:
        """Whether none is left out."""
        return bool(self.keep.all() and (self.keep_fit is None or self.keep_fit.all()))

    def sentences(self) -> list[str]:
        """A sentence for each reason."""
        return left_out_sentences(self.left_out)


def left_out_sentences(left_out: Mapping[str, int]) -> list[str]:
    """A sentence for each reason {reason: images}."""
    return [f"{n:,} {'image' if n == 1 else 'images'} left out: {why}." for why, n in left_out.items()]


def complete_rows(
    table: pd.DataFrame,
    fit: pd.DataFrame | None,
    columns: Sequence[str],
    *,
    least: int = LEAST_PER_CLASS,
    varying: bool = False,
    group: str = "",
) -> CompleteRows:
    """The rows with a value in each of the columns, of classes with images enough to score and to fit on.

    - least: images that each class needs where one half of the same images is fitted on
    - varying: whether each class of the first column has to show two values of the second
    - group: the column whose images belong together: they count once for each class, and where some are scored, the
      others are not fitted on
    """
    sides = [table, *([] if fit is None else [fit])]
    texts = [{name: class_texts(side[name]).reset_index(drop=True) for name in columns} for side in sides]
    units = [unit_names(side, group, np.arange(len(side))) for side in sides] if group else []
    rows = _Rows(texts, units, [np.ones(len(side), bool) for side in sides])
    for side, named in enumerate(texts):
        for name, text in named.items():
            rows.drop(side, text.isna().to_numpy(), f"no value of {name}")
    if group and fit is not None:
        shared = np.isin(units[1], units[0][rows.keep[0]]) & fit[group].notna().to_numpy()
        rows.drop(1, shared, f"they are to be fitted on, but their {group} is scored")
    too_few = f"images of too few different {group}" if group else "too few images"
    changed = True
    while changed:  # without some rows, other classes may be too small
        changed = any([rows.drop_small(name, least, too_few) for name in columns])  # a list, so that all are asked
        if varying and len(columns) == 2:
            changed |= rows.drop_unvarying(*columns)
    return CompleteRows(rows.keep[0], rows.keep[1] if fit is not None else None, rows.left_out)


class _Rows:
    """The rows of the images scored, and of those fitted on, that are still kept.

    - texts: for each side the classes of its columns, {column: (n,)}
    - units: for each side what each row belongs to, (n,); empty where each stands for itself
    - keep: for each side, (n,) bool
    - left_out: {reason: images}
    """

    def __init__(self, texts: list[dict[str, pd.Series]], units: list[np.ndarray], keep: list[np.ndarray]) -> None:
        self.texts, self.units, self.keep, self.left_out = texts, units, keep, dict[str, int]()

    def drop(self, side: int, rows: np.ndarray, why: str) -> bool:
        """Keeps these rows no longer; whether any was kept until now."""
        rows = rows & self.keep[side]
        if rows.any():
            self.left_out[why] = self.left_out.get(why, 0) + int(rows.sum())
            self.keep[side] = self.keep[side] & ~rows
        return bool(rows.any())

    def drop_small(self, name: str, least: int, too_few: str) -> bool:
        """Drops the classes of a column that cannot be scored and fitted on; whether there were any."""
        here = [named[name][rows] for named, rows in zip(self.texts, self.keep, strict=True)]
        if self.units:
            named_units = zip(here, self.units, self.keep, strict=True)
            here = [text[counted_once(text, unit[rows])] for text, unit, rows in named_units]
        _, small = usable_classes(here[0], here[1] if len(here) > 1 else None, least)
        lacking = set(small) - set(class_counts(here[-1]).index)
        few = [one for one in small if one not in lacking]
        of_column = self.texts[0][name]
        why = f"{name} {listed(few)} {'has' if len(few) == 1 else 'have'} {too_few} to fit on and to score"
        changed = self.drop(0, of_column.isin(few).to_numpy(), why)
        why = f"no image that is fitted on has {name} {listed(sorted(lacking))}"
        return self.drop(0, of_column.isin(lacking).to_numpy(), why) or changed

    def drop_unvarying(self, label: str, attribute: str) -> bool:
        """Drops the classes that show one value of the attribute only, on either side; whether there were any."""
        changed = False
        for named, rows in zip(self.texts, self.keep, strict=True):
            same = _unvarying(named[label][rows], named[attribute][rows])
            why = f"{label} {listed(same)} {'shows' if len(same) == 1 else 'show'} one {attribute} only"
            for other, theirs in enumerate(self.texts):
                changed |= self.drop(other, theirs[label].isin(same).to_numpy(), why)
        return changed


def kept(features: Features, ids: np.ndarray) -> Features:
    """The features of the images with these ids, in their own order; the same ones where all are kept."""
    keep = np.isin(features.ids, ids)
    return features if keep.all() else features.rows(keep)


def _unvarying(label: pd.Series, attribute: pd.Series) -> list[str]:
    """The classes whose images all have the same value."""
    values = attribute.groupby(label).nunique()
    return sorted(values.index[values < 2])


def listed(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    return ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
