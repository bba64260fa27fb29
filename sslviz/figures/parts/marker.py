"""Vertical lines through the panels of a figure: where each checkpoint stands."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go


def mark(fig: go.Figure, at: Mapping[str, float], palette: Mapping[str, str]) -> None:
    """Draws a line at {checkpoint: x} through every panel, in the checkpoint's colour; of equal ones the first is seen."""
    places = {x: name for name, x in reversed(list(at.items()))}
    panels = {(trace.xaxis or "x", trace.yaxis or "y") for trace in fig.data}
    for across, up in sorted(panels):
        for x, name in places.items():
            line = {"color": palette[name], "width": 1.5, "dash": "dash"}
            place = {"x0": x, "x1": x, "y0": 0, "y1": 1, "xref": across, "yref": f"{up} domain"}
            fig.add_shape(type="line", line=line, layer="below", **place)
