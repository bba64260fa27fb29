"""One map of one checkpoint, from which a lasso can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.quality import align
from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group
from sslviz.figures.projection import map_parts
from sslviz.figures.projection.map_parts import HEADING, TraceKind
from sslviz.figures.projection.point_colors import PointColors

POINTS = 20_000  # drawn unless more are asked for
MAX_POINTS = 99_999  # plotly freezes on hover beyond
MOVERS = 200  # of which a trail is drawn: more are a haze
TRAILS = f"lines lead from the earlier map to the {MOVERS} images that moved farthest"


def map_figure(
    result: Projection,
    color: Any = None,
    selected: Iterable[str] | None = None,
    *,
    title: str = "",
    null: bool = False,
    trails: Projection | None = None,
    point_color: str = theme.CHECKPOINT_COLORS[0],
    limit: int = POINTS,
) -> go.Figure:
    """What is near what for one checkpoint?  A single map, so that a lasso can be read from it (see `selected_ids`).

    - color: one value per image in the order of `result.ids` (a pandas Series brings its name), "reliability", or None
      for all points in `point_color`.  "reliability" is the share of its neighbours that each image keeps; those that
      keep no more than chance would fade.
    - selected: ids that are opaque and larger; all others fade
    - null: draws the null map in grey, which belongs beside every map
    - trails: an earlier map, from which lines lead to the images that moved farthest
    - limit: most points drawn, always the same ones, `selected` first; 99,999 whatever is asked

    ValueError for colours of other images, and for trails from a map that shares fewer than three images.
    Caveat: distances between clusters and sizes of clusters are not meaningful.
    """
    coloring, chosen = PointColors.of_map(color, result), set(() if selected is None else selected)
    rows = map_parts.drawn_rows(result.ids, chosen, min(limit, MAX_POINTS))
    kind = map_parts.trace_kind(len(rows))
    if null:
        fig = go.Figure(map_parts.null_trace(result, rows, kind))
    else:
        fig = go.Figure(map_parts.point_traces(result, coloring, rows, chosen, point_color, title, kind))
    lines = [] if trails is None or null else [_trails(result, trails, rows, point_color, kind)]
    fig.add_traces(lines)
    map_parts.equal_axes(fig)
    one_entry_a_group(fig.data)
    map_parts.legend_and_scale(fig, coloring)
    heading = map_parts.heading(_title(title, null), result, x=0, y=1, xanchor="left")
    height = 500 + map_parts.legend_height(coloring, *([TRAILS] if lines else []))
    fig.update_layout(height=height, dragmode="lasso", margin_t=HEADING, annotations=[heading])
    caption = map_parts.caption({title: result}, len(rows), coloring)
    if lines:
        caption += f" {TRAILS[0].upper()}{TRAILS[1:]}."
    return theme.finish(fig, alt=map_parts.alt({title: result}, coloring, null), caption=caption)


def selected_ids(points: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which images were selected?  Ids in the order of selection, each once, from `event["selection"]["points"]`."""
    return list(dict.fromkeys(str(point["customdata"][0]) for point in points if point.get("customdata")))


def _trails(
    result: Projection, before: Projection, rows: np.ndarray, color: str, kind: TraceKind
) -> go.Scatter | go.Scattergl:
    """One trace of lines from the earlier to the present place of the farthest movers; without ids, so no lasso finds it."""
    earlier = align(before.xy, before.ids, result.xy, result.ids)
    _, now, then = np.intersect1d(result.ids[rows], before.ids, return_indices=True)
    present, past = result.xy[rows][now], earlier[then]
    far = np.argsort(-np.linalg.norm(present - past, axis=1), kind="stable")[:MOVERS]
    ends = np.stack([past[far], present[far]], axis=1)  # (m, from and to, 2)
    x, y = ([v for pair in ends[:, :, axis].tolist() for v in (*pair, None)] for axis in (0, 1))
    return kind(
        x=x,
        y=y,
        mode="lines",
        name=TRAILS,
        legendgroup="trails",
        showlegend=True,
        hoverinfo="skip",
        line={"color": color, "width": 1},
        opacity=0.6,
        connectgaps=False,
        legendrank=2000,
    )


def _title(title: str, null: bool) -> str:
    return f"{title}: null map".lstrip(": ") if null else title
