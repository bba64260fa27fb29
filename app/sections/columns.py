"""What are the images taken for?  How they were read, which columns are asked about, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st
from components.diagnose_button import known
from components.html import literal
from components.thumbnails import pictures, thumbnails
from state.selection import Choice, columns_here

from sslviz.data.sampling import spread_rows
from sslviz.features.column_kinds import left_out_lines

SHOWN = 9  # pictures


def source_of_images(choice: Choice) -> None:
    """How the source was read, nine of the pictures, and a row for each column of their table; closed until asked for."""
    columns = columns_here(choice)
    features = next(iter(choice.evidence.values())).features
    asked = [column.name for column in columns if column.asked]
    left = len(columns) - len(asked)
    others = f"; {left} {'column is' if left == 1 else 'columns are'} not" if left else ""
    title = f"{len(features):,} images: asked about {', '.join(asked) or 'no column'}{others}"
    with st.expander(literal(title), icon=":material/rule_folder:"):
        made: Mapping[str, Any] = known(choice) or {}
        if lines := made.get("understood"):
            st.caption("  \n".join(map(literal, lines)))
        if thumbnails(choice) is not None:
            pictures(choice, features.ids[spread_rows(len(features), SHOWN)], size=64)
        rows = [(c.name, c.kind, c.text if c.asked else f"not asked about: {c.text}") for c in columns]
        if rows:
            table = pd.DataFrame(rows, columns=["column", "kind", "what is asked of it, or why nothing is"])
            st.table(table.set_index("column"))


def reasons(choice: Choice) -> None:
    """Why the columns that are not asked about are not, in a line for each reason."""
    for line in left_out_lines(columns_here(choice)):
        st.caption(f":material/block: {literal(line)}")
