"""Which runs are looked at?  A filter by any argument or score."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from sslviz.statistics import Score

FEW_VALUES = 12  # of an argument, that are chosen one by one; more numbers are chosen by their ends


def run_filter(scores: Mapping[str, Mapping[str, Score]], arguments: pd.DataFrame) -> list[str]:
    """The runs that remain; the boxes lie in a popover that says how many these are."""
    values = columns(scores, arguments)
    active = [name for name in st.session_state.get("filter", []) if name in values]
    with st.popover(f"Filter ({len(active)})" if active else "Filter", icon=":material/filter_alt:"):
        chosen = st.multiselect("Filter by", list(values), key="filter", bind="query-params")
        kept = pd.Series(True, values.index)
        for name in chosen:
            kept &= _one(name, values[name])
    names = list(kept.index[kept])
    if len(names) < len(kept):
        st.caption(f"{len(names)} of {len(kept)} runs")
    return names


def columns(scores: Mapping[str, Mapping[str, Score]], arguments: pd.DataFrame) -> pd.DataFrame:
    """A row for each run, a column for each argument and each score, by which runs can be filtered."""
    values = {title: {run: score.value for run, score in of_runs.items()} for title, of_runs in scores.items()}
    return arguments.join(pd.DataFrame(values).reindex(arguments.index))


def _one(name: str, values: pd.Series) -> pd.Series:
    """The box of one argument or score, and which runs it leaves: bool, one for each run."""
    if (
        pd.api.types.is_bool_dtype(values)
        or not pd.api.types.is_numeric_dtype(values)
        or values.nunique() <= FEW_VALUES
    ):
        texts = values.astype(str)
        options = list(dict.fromkeys(texts.loc[values.sort_values(key=_sortable).index]))
        return texts.isin(st.multiselect(name, options, options, key=f"keep {name}", bind="query-params"))
    known = values[values.map(math.isfinite)]
    low, high = float(known.min()), float(known.max())
    ends = st.slider(name, low, high, (low, high), step=(high - low) / 100, key=f"keep {name}", bind="query-params")
    slack = (high - low) / 1000  # the ends of a slider are rounded
    return values.between(ends[0] - slack, ends[1] + slack)


def _sortable(values: pd.Series) -> pd.Series:
    return values if pd.api.types.is_numeric_dtype(values) else values.astype(str)
