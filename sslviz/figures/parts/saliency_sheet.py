"""A sheet of small panels on one pair of axes: maps over their pictures, all at one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri, pale

SIDE = 130  # pixels of a panel at most, unless asked
PICTURE = 160  # pixels that a picture is sent with at most
GAP, LINE = 0.08, 0.16  # of a panel's side: between panels, and a line of text
COLOR = ",".join(str(int(theme.CLASS_COLORS[0][i : i + 2], 16)) for i in (1, 3, 5))  # of no checkpoint
KEY, KEY_LEFT = 62, 0.1  # pixels of height that the key below takes, and where it begins, as a share of the width
MOST = 120  # panels: more are too small to be seen, and plotly becomes slow


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a sheet, with or without a map over it.

    - pixels: the picture, uint8 (h, w, 3)
    - map: what lies over it, (rows, columns), or None
    - title: what stands above, as HTML
    - id: the image's
    - subtitle: what stands below, as HTML
    - control: whether it is framed in grey
    - color: of the frame otherwise; empty for none
    """

    pixels: np.ndarray
    map: np.ndarray | None
    title: str
    id: str
    subtitle: str = ""
    control: bool = False
    color: str = ""


def sheet(panels: Sequence[Panel], columns: int, *, unit: str = "", reference: str = "", side: int = SIDE) -> go.Figure:
    """The panels row by row, `columns` a row of at most `side` pixels each, at one scale from 0 on.

    Maps are in units of a map that is everywhere alike, so that grids of any size compare; the scale has a tick at 1,
    called `reference`.  Values are not smoothed; the strongest half per cent is drawn as the end of the scale.  Pictures
    without maps have no scale.  Axes count panels: panel i lies at column i % columns, row i // columns, and what is
    written lies between rows.
    ValueError for too many panels.
    """
    if len(panels) > MOST:
        raise ValueError(f"At most {MOST} maps fit on a sheet, but there are {len(panels)}; choose fewer images.")
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    fig, bottom = go.Figure(), -GAP
    for line in lines:  # what stands above and below is as high as this row needs
        top = bottom + GAP + LINE * any(panel.title for panel in line)
        for i, panel in enumerate(line):
            left = i * (1 + GAP)
            fig.add_traces(list(_traces(panel, left, top)))
            for text, y, anchor in ((panel.title, top - 0.01, "bottom"), (panel.subtitle, top + 1.01, "top")):
                if text:
                    fig.add_annotation(
                        text=text,
                        x=left,
                        y=y,
                        xanchor="left",
                        yanchor=anchor,
                        align="left",
                        showarrow=False,
                        font={"size": 11},
                        borderpad=0,
                    )
        bottom = top + 1 + LINE * max((p.subtitle.count("<br>") + 1 for p in line if p.subtitle), default=0)
    width, height = min(columns, len(panels)) * (1 + GAP) - GAP, bottom
    across = min(side, 660 / width)  # pixels of a panel in a figure 700 px wide
    fig.update_xaxes(visible=False, range=[-0.02, 660 / across + 0.02], fixedrange=True)
    fig.update_yaxes(visible=False, range=[height + 0.03, -0.02], fixedrange=True, scaleanchor="x", constrain="domain")
    fig.update_yaxes(constraintoward="top")
    values = [panel.map.ravel() for panel in panels if panel.map is not None]
    key = KEY if values else 0  # pictures alone need none
    fig.update_layout(height=round(height * across) + 36 + key, margin={"t": 36, "b": key}, showlegend=False)
    if values:
        fig.update_layout(coloraxis=color_axis(values, reference))
        # Not as the bar's own title, which plotly sets upon the bar where the figure is low.
        above = {"xref": "paper", "yref": "paper", "x": KEY_LEFT, "y": 0, "xanchor": "left", "yanchor": "top"}
        fig.add_annotation(text=escape(unit), showarrow=False, font={"size": 12}, **above)
    return fig


def color_axis(values: Sequence[np.ndarray], reference: str) -> dict[str, Any]:
    """One scale for all maps: clear where there is nothing, full from the 99.5th percentile on, a tick at the control."""
    top = max(1.25, float(np.quantile(np.concatenate(values), 0.995)) if values else 0.0)
    ticks = [*([0] if top < 5 else []), 1, *([top] if top > 2.2 else [])]  # those there is room for
    text = [reference if t == 1 else f"{t:.3g}" for t in ticks]
    ends = [[0, f"rgba({COLOR},0)"], [1, f"rgba({COLOR},0.95)"]]
    return {"cmin": 0, "cmax": top, "colorscale": ends, "colorbar": key_below(ticks, text)}


def key_below(ticks: Sequence[float], text: Sequence[str]) -> dict[str, Any]:
    """The key of a colour scale, lying below the whole figure; it takes `KEY` pixels of its height."""
    return {
        "orientation": "h",
        "tickvals": list(ticks),
        "ticktext": list(text),
        "tickangle": 0,
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "x": KEY_LEFT,
        "xanchor": "left",
        "len": 0.6,
    }


def patch_points(rows: int, columns: int, left: float = 0, top: float = 0, *, id: str = "") -> go.Scatter:
    """Unseen markers over the patches of a panel, which can be clicked where a heat map cannot.

    `customdata` holds the image's id and the number of the patch, row by row.
    """
    number = np.arange(rows * columns)
    kind = go.Scattergl if rows * columns > 1000 else go.Scatter
    return kind(
        x=left + (number % columns + 0.5) / columns,
        y=top + (number // columns + 0.5) / rows,
        mode="markers",
        marker={"size": 14, "symbol": "square", "opacity": 0},
        name="patches",
        showlegend=False,
        customdata=[[id, int(i)] for i in number],
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="patch %{customdata[1]}: look from here<extra></extra>",
    )


def frame(
    left: float, top: float, width: float, height: float, color: str, name: str, *, line: float = 2.5
) -> go.Scatter:
    """A rectangle around a panel or a patch, `line` pixels wide, named so that hovering over it says what it is."""
    x, y = [left, left + width, left + width, left, left], [top, top, top + height, top + height, top]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": color, "width": line}, name=name, showlegend=False, hoverinfo="name"
    )


def _traces(panel: Panel, left: float, top: float) -> Iterator[Any]:
    height, width = panel.pixels.shape[:2]
    shrunk = min(1, PICTURE / max(height, width))
    rows, columns = (max(1, round(s * shrunk)) for s in (height, width))  # what data_uri makes of it
    shown = panel.pixels if panel.map is None else pale(panel.pixels)
    hover = f"{escape(panel.id)}<extra></extra>"
    yield go.Image(
        source=data_uri(shown, PICTURE),
        x0=left + 0.5 / columns,
        dx=1 / columns,
        y0=top + 0.5 / rows,
        dy=1 / rows,
        name="picture",
        hovertemplate=hover,
    )
    if panel.map is not None:
        rows, columns = panel.map.shape
        yield go.Heatmap(
            z=[[float(f"{v:.4g}") for v in line] for line in panel.map.tolist()],
            coloraxis="coloraxis",
            x0=left + 0.5 / columns,
            dx=1 / columns,
            y0=top + 0.5 / rows,
            dy=1 / rows,
            zsmooth=False,
            name=_plain(panel.title),
            customdata=np.full((rows, columns), panel.id).tolist(),
            hovertemplate=f"<b>{panel.title}</b><br>%{{z:.3g}}<br>{hover}",
        )
    if panel.control or panel.color:
        color = theme.CONTROL if panel.control else panel.color
        mark = " (control)" * (panel.control and "(control)" not in panel.title)
        yield frame(left, top, 1, 1, color, f"{_plain(panel.title)}{mark}")


def _plain(text: str) -> str:
    return text.replace("<br>", " ")
