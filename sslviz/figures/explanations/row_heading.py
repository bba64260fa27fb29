"""The heading above a row of panels."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go


def add_heading(fig: go.Figure, text: str, top: float, **options: Any) -> None:
    """Writes HTML above the row whose upper edge is at `top`, as a share of the figure's height, flush left."""
    fig.add_annotation(
        text=text,
        x=0,
        y=top,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        align="left",
        showarrow=False,
        font={"size": 12},
        **options,
    )
