"""How tight are the classes?  Each class beside what the same images read with their labels shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.geometry.neural_collapse import NeuralCollapse
from sslviz.figures.parts import theme

MOST_ROWS = 50  # classes with a row of their own
CAPTION = (
    "How wide each class is, in units of its distance to the others (CDNV, log): left is tighter, and 1 is as wide as far. "
    "Grey: the same with the labels shuffled."
)


def neural_collapse(
    results: NeuralCollapse | Mapping[str, NeuralCollapse], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """How tight is each class?  Its width over its distance to the others, one row per class, shuffled labels in grey.

    `results` is a NeuralCollapse or {checkpoint: NeuralCollapse}.
    Caveat: tight is not good in itself; classes the encoder never had to tell apart may well be wide.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    classes = list(dict.fromkeys(str(c) for r in named.values() for c in r.classes))
    shown = _widest(next(iter(named.values())), classes)
    fig = go.Figure()
    for name, result in named.items():
        fig.add_trace(
            _dots(result, shown, result.shuffled_by_class, f"{name} with labels shuffled", "labels shuffled (control)")
        )
        fig.add_trace(_dots(result, shown, result.by_class, name, short[name] or "this checkpoint", palette[name]))
    for trace in fig.data[2::2]:
        trace.showlegend = False
    fig.update_layout(
        height=150
        + 30 * min(len(shown), 20)
        + 14 * max(0, len(shown) - 20)
        + theme.legend_room([*short.values(), "labels shuffled (control)"]),
        xaxis={"title": {"text": "width of the class over its distance to others (CDNV, log)"}, "type": "log"},
        yaxis={
            "title": {"text": escape(next(iter(named.values())).label)},
            "categoryorder": "array",
            "categoryarray": [name for name in classes if name in shown][::-1],
            "type": "category",
        },
    )
    scores = "; ".join(f"{name or 'this checkpoint'}: {r.scores()['cdnv']}" for name, r in named.items())
    more = f" Of {len(classes)} classes the {MOST_ROWS} widest are shown." if len(shown) < len(classes) else ""
    return theme.finish(fig, alt=f"Width of the classes beside shuffled labels. CDNV {scores}.", caption=CAPTION + more)


def _widest(result: NeuralCollapse, classes: list[str]) -> set[str]:
    """The classes that have a row: all of them, or of too many the widest."""
    if len(classes) <= MOST_ROWS:
        return set(classes)
    return {str(name) for name in result.classes[np.argsort(-result.by_class, kind="stable")[:MOST_ROWS]]}


def _dots(
    result: NeuralCollapse, shown: set[str], values: np.ndarray, group: str, name: str, color: str = theme.CONTROL
) -> go.Scatter:
    control = color == theme.CONTROL
    rows = np.array([str(c) in shown for c in result.classes])
    return go.Scatter(
        x=np.maximum(values[rows], 1e-9),
        y=[str(c) for c in result.classes[rows]],
        mode="markers",
        name=name,
        legendgroup="control" if control else group,
        customdata=result.counts[rows],
        marker={
            "color": color,
            "size": 13 if control else 10,
            "symbol": "line-ns" if control else "circle",
            "line": {"width": 2.5 if control else 0, "color": color},
        },
        hovertemplate=f"<b>{escape(group)}</b><br>%{{y}}: %{{x:.3g}}, %{{customdata}} images<extra></extra>",
    )
