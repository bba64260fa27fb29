"""How near do two views of one image lie?  The distances of such pairs, beside those of unrelated images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.alignment import Alignment
from sslviz.figures.parts import theme
from sslviz.figures.parts.curves import curves, histogram

EDGES = np.linspace(0, 2, 41)
CAPTION = (
    "How far apart the two views of an image lie (0: in one place; 1.41: independent; 2: opposite). Grey: views of "
    "different images. The further a line lies to the left of its grey one, the more the encoder knows its images again."
)


def alignment(results: Alignment | Mapping[str, Alignment], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """How near do two views of one image lie?  Share of images by the distance of their views, unrelated ones in grey.

    `results` is an Alignment or {checkpoint: Alignment}.
    Caveat: a collapsed encoder aligns perfectly, and then its grey line lies at 0 as well.
    """
    named = theme.as_dict(results)
    fig = curves(
        {name: histogram(np.sqrt(r.distances), EDGES) for name, r in named.items()},
        {f"unrelated images, {name}".rstrip(", "): histogram(np.sqrt(r.unrelated), EDGES) for name, r in named.items()},
        x="distance between two views, at length one (0 to 2)",
        y="share of images",
        hover={name: str(r.scores()["alignment"]) for name, r in named.items()},
        colors=colors,
    )
    fig.update_yaxes(tickformat=".0%")
    scores = "; ".join(f"{name or 'this checkpoint'}: {r.scores()['alignment']}" for name, r in named.items())
    return theme.finish(
        fig, alt=f"Distances between two views of an image beside unrelated images. {scores}.", caption=CAPTION
    )
