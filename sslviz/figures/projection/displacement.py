"""Which points moved for a reason?  How far each went on the map, beside whether its neighbourhood changed."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.projection.displacement import CHANGED, Displacement
from sslviz.figures.parts import theme

POINTS = 10_000
CORNERS = {  # quadrant: where its words stand, and what it means
    "moved, same neighbours": (0.01, 0.99, "left", "top", "the layout's doing"),
    "moved, other neighbours": (0.99, 0.99, "right", "top", "changed, and seen"),
    "stayed, same neighbours": (0.01, 0.01, "left", "bottom", "stayed"),
    "stayed, other neighbours": (0.99, 0.01, "right", "bottom", "changed, and hidden by the map"),
}
CAPTION = (
    "Each point is an image: how far it lies from where it lay on the other map, and how many of its neighbours in all "
    "dimensions are others now. Grey line (control): how far another seed alone would move a point."
)


def displacement(
    results: Displacement | Mapping[str, Displacement], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """Which points moved for a reason?  Distance moved against the share of neighbours changed, one dot per image.

    `results` is a Displacement or {name: Displacement}.  At most 10,000 dots a result are drawn, always the same.
    Caveat: only maps that were laid over each other can be compared like this.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    rng = np.random.default_rng(0)
    fig = go.Figure()
    for name, result in named.items():
        fig.add_trace(_points(result, name, short[name] or "images", palette[name], rng))
    for line in sorted({result.line for result in named.values()}):
        fig.add_trace(_another_seed(line))
    fig.add_vline(x=CHANGED, line={"color": theme.CONTROL, "width": 1, "dash": "dot"})
    shares = next(iter(named.values())).quadrants if len(named) == 1 else {}
    for quadrant in CORNERS:
        fig.add_annotation(_words(quadrant, shares))
    fig.update_layout(
        height=420 + theme.legend_room([*short.values(), "another seed (control)"]),
        xaxis={"title": {"text": "share of neighbours that changed (0 to 1)"}, "range": [-0.05, 1.05]},
        yaxis={"title": {"text": "moved on the map (radii)"}, "rangemode": "tozero"},
    )
    quadrants = "; ".join(
        f"{name or 'these maps'}: " + ", ".join(f"{q} {share:.0%}" for q, share in r.quadrants.items())
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"Movement on the map against change of neighbours. {quadrants}.", caption=CAPTION)


def _points(result: Displacement, name: str, short: str, color: str, rng: np.random.Generator) -> go.Scattergl:
    """A dot for each image, or for some of them."""
    rows = np.sort(rng.permutation(len(result.ids))[:POINTS])
    jitter = rng.uniform(-0.02, 0.02, len(rows))  # shares come in steps of 1 / k: dots would lie on lines
    return go.Scattergl(
        x=result.change[rows] + jitter,
        y=result.moved[rows],
        customdata=result.ids[rows][:, None],
        mode="markers",
        name=short,
        marker={"color": color, "size": 4, "opacity": 0.5},
        hovertemplate=f"<b>{escape(name)}</b> %{{customdata[0]}}<br>moved %{{y:.2f}} radii<extra></extra>",
    )


def _another_seed(line: float) -> go.Scatter:
    """How far another seed alone would move a point, as a line across."""
    return go.Scatter(
        x=[-0.05, 1.05],
        y=[line, line],
        mode="lines",
        name="another seed (control)",
        hoverinfo="name",
        line={"color": theme.CONTROL, "width": 2},
    )


def _words(quadrant: str, shares: Mapping[str, float]) -> dict[str, Any]:
    """What a quadrant means, in its corner, with its share where there is one result."""
    x, y, xanchor, yanchor, words = CORNERS[quadrant]
    return {
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": xanchor,
        "yanchor": yanchor,
        "text": f"{words}: {shares[quadrant]:.0%}" if shares else words,
        "showarrow": False,
        "font": {"size": 12},
    }
