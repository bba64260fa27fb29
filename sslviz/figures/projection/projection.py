"""What is near what?  Maps of the images, one per checkpoint, each with its null map in grey."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.projection.projection import Projection
from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group
from sslviz.figures.projection import map_parts
from sslviz.figures.projection.map_parts import HEADING
from sslviz.figures.projection.point_colors import RELIABILITY, PointColors

POINTS = 20_000  # in one figure, null maps included


def projection(
    results: Projection | Mapping[str, Projection],
    *,
    color: Any = None,
    selected: Iterable[str] | None = None,
    colors: Mapping[str, str] | None = None,
    along: Mapping[str, Iterable[Projection]] | None = None,
) -> go.Figure:
    """What is near what, and does the map invent it?  One map per checkpoint, and its null map in grey below or beside.

    `results` is a Projection or {checkpoint: Projection}.  `color` is one value per image in the order of their ids, or
    "reliability" as in `map_figure`; without it points have their checkpoint's colour.  `selected` ids stand out.
    `along` {checkpoint: further maps} leaves room for these too, so that nothing jumps from one step to the next.  For a
    lasso use `map_figure`.
    ValueError if `color` is given and the maps do not show the same images.
    Caveat: distances between clusters and sizes of clusters are not meaningful.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    by_image = color is not None and not (isinstance(color, str) and color == RELIABILITY)
    if by_image and any(not np.array_equal(r.ids, first.ids) for r in named.values()):
        raise ValueError("Maps coloured alike must show the same images in the same order; project the same images.")
    chosen = set(() if selected is None else selected)
    coloring = {name: PointColors.of_map(color, result) for name, result in named.items()}
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig, places = _grid(len(named))
    limit = max(1000, POINTS // (2 * len(named)))
    for (name, result), (row, col) in zip(named.items(), places, strict=True):
        rows = map_parts.drawn_rows(result.ids, chosen, limit)
        below = (row, col + 1) if len(named) == 1 else (row + 1, col)
        kind = map_parts.trace_kind(2 * len(named) * len(rows))
        points = map_parts.point_traces(result, coloring[name], rows, chosen, palette[name], name, kind)
        fig.add_traces(points, rows=row, cols=col)
        fig.add_trace(map_parts.null_trace(result, rows, kind), row=below[0], col=below[1])
        _put_heading(fig, short[name], result, row, col)
        if along:
            _leave_room(fig, [each.xy for each in along[name]], row, col)
            _leave_room(fig, [each.null_xy for each in along[name]], *below)
    map_parts.equal_axes(fig)
    one_entry_a_group(fig.data)
    shared = next(iter(coloring.values()))
    map_parts.legend_and_scale(fig, shared)
    fig.update_layout(height=fig.layout.height + map_parts.legend_height(shared), margin_t=HEADING)
    caption = map_parts.caption(named, min(limit, len(first.ids)), shared)
    return theme.finish(fig, alt=map_parts.alt(named, shared, False), caption=caption)


def _grid(n: int) -> tuple[go.Figure, list[tuple[int, int]]]:
    """Places (row, column) of n maps: at most three side by side, their null maps in a lower row below them."""
    if n == 1:
        fig = make_subplots(cols=2, horizontal_spacing=0.04)
        return fig.update_layout(height=HEADING + 370), [(1, 1)]
    across = 2 if n == 4 else min(n, 3)
    blocks = -(-n // across)
    fig = make_subplots(rows=2 * blocks, cols=across, horizontal_spacing=0.03)
    places = [(2 * (i // across) + 1, i % across + 1) for i in range(n)]
    heights = [HEADING, 290, 14, 170]  # of a block, in pixels: heading, map, gap, null map
    total = blocks * sum(heights) - HEADING  # the first heading stands in the margin
    for row in range(2 * blocks):
        top = row // 2 * sum(heights) + (row % 2) * sum(heights[1:3])
        domain = [max(0, 1 - (top + heights[1 + 2 * (row % 2)]) / total), 1 - top / total]
        fig.update_yaxes(domain=domain, row=row + 1)
    return fig.update_layout(height=total + HEADING + 30), places


def _leave_room(fig: go.Figure, positions: list[np.ndarray], row: int, col: int) -> None:
    """Fixes the axes so that they hold all of these positions, (n, 2) each."""
    points = np.concatenate(positions)
    low, high = points.min(axis=0), points.max(axis=0)
    edge = 0.04 * float((high - low).max())
    fig.update_xaxes(range=[float(low[0]) - edge, float(high[0]) + edge], row=row, col=col)
    fig.update_yaxes(range=[float(low[1]) - edge, float(high[1]) + edge], row=row, col=col)


def _put_heading(fig: go.Figure, name: str, result: Projection, row: int, col: int) -> None:
    place = fig.get_subplot(row, col)
    x, y = place.xaxis.domain[0], place.yaxis.domain[1]
    fig.add_annotation(map_parts.heading(name, result, x=x, y=y, xanchor="left"))
