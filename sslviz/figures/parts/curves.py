"""Lines of several checkpoints, each beside its control in grey."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme

Line = tuple[np.ndarray, np.ndarray]  # x and y, of one length


def curves(
    lines: Mapping[str, Line],
    control_lines: Mapping[str, Line],
    *,
    x: str,
    y: str,
    hover: Mapping[str, str],
    colors: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
) -> go.Figure:
    """One line per checkpoint beside its control.

    - lines: {checkpoint: line}
    - control_lines: {kind of control: line}; those that are the same line are drawn once
    - x, y: titles of the axes
    - hover: {checkpoint: text}
    - colors: {checkpoint: colour}
    - marks: {kind of control: symbol}, to tell several apart

    Captions and alt texts are the business of the figure that calls this.
    """
    palette, short = theme.colors(lines, colors), theme.short_names(lines)
    drawn: dict[bytes, tuple[str, Line]] = {}
    for name, line in control_lines.items():
        drawn.setdefault(np.concatenate(line).tobytes(), (name, line))
    kinds = [name.partition(", ")[0].partition(" (seed")[0] for name, _ in drawn.values()]
    marks = marks or {}
    fig, styles = go.Figure(), theme.line_styles(palette)
    for i, (kind, (name, line)) in enumerate(zip(kinds, drawn.values(), strict=True)):
        fig.add_trace(_control(line, name, kind, marks, first=kind not in kinds[:i]))
    for name, (px, py) in lines.items():
        fig.add_trace(
            go.Scatter(
                x=px,
                y=py,
                mode="lines",
                name=short[name] or "this checkpoint",
                legendgroup=name,
                line=styles[name],
                hovertemplate=f"<b>{escape(name)}</b><br>{escape(hover[name])}<extra></extra>",
            )
        )
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


def _control(line: Line, name: str, kind: str, marks: Mapping[str, str], *, first: bool) -> go.Scatter:
    return go.Scatter(
        x=line[0],
        y=line[1],
        mode="lines+markers" if marks else "lines",
        name=f"{kind} (control)",
        legendgroup=kind,
        showlegend=first,
        line={"color": theme.CONTROL, "width": 1 if marks else 2.5},
        marker={"symbol": marks.get(kind, "x"), "size": 8, "color": theme.CONTROL},
        hovertemplate=f"<b>{escape(name)}</b> (control)<extra></extra>",
    )
