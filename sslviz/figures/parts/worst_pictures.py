"""Pictures that results show, the worst first, on one sheet, with traces over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import plotly.graph_objects as go

from sslviz.figures.parts.boxed_pictures import Corner, panel_corners
from sslviz.figures.parts.saliency_sheet import Panel, sheet
from sslviz.figures.parts.worst_first import worst_of_each


def worst_pictures(
    named: Mapping[str, Any],
    columns: int,
    panels_of: Callable[[str, list[int]], Iterable[Panel]],
    traces_of: Callable[[str, list[int], list[list[Corner]]], Iterable[go.Scatter]],
    *,
    panels: int = 1,
    rows: int = 1,
) -> go.Figure:
    """A sheet with a block of pictures for each checkpoint, one below the other.

    - named: {checkpoint: a result with pictures that are `shown`, the worst first}
    - columns, panels, rows: as in `worst_of_each`
    - panels_of: (checkpoint, which of its pictures) -> their panels, `panels` of each, row by row
    - traces_of: (checkpoint, which of its pictures, where the panels of each row begin) -> what lies over them
    """
    columns, chosen = worst_of_each(
        {name: len(one.shown) for name, one in named.items()}, columns, panels=panels, rows=rows
    )
    fig = sheet([panel for name, some in chosen.items() for panel in panels_of(name, some)], columns)
    corners = panel_corners(fig)
    for name, some in chosen.items():
        k = len(some)
        at, corners = [corners[k * i : k * (i + 1)] for i in range(panels)], corners[panels * k :]
        fig.add_traces([*traces_of(name, some, at)])
    fig.update_xaxes(constraintoward="left")
    fig.update_layout(height=fig.layout.height - 28, margin_t=8)
    return fig
