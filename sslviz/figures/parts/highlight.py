"""The run that stands out among many: all others fade."""

from __future__ import annotations

from collections.abc import Collection

import plotly.graph_objects as go

FADED = 0.25  # of full opacity
WIDER = 1.5  # pixels that its lines gain


def highlight(fig: go.Figure, name: str, among: Collection[str]) -> go.Figure:
    """Lets one of these checkpoints stand out in a figure that draws each as traces of its own; returns `fig`.

    A trace is a checkpoint's if its legend group or its name is the checkpoint's.  Controls stay as they are, and so does
    a figure that draws nothing of this checkpoint.
    """
    owned = [(trace, next((n for n in (trace.legendgroup, trace.name) if n in among), None)) for trace in fig.data]
    if name not in among or all(owner != name for _, owner in owned):
        return fig
    for trace, owner in owned:
        if owner is not None and owner != name:
            trace.opacity = FADED
        elif owner == name and trace.type == "scatter" and "lines" in (trace.mode or ""):
            trace.line.width = (trace.line.width or 2) + WIDER
    return fig
