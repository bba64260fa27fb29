"""Charts with their caption, caveat and scores, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from state.selection import Choice, caution

from sslviz.catalog import find_entry
from sslviz.figures import score_bars
from sslviz.figures.parts import theme
from sslviz.figures.parts.highlight import highlight

SCORES = "All its scores beside their controls"
FEW_BUTTONS = {"modeBarButtonsToRemove": ["zoom2d", "zoomIn2d", "zoomOut2d", "autoScale2d"], "displaylogo": False}


def chart(fig: go.Figure, choice: Choice, key: str, *, caveat: str | None = "", **options: Any) -> Any:
    """A figure in the page's light or dark; under it its own caption and the caveat, or, with caveat=None, nothing.

    Returns what was selected in it, where `options` (Streamlit's own) ask for that.
    """
    if choice.run:
        highlight(fig, choice.run, choice.evidence)
    if choice.dark:  # light is what every figure is finished in
        theme.apply(fig, dark=True)
    event = st.plotly_chart(fig, theme=None, key=key, alt=fig.layout.meta["alt"], config=FEW_BUTTONS, **options)
    if caveat is not None:
        st.caption(f"{fig.layout.meta['caption']} {caveat}")
    return event


def section(choice: Choice, name: str, results: Mapping[str, Any]) -> None:
    """One diagnostic of the catalog: its figure with the caveat and, folded away, all its scores beside their controls."""
    if not results:
        return
    entry = find_entry(name)
    if len(results) > 1 and "fit" in entry.options and (said := caution(choice)):
        st.caption(f":material/warning: {said}")
    chart(entry.figure(results, colors=choice.colors), choice, f"figure {name}", caveat=entry.caveat)
    if not entry.figure_has_scores:
        many = len(results) > theme.MANY  # hundreds of bars, which are drawn once they are asked for
        key = f"open scores {name}"
        box = st.expander(
            SCORES, icon=":material/align_horizontal_left:", key=key, on_change="rerun" if many else "ignore"
        )
        if box.open or not many:
            scores = {run: result.scores() for run, result in results.items()}
            with box:
                chart(score_bars(scores, colors=choice.colors), choice, f"scores {name}")
