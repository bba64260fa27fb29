"""The questions of a page as the catalog lists them: heading, figure, caveat and scores of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import streamlit as st
from components.charts import section
from sections.columns import reasons
from state.selection import Choice, columns_of, labels_of, results

from sslviz.catalog import Entry, entries_on

Extra = Callable[[Choice, Mapping[str, Any]], None]  # what stands under a figure: a gallery, an editor


def question(choice: Choice, entry: Entry, label: str, attribute: str = "", *, extra: Extra | None = None) -> None:
    """One question under its heading, of the label and the attribute that were chosen."""
    st.subheader(entry.question, anchor=False)
    found = results(choice, entry.name, columns_of(entry, label, attribute))
    section(choice, entry.name, found)
    if extra is not None:
        extra(choice, found)


def questions(choice: Choice, page: str, *, drawn: Collection[str] = ()) -> None:
    """All questions of a page but those it draws itself; each of a label has a box to choose it in."""
    for entry in entries_on(page):
        if entry.name in drawn or entry.scope not in ("checkpoint", "label"):
            continue
        if entry.scope == "checkpoint":
            question(choice, entry, "")
        elif columns := labels_of(choice, entry):
            st.subheader(entry.question, anchor=False)
            label = st.segmented_control(
                "Label", columns, default=columns[0], required=True, key=f"{entry.name}_label", bind="query-params"
            )
            section(choice, entry.name, results(choice, entry.name, (label,)))
        else:
            st.subheader(entry.question, anchor=False)
            st.caption("These images have no column with classes to ask about.")
            reasons(choice)
