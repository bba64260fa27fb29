"""How did the map come to be?  One run's maps through its training, played step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.data.sampling import sample_rows
from sslviz.diagnostics.projection.projection import Projection
from sslviz.figures.parts import theme
from sslviz.figures.parts.legend import one_entry_a_group
from sslviz.figures.parts.player import player
from sslviz.figures.projection.map_parts import group_trace
from sslviz.figures.projection.point_colors import PointColors

POINTS = 5000  # of every map: each frame carries all of its points
CAPTION = (
    "Each map starts from the one before it and is laid over it, so that points do not jump for no reason. The heading "
    "says what the map may be believed for, beside its null map (control)."
)


def journey(
    results: Mapping[int | str, Projection], *, color: Any = None, point_color: str = theme.CHECKPOINT_COLORS[0]
) -> go.Figure:
    """How did the map come to be?  The maps of a run's steps, played by a button and a slider, colours and axes fixed.

    `results` {step: Projection} of the same images in the same order, as `aligned_projections` gives them; `color` one
    value per image, as in `map_figure`, or None for all points in `point_color`.  At most 5,000 points are drawn, always
    the same.  ValueError without a map, and for maps of different images.
    Caveat: distances between clusters and sizes of clusters are not meaningful.
    """
    if not results:
        raise ValueError("A journey needs at least one map; give {step: Projection}.")
    maps = list(results.values())
    first, last, names = maps[0], maps[-1], [str(step) for step in results]
    if any(not np.array_equal(each.ids, first.ids) for each in maps):
        raise ValueError("The maps of a journey must show the same images in the same order; project the same images.")
    rows = sample_rows(len(first.ids), POINTS)
    groups = list(PointColors.of(color, first.ids).groups(rows, point_color))
    look = {"size": 5 if len(rows) <= 3000 else 4, "opacity": 0.75}
    fig = go.Figure([group_trace(last, group, look, go.Scattergl) for group in groups])
    one_entry_a_group(fig.data)
    fig.frames = [
        go.Frame(
            name=name,
            data=[{"x": each.xy[members, 0], "y": each.xy[members, 1]} for _, members, _, _ in groups],
            traces=list(range(len(groups))),
            layout={"annotations": [_heading(name, each)]},
        )
        for name, each in zip(names, maps, strict=True)
    ]
    points = np.concatenate([each.xy[rows] for each in maps])
    low, high = points.min(axis=0), points.max(axis=0)
    edge = 0.04 * (high - low).max()
    fig.update_layout(
        height=620,
        margin_t=50,
        margin_b=120,
        annotations=[_heading(names[-1], last)],
        xaxis={"visible": False, "range": [float(low[0] - edge), float(high[0] + edge)]},
        yaxis={"visible": False, "range": [float(low[1] - edge), float(high[1] + edge)], "scaleanchor": "x"},
        **player(names, "step ", active=len(names) - 1),
    )
    fig.update_layout(legend={"itemsizing": "constant", "y": 1.0, "yref": "paper", "yanchor": "bottom", "x": 0.5})
    shown = f"{len(rows):,} of {len(first.ids):,} images, always the same." if len(rows) < len(first.ids) else ""
    scores = "; ".join(f"step {name}: {_score(each)}" for name, each in zip(names, maps, strict=True))
    return theme.finish(fig, alt=f"Maps of a run through its training. {scores}.", caption=f"{CAPTION} {shown}".strip())


def _heading(name: str, result: Projection) -> dict[str, Any]:
    return {
        "text": f"<b>step {name}</b>  {_score(result)}",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "align": "left",
        "font": {"size": 12},
    }


def _score(result: Projection) -> str:
    null = result.control_values["trustworthiness"]["null map"]
    return f"trustworthy {result.trustworthiness.mean():.2f} (null map, control: {null:.2f})"
