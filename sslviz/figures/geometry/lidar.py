"""How many directions tell objects apart?  The spectrum between objects, beside that of shuffled ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.lidar import Lidar
from sslviz.figures.parts import theme
from sslviz.figures.parts.curves import curves

FLOOR = 1e-6  # of the largest share: below it is rounding
CAPTION = (
    "Along how many directions the views of one object differ less than objects do: the variance between objects, in "
    "units of that within, as a share of the whole. Grey: objects shuffled over the views; flat, since then no direction "
    "is special. A steep line: few directions tell objects apart."
)


def lidar(results: Lidar | Mapping[str, Lidar], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """How many directions tell objects apart?  Variance between objects by direction, on a log axis, shuffled in grey.

    `results` is a Lidar or {checkpoint: Lidar}.
    Caveat: it shows over how many directions objects differ, not how well they are told apart.
    """
    named = theme.as_dict(results)
    fig = curves(
        {name: _line(r.eigenvalues) for name, r in named.items()},
        {f"objects shuffled, {name}".rstrip(", "): _line(r.shuffled_eigenvalues) for name, r in named.items()},
        x="direction, by variance between objects (rank)",
        y="share of variance (log)",
        hover={name: f"LiDAR {r.scores()['lidar']}" for name, r in named.items()},
        colors=colors,
    )
    fig.update_yaxes(type="log", exponentformat="power", dtick=1, rangemode=None)
    scores = "; ".join(f"{name or 'this checkpoint'}: {r.scores()['lidar']}" for name, r in named.items())
    return theme.finish(fig, alt=f"Spectra between objects beside shuffled objects. LiDAR {scores}.", caption=CAPTION)


def _line(eigenvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = eigenvalues / (eigenvalues.sum() or 1.0)
    return np.arange(1, len(share) + 1), np.maximum(share, (share.max() or 1.0) * FLOOR)
