"""Rows of square panels, each with a heading: pictures, maps over them, outlines; every kind of map at its own scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.explanations.control_maps import resized
from sslviz.figures.explanations.row_heading import add_heading
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri, pale

MOST = 6  # images side by side
CELLS = 64  # a map is drawn with at most so many cells a side
CELL, LINE, TITLE = 104, 17, 20  # pixels: a picture's side at a width of 700, a line above a row, what stands above all
FOR, AGAINST, OUTLINE = "#b2182b", "#2166ac", "#1f2430"  # apart for every kind of colour vision; over a pale picture
SIGNED = [[0, "rgba(33,102,172,0.95)"], [0.5, "rgba(255,255,255,0)"], [1, "rgba(178,24,43,0.95)"]]
POSITIVE = [[0, "rgba(178,24,43,0)"], [1, "rgba(178,24,43,0.95)"]]
GREY = [[0, "rgba(133,133,133,0)"], [1, "rgba(133,133,133,1)"]]
SCALES = {"signed": SIGNED, "positive": POSITIVE, "control": GREY}


@dataclass
class PanelRow:
    """One row of panels, one for each image.

    - heading: the lines above it
    - pictures: uint8 (n, h, w, 3), pale under maps
    - maps: what lies over them, (n, h, w)
    - scale: a key of SCALES
    - axis: the name of the scale; rows that share it are drawn alike
    - limit: where the scale ends
    - frame: the colour of the frames; empty for none
    - name: of the maps, for hovering
    - outline: what is outlined, bool (n, h, w)
    """

    heading: list[str]
    pictures: np.ndarray | None = None
    maps: np.ndarray | None = None
    scale: str = "signed"
    axis: str = ""
    limit: float = 1.0
    frame: str = ""
    name: str = ""
    outline: np.ndarray | None = None


def panel_rows(rows: list[PanelRow], ids: list[str]) -> go.Figure:
    """The rows one below the other, each with its heading; the panels as squares of one size."""
    fig, columns = go.Figure(), max(MOST, len(ids))
    heights = [LINE * len(row.heading) + 6 for row in rows]  # of what stands above each row
    height = TITLE + sum(heights) + CELL * len(rows)
    layout: dict[str, Any] = {}
    axes = list(dict.fromkeys(row.axis for row in rows if row.maps is not None))
    for r, row in enumerate(rows):
        top = 1 - (TITLE + sum(heights[: r + 1]) + r * CELL) / height
        add_heading(fig, "<br>".join(row.heading), top)
        for c in range(len(ids)):
            number = r * len(ids) + c + 1
            for trace in _panel(row, c, ids[c], axes):
                fig.add_trace(trace.update(xaxis=f"x{number}", yaxis=f"y{number}"))
            layout |= _panel_axes(number, c / columns, (c + 0.95) / columns, top - CELL / height, top, row.frame)
            if r == 0:
                label = escape(theme.short_names([ids[c]], 14)[ids[c]])
                fig.add_annotation(
                    text=label,
                    x=(c + 0.475) / columns,
                    y=1,
                    xref="paper",
                    yref="paper",
                    yanchor="top",
                    showarrow=False,
                    font={"size": 11},
                )
    for row in rows:
        if row.maps is not None:
            layout[_color_axis(axes, row.axis)] = _color_scale(row)
    # A new figure, because adding hundreds of axes to one that is there takes plotly a second.
    layout |= {"annotations": fig.layout.annotations, "height": height + 24, "showlegend": False}
    return go.Figure(fig.data, layout)


def _panel_axes(number: int, left: float, right: float, bottom: float, top: float, frame: str) -> dict[str, Any]:
    """A pair of axes without ticks, framed in the checkpoint's colour."""
    plain: dict[str, Any] = {
        "showticklabels": False,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
        "showline": bool(frame),
        "mirror": True,
        "linewidth": 2,
        "constrain": "domain",
    }
    if frame:
        plain["linecolor"] = frame
    down = {"autorange": "reversed", "scaleanchor": f"x{number}", "constraintoward": "top"}
    return {
        f"xaxis{number}": plain | {"domain": [left, right], "anchor": f"y{number}"},
        f"yaxis{number}": plain | {"domain": [max(bottom, 0), top], "anchor": f"x{number}"} | down,
    }


def _panel(row: PanelRow, c: int, id_: str, axes: list[str]) -> Iterator[Any]:
    """The traces of one panel: the picture (pale under a map), the map, the outline."""
    if row.pictures is not None:
        picture = row.pictures[c] if row.maps is None else pale(row.pictures[c])
        hover = {"hoverinfo": "skip"} if row.maps is not None else {"hovertemplate": f"{escape(id_)}<extra></extra>"}
        yield go.Image(source=data_uri(picture), x0=0.5, y0=0.5, dx=1, dy=1, name=row.heading[0], **hover)
    if row.maps is not None:
        z = as_cells(row.maps[c : c + 1])[0]
        step = row.maps.shape[1] / len(z)
        yield go.Heatmap(
            z=np.array([[float(f"{v:.4g}") for v in line] for line in z]),
            x0=step / 2,
            dx=step,
            y0=step / 2,
            dy=step,
            coloraxis=_color_axis(axes, row.axis),
            name=row.name or "map",
            customdata=np.full(z.shape, id_),
            hovertemplate="%{customdata}: %{z:.3g}<extra>" + escape(row.name) + "</extra>",
        )
    if row.outline is not None and row.outline[c].any():
        yield go.Contour(
            z=np.pad(row.outline[c], 1).astype(int),
            x0=-0.5,
            dx=1,
            y0=-0.5,
            dy=1,
            showscale=False,
            hoverinfo="skip",
            contours={"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"},
            line={"color": OUTLINE, "width": 1.5},
            name="outline",
        )


def as_cells(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) with no more cells than are drawn."""
    return resized(maps, (min(CELLS, maps.shape[1]), min(CELLS, maps.shape[2])))


def _color_axis(axes: list[str], axis: str) -> str:
    place = axes.index(axis)
    return "coloraxis" if place == 0 else f"coloraxis{place + 1}"


def _color_scale(row: PanelRow) -> dict[str, Any]:
    limit = row.limit or 1.0
    low = -limit if row.scale == "signed" else 0
    return {"colorscale": SCALES[row.scale], "cmin": low, "cmax": limit, "showscale": False}
