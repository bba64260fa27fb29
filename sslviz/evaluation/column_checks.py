"""Column checks: whether what somebody named can be asked about, and how many classes it has."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sslviz.catalog import Entry
from sslviz.data import Images
from sslviz.features.column_kinds import Column, counted_values, describe_column
from sslviz.runs import Run


def check_run_names(runs: Sequence[Run]) -> None:
    """ValueError where there is no run, and where two are called the same: they are told apart by name."""
    if not runs:
        raise ValueError("Name at least one run.")
    if len({run.name for run in runs}) < len(runs):
        names = ", ".join(run.name for run in runs)
        raise ValueError(f"Runs are told apart by name, but two are called the same: {names}.")


def check_columns(
    images: Images,
    fit: Images | None,
    named: Sequence[Entry],
    label: str | None,
    attributes: Sequence[str],
    target: Images | None = None,
) -> None:
    """ValueError where a column is not there or has no classes, where label and attribute are one, or one is wanting."""
    check_named_columns(images.table, None if fit is None else fit.table, label, attributes, images.group)
    for entry in named:
        if entry.scope in ("attribute", "columns") and not attributes:
            raise ValueError(f"{entry.name} asks about an attribute; name a column, e.g. attribute='color'.")
        if entry.needs_target and target is None:
            raise ValueError(f"{entry.name} asks about another domain; name images of it as target (--target).")


def check_named_columns(
    table: pd.DataFrame, fit: pd.DataFrame | None, label: str | None, attributes: Sequence[str], group: str = ""
) -> None:
    """ValueError for a column that is not there or has no classes, and for a label that is an attribute too.

    Also for one of these that keeps images together, or whose classes each consist of images that belong together.
    """
    if group and group in (label, *attributes):
        raise ValueError(
            f"{group!r} keeps images together, so that each of its classes is on one side of every split and nothing can be "
            "asked about it; name another column."
        )
    for column in [*([] if label is None else [label]), *attributes]:
        for side, what in ((table, "The table"), (fit, "The table of the images that are fitted on")):
            if side is not None and column not in side:
                have = ", ".join(map(str, side.columns)) or "none"
                raise ValueError(f"{what} has no column {column!r}; its columns are: {have}.")
        described = _named_column(table, fit, column, group)
        if not described.asked:
            why = f", where images that share their {group} stay together" if group else ""
            raise ValueError(f"Nothing can be asked about {column!r}{why}: {described.left_out}.")
    if label in attributes:
        raise ValueError(f"{label!r} is named as label and as attribute; what it does to itself is no question.")


def usable_class_counts(images: Images, fit: Images | None, names: Sequence[str]) -> dict[str, int]:
    """{column: how many classes it has}, without those of too few images."""
    of_fit = None if fit is None else fit.table
    return {name: _named_column(images.table, of_fit, name, images.group).classes for name in dict.fromkeys(names)}


def _named_column(table: pd.DataFrame, fit: pd.DataFrame | None, name: str, group: str) -> Column:
    of_fit = None if fit is None else counted_values(fit, name, group)
    return describe_column(name, counted_values(table, name, group), of_fit, named=True)
