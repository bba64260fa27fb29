"""How the methods of the library compare: the stored table of a study, family by family."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from components.html import literal

from sslviz.evaluation.study.stored import read_study
from sslviz.statistics import Score

FAMILY, CONTROL = "family", "untrained"
AFTER_SCORES = ("rankme", "verdict", "reason", "steps", "views", "images_per_second", "seconds", "memory_gb")
LIMITS = "Small pictures and short trainings rank methods otherwise than large ones do."


def show() -> None:
    """The table, a row for each method; nothing where none is stored."""
    table = read_study()
    if table.empty:
        return
    st.subheader("How do the methods compare?", anchor=False)
    scored = as_scores(by_family(table))
    shown, same = without_constants(scored.drop(columns=[column for column in scored if column.startswith("beats_")]))
    later = [column for column in AFTER_SCORES if column in shown]
    shown = shown[[*shown.columns.drop(later), *later]].rename(columns=lambda column: column.replace("_", " "))
    st.dataframe(shown, hide_index=True, alt="What each method learned in the study, family by family")
    beside = (
        f"Beside each number its interval, and the encoder {CONTROL} (control)." if "vs" in shown.to_string() else ""
    )
    st.caption(" ".join(filter(None, [literal(same), beside, LIMITS])))


def by_family(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of one family beside each other, the families in the order in which they come, named in the first column."""
    if FAMILY not in table:
        return table
    places = {family: place for place, family in enumerate(dict.fromkeys(table[FAMILY]))}
    table = table.sort_values(FAMILY, key=lambda column: column.map(places), kind="stable")
    return table[[FAMILY, *table.columns.drop(FAMILY)]]


def as_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Columns x, x_low, x_high and those of the untrained encoder as one column x, "0.62 [0.60, 0.64]  vs 0.41 untrained"."""
    table = table.copy()
    for name in [column for column in table if {f"{column}_low", f"{column}_high"} <= {*table.columns}]:
        if name not in table:  # the untrained encoder's, which went with the score it belongs to
            continue
        ends, control = table[[f"{name}_low", f"{name}_high"]], table.get(f"{name}_{CONTROL}")
        scores = [
            Score(value, *_known(low, high), {} if control is None else {CONTROL: control[row]})
            for row, value, low, high in zip(table.index, table[name], *ends.T.to_numpy(), strict=True)
        ]
        table[name] = ["" if pd.isna(score.value) else str(score) for score in scores]
        table = table.drop(columns=[column for column in table if column.startswith(f"{name}_")])
    return table


def without_constants(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The table without columns that say the same of every method, as hardware, date and budget do; and what they say."""
    same = [
        column for column in table if len(table) > 1 and column != FAMILY and table[column].nunique(dropna=False) == 1
    ]
    said = [f"{column.replace('_', ' ')} {table[column].iloc[0]}" for column in same if pd.notna(table[column].iloc[0])]
    return table.drop(columns=same), f"The same for all of them: {', '.join(said)}." if said else ""


def _known(low: float, high: float) -> tuple[float, float] | tuple[None, None]:
    return (None, None) if pd.isna(low) or pd.isna(high) else (float(low), float(high))
