"""How do several distributions look beside one of nothing?  One line per checkpoint, its control in grey."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme

Line = tuple[np.ndarray, np.ndarray]  # x and y, of one length


def curves(
    lines: Mapping[str, Line],
    controls: Mapping[str, Line],
    *,
    x: str,
    y: str,
    said: Mapping[str, str],
    colors: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
) -> go.Figure:
    """How does each line lie beside its control?  `lines` {checkpoint: line}, `controls` {what it is: line}.

    `x` and `y` title the axes; `said` {checkpoint: text} is told on hover.  Controls that are the same line are drawn
    once; `marks` {what it is: symbol} tells several apart.  Caveat: it draws what it is given; captions and alt texts are
    their figure's own business.
    """
    palette, short = theme.colors(lines, colors), theme.short_names(lines)
    drawn: dict[bytes, tuple[str, Line]] = {}
    for name, line in controls.items():
        drawn.setdefault(np.concatenate(line).tobytes(), (name, line))
    kinds = [name.partition(", ")[0].partition(" (seed")[0] for name, _ in drawn.values()]
    marks = marks or {}
    fig = go.Figure([
        go.Scatter(
            x=px, y=py, mode="lines+markers" if marks else "lines", name=f"{kind} (control)", legendgroup=kind,
            showlegend=kind not in kinds[:i], line={"color": theme.CONTROL, "width": 1 if marks else 2.5},
            marker={"symbol": marks.get(kind, "x"), "size": 8, "color": theme.CONTROL},
            hovertemplate=f"<b>{escape(name)}</b> (control)<extra></extra>",
        )
        for i, (kind, (name, (px, py))) in enumerate(zip(kinds, drawn.values(), strict=True))
    ])  # fmt: skip
    for name, (px, py) in lines.items():
        fig.add_trace(
            go.Scatter(
                x=px, y=py, mode="lines", name=short[name] or "this checkpoint", legendgroup=name,
                line={"color": palette[name], "width": 2.5},
                hovertemplate=f"<b>{escape(name)}</b><br>{escape(said[name])}<extra></extra>",
            )
        )  # fmt: skip
    names = [*short.values(), *(f"{kind} (control)" for kind in dict.fromkeys(kinds))]
    fig.update_layout(
        height=360 + theme.legend_room(names),
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}, "rangemode": "tozero"},
    )
    return fig


def histogram(values: np.ndarray, edges: np.ndarray) -> Line:
    """The share of `values` in each bin, at the middle of the bin; values beyond the ends count in the last ones."""
    shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, len(values))
    return (edges[1:] + edges[:-1]) / 2, shares
