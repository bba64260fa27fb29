"""How evenly do the features fill the sphere?  The distances of all pairs, beside those of evenly spread points."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from sslviz.diagnostics.geometry.uniformity import Uniformity
from sslviz.figures.parts import theme
from sslviz.figures.parts.curves import curves

CAPTION = (
    "How far apart two images lie, over all pairs, at length one. Grey: points spread evenly over the sphere. A line far "
    "to the left: images crowd together; one with a hump at the left: groups; one cut off at the top: nearly all pairs "
    "at one distance. On {n:,} images."
)


def uniformity(results: Uniformity | Mapping[str, Uniformity], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """How evenly do the features fill the sphere?  Share of pairs by their distance, evenly spread points in grey.

    `results` is a Uniformity or {checkpoint: Uniformity}.
    Caveat: evenly spread need not mean well arranged.
    """
    named = theme.as_dict(results)
    fig = curves(
        {name: ((r.edges[1:] + r.edges[:-1]) / 2, r.shares) for name, r in named.items()},
        {
            f"evenly on the sphere, d = {r.d:,}": ((r.edges[1:] + r.edges[:-1]) / 2, r.sphere_shares)
            for r in named.values()
        },
        x="distance between two images, at length one (0 to 2)",
        y="share of pairs",
        hover={name: f"uniformity {r.scores()['uniformity']}" for name, r in named.items()},
        colors=colors,
    )
    # A collapsed encoder has all of its pairs in one bin, which would press all other lines to the floor.
    top = 4 * max(float(r.sphere_shares.max()) for r in named.values())
    fig.update_yaxes(tickformat=".0%", range=[0, min(1.0, top)])
    scores = "; ".join(f"{name or 'this checkpoint'}: {r.scores()['uniformity']}" for name, r in named.items())
    most = max(r.sample for r in named.values())
    alt = f"Distances between images beside evenly spread points. Uniformity {scores}."
    return theme.finish(fig, alt=alt, caption=CAPTION.format(n=most))
