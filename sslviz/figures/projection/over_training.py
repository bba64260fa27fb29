"""How did the map come to be?  One run's maps through its training, played step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.projection.projection import Projection
from sslviz.figures.parts import theme
from sslviz.figures.parts.player import player
from sslviz.figures.projection.point_colors import Paint

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
    if any(not np.array_equal(one.ids, first.ids) for one in maps):
        raise ValueError("The maps of a journey must show the same images in the same order; project the same images.")
    rows = np.sort(np.random.default_rng(0).permutation(len(first.ids))[:POINTS])
    groups = list(Paint.of(color, first.ids).groups(rows, point_color))
    fig = go.Figure([
        go.Scattergl(
            x=last.xy[mine, 0], y=last.xy[mine, 1], mode="markers", customdata=last.ids[mine][:, None],
            name=theme.short_names([label])[label] or "images", legendgroup=label, showlegend=bool(label),
            marker={"size": 5 if len(rows) <= 3000 else 4, "opacity": 0.75, **marker},
            hovertemplate=f"%{{customdata[0]}}{said}<extra></extra>",
        )
        for label, mine, marker, said in groups
    ])  # fmt: skip
    seen: set[str] = set()
    for trace in fig.data:
        trace.showlegend = bool(trace.showlegend) and trace.legendgroup not in seen
        seen.add(trace.legendgroup)
    fig.frames = [
        go.Frame(
            name=name, data=[{"x": one.xy[mine, 0], "y": one.xy[mine, 1]} for _, mine, _, _ in groups],
            traces=list(range(len(groups))), layout={"annotations": [_heading(name, one)]},
        )
        for name, one in zip(names, maps, strict=True)
    ]  # fmt: skip
    every = np.concatenate([one.xy[rows] for one in maps])
    low, high = every.min(axis=0), every.max(axis=0)
    edge = 0.04 * (high - low).max()
    fig.update_layout(
        height=620, margin_t=50, margin_b=120, annotations=[_heading(names[-1], last)],
        xaxis={"visible": False, "range": [float(low[0] - edge), float(high[0] + edge)]},
        yaxis={"visible": False, "range": [float(low[1] - edge), float(high[1] + edge)], "scaleanchor": "x"},
        **player(names, "step ", active=len(names) - 1),
    )  # fmt: skip
    fig.update_layout(legend={"itemsizing": "constant", "y": 1.0, "yref": "paper", "yanchor": "bottom", "x": 0.5})
    shown = f"{len(rows):,} of {len(first.ids):,} images, always the same." if len(rows) < len(first.ids) else ""
    said = "; ".join(f"step {name}: {_said(one)}" for name, one in zip(names, maps, strict=True))
    return theme.finish(fig, alt=f"Maps of a run through its training. {said}.", caption=f"{CAPTION} {shown}".strip())


def _heading(name: str, result: Projection) -> dict[str, Any]:
    return {
        "text": f"<b>step {name}</b>  {_said(result)}", "showarrow": False, "xref": "paper", "yref": "paper", "x": 0,
        "y": 1, "xanchor": "left", "yanchor": "bottom", "align": "left", "font": {"size": 12},
    }  # fmt: skip


def _said(result: Projection) -> str:
    null = result.control_values["trustworthiness"]["null map"]
    return f"trustworthy {result.trustworthiness.mean():.2f} (null map, control: {null:.2f})"
