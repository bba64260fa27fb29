"""Rows of a table that a question of some columns can be asked of, and how many are left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslviz.data.grouping import unit_names
from sslviz.features.column_kinds import LEAST_PER_CLASS, class_counts, class_texts, counted_once, usable_classes
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
    keep = [np.ones(len(side), bool) for side in sides]
    left_out: dict[str, int] = {}

    def drop(side: int, rows: np.ndarray, why: str) -> bool:
        rows = rows & keep[side]
        if rows.any():
            left_out[why] = left_out.get(why, 0) + int(rows.sum())
            keep[side] = keep[side] & ~rows
        return bool(rows.any())

    for side, named in enumerate(texts):
        for name, text in named.items():
            drop(side, text.isna().to_numpy(), f"no value of {name}")
    units = [unit_names(side, group, np.arange(len(side))) for side in sides] if group else []
    if group and fit is not None:
        shared = np.isin(units[1], units[0][keep[0]]) & fit[group].notna().to_numpy()
        drop(1, shared, f"they are to be fitted on, but their {group} is scored")
    changed = True
    while changed:
        changed = False
        for name in columns:
            here = [named[name][rows] for named, rows in zip(texts, keep, strict=True)]
            if group:
                named_units = zip(here, units, keep, strict=True)
                here = [text[counted_once(text, unit[rows])] for text, unit, rows in named_units]
            _, small = usable_classes(here[0], here[1] if fit is not None else None, least)
            lacking = set(small) - set(class_counts(here[-1]).index)
            few = [one for one in small if one not in lacking]
            too_few = f"images of too few different {group}" if group else "too few images"
            why = f"{name} {_listed(few)} {'has' if len(few) == 1 else 'have'} {too_few} to fit on and to score"
            changed |= drop(0, texts[0][name].isin(few).to_numpy(), why)
            why = f"no image that is fitted on has {name} {_listed(sorted(lacking))}"
            changed |= drop(0, texts[0][name].isin(lacking).to_numpy(), why)
        if varying and len(columns) == 2:
            for side, named in enumerate(texts):
                same = _unvarying(named[columns[0]][keep[side]], named[columns[1]][keep[side]])
                why = f"{columns[0]} {_listed(same)} {'shows' if len(same) == 1 else 'show'} one {columns[1]} only"
                for other, theirs in enumerate(texts):
                    changed |= drop(other, theirs[columns[0]].isin(same).to_numpy(), why)
    return CompleteRows(keep[0], keep[1] if fit is not None else None, left_out)


def kept(features: Features, ids: np.ndarray) -> Features:
    """The features of the images with these ids, in their own order; the same ones where all are kept."""
    keep = np.isin(features.ids, ids)
    return features if keep.all() else features.rows(keep)


def _unvarying(label: pd.Series, attribute: pd.Series) -> list[str]:
    """The classes whose images all have the same value."""
    values = attribute.groupby(label).nunique()
    return sorted(values.index[values < 2])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
