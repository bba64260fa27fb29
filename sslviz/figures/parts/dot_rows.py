"""Rows of dots on one scale: a value, its interval and its grey controls, checkpoints side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme

ROWS = 24  # of more, those whose dots lie farthest from their first control are drawn
CONTROL_MARKS = (
    "line-ns",
    "circle-open",
    "square-open",
    "diamond-open",
    "triangle-up-open",
)  # of controls, in the order in which they come


class Dot(NamedTuple):
    """One row of one checkpoint.

    - row: its title
    - value, low, high: the value and its interval
    - control_values: what the controls read; one of two numbers has a mark at each, and between them lies nothing
    - text: told on hover
    - id: of the sample, for a click
    """

    row: str
    value: float
    low: float | None
    high: float | None
    control_values: Mapping[str, float | tuple[float, float]]
    text: str = ""
    id: str = ""


def dots(
    series: Mapping[str, Sequence[Dot]],
    *,
    palette: Mapping[str, str],
    x_title: str,
    y_title: str = "",
    x_range: tuple[float, float] | None = None,
    zero: bool = False,
) -> go.Figure:
    """Rows of `series` {checkpoint: its dots}, in the order in which they come.

    Each control has its own grey mark and a name in the legend; `zero` draws a line at 0.  Of more than 24 rows only
    those farthest from their first control are shown.
    """
    rows = _rows(series)
    many = len(series)
    height = 30 if many == 1 else 14 + 11 * many
    names = list(dict.fromkeys(name for own in series.values() for dot in own for name in dot.control_values))
    placed = [
        (checkpoint, dot, rows[dot.row] - (i - (many - 1) / 2) * 0.72 / many)
        for i, (checkpoint, own) in enumerate(series.items())
        for dot in own
        if dot.row in rows
    ]
    traces = [
        _marks(placed, name, CONTROL_MARKS[min(i, len(CONTROL_MARKS) - 1)], height / many)
        for i, name in enumerate(names)
    ]
    short = theme.short_names(series)
    for checkpoint in series:
        own = [(dot, y) for owner, dot, y in placed if owner == checkpoint]
        traces.append(_dots(own, checkpoint, short[checkpoint] or "this checkpoint", palette[checkpoint]))
    fig = go.Figure(traces)
    legend = [f"{name} (control)" for name in names] + list(short.values())
    fig.update_layout(
        height=round(height * len(rows) + 90 + theme.legend_room(legend)),
        xaxis={"title": {"text": x_title}, "range": x_range, "zeroline": zero, "zerolinewidth": 1.5},
        yaxis={
            "title": {"text": escape(y_title)},
            "tickvals": list(rows.values()),
            "ticktext": [_label(row) for row in rows],
            "range": [-len(rows) + 0.4, 0.6],
            "ticks": "",
            "showline": False,
            "fixedrange": True,
        },
    )
    return fig


def interval(dot: Dot) -> str:
    """The value and its interval as text, "0.83 [0.81, 0.85]"; "cannot be told" of a value that is NaN."""
    if np.isnan(dot.value):
        return "cannot be told"
    ends = "" if dot.low is None or dot.high is None else f" [{dot.low:.2g}, {dot.high:.2g}]"
    return f"{dot.value:.2g}{ends}"


def _rows(series: Mapping[str, Sequence[Dot]]) -> dict[str, float]:
    """{row: its height}, from 0 downwards; the ROWS most telling ones, in their order."""
    distance: dict[str, float] = {}
    for own in series.values():
        for dot in own:
            control = np.array(next(iter(dot.control_values.values()), 0.0))
            apart = float(np.nan_to_num(np.abs(dot.value - control).min()))
            distance[dot.row] = max(apart, distance.get(dot.row, 0.0))
    kept = set(sorted(distance, key=lambda row: -distance[row])[:ROWS])
    return {row: -float(i) for i, row in enumerate(row for row in distance if row in kept)}


def _label(row: str) -> str:
    return escape(next(iter(theme.short_names([row], 34).values())))


def _marks(placed: Sequence[tuple[str, Dot, float]], name: str, symbol: str, room: float) -> go.Scatter:
    """All marks of one control, below the dots."""
    marks = [
        (owner, dot.row, x, y)
        for owner, dot, y in placed
        if name in dot.control_values
        for x in np.atleast_1d(dot.control_values[name]).tolist()
    ]
    tick = symbol == "line-ns"
    return go.Scatter(
        x=[x for _, _, x, _ in marks],
        y=[y for _, _, _, y in marks],
        mode="markers",
        name=f"{name} (control)",
        cliponaxis=False,
        text=[
            f"<b>{escape(owner)}</b> {escape(row)}<br>{escape(name)} (control): {x:.3g}" for owner, row, x, _ in marks
        ],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": symbol,
            "size": min(15, max(7, room - 4)) if tick else 9,
            "color": theme.CONTROL,
            "line": {"width": 2.5 if tick else 2, "color": theme.CONTROL},
        },
    )


def _dots(own: Sequence[tuple[Dot, float]], checkpoint: str, short: str, color: str) -> go.Scatter:
    """The dots of one checkpoint with their intervals."""
    return go.Scatter(
        x=[dot.value for dot, _ in own],
        y=[y for _, y in own],
        mode="markers",
        name=short,
        cliponaxis=False,
        error_x={
            "type": "data",
            "symmetric": False,
            "thickness": 3,
            "width": 0,
            "color": color,
            "array": [0 if dot.high is None else dot.high - dot.value for dot, _ in own],
            "arrayminus": [0 if dot.low is None else dot.value - dot.low for dot, _ in own],
        },
        customdata=[dot.id for dot, _ in own],
        text=[
            f"<b>{escape(checkpoint)}</b> {escape(dot.row)}<br>{interval(dot)}{'<br>' if dot.text else ''}{escape(dot.text)}"
            for dot, _ in own
        ],
        hovertemplate="%{text}<extra></extra>",
        marker={"size": 9, "color": color},
    )
