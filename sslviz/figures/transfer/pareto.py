"""Accuracy against cost: which encoders no other one beats at no more cost."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Literal

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.log_axis import log_axis
from sslviz.statistics import Score
from sslviz.transfer.pareto_front import dominated, steps

if TYPE_CHECKING:
    from sslviz.transfer.cost_result import Cost

AXES = {
    "latency_ms": "milliseconds for a small batch (logarithmic)",
    "million_macs": "million multiply-accumulates for a picture (logarithmic)",
    "parameters": "parameters (logarithmic)",
    "megabytes": "megabytes of weights (logarithmic)",
}
CAPTION = (
    "Dots and lines: each encoder's accuracy and cost with 95 % intervals; the steps join those that are cheaper than all "
    "that are as accurate. Open dots are beaten: another one is surely more accurate (the intervals do not overlap) and no "
    "dearer. Grey: the strongest control of each accuracy."
)


def pareto(
    points: Mapping[str, tuple[Cost, Score]],
    *,
    cost: Literal["latency_ms", "million_macs", "parameters", "megabytes"] = "latency_ms",
    accuracy: str = "accuracy",
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """A dot for each encoder: what it costs, and how good it is.

    - points: {checkpoint: (its Cost, any Score of it)}
    - cost: which of the scores of `Cost` is the horizontal axis
    - accuracy: what the score is called

    ValueError for no points and for a cost that is none.
    Caveat: who is beaten is by intervals of each alone; a paired comparison may tell more of them apart.
    """
    if cost not in AXES:
        raise ValueError(f"A cost is one of {', '.join(AXES)}; got {cost!r}.")
    named: dict[str, tuple[Cost, Score]] = theme.as_dict(points)
    palette = theme.colors(named, colors)
    placed = {name: (one.scores()[cost], score) for name, (one, score) in named.items()}
    beaten_by = dominated(placed)
    fig = go.Figure([_controls(placed), *_steps(placed, steps(placed), palette)])
    short = theme.short_names(named)
    prices = [end for price, _ in placed.values() for end in (price.value, price.low, price.high)]
    for name, (price, score) in placed.items():
        fig.add_trace(_dot(name, short[name], price, score, beaten_by[name], palette[name]))
    fig.update_layout(
        height=380 + theme.legend_room(["strongest control", *short.values()]),
        xaxis={"title": {"text": AXES[cost]}, **log_axis(prices)},
        yaxis={"title": {"text": escape(accuracy)}},
    )
    return theme.finish(fig, alt=_alt(placed, beaten_by, cost, accuracy), caption=CAPTION)


def _steps(placed: Mapping[str, tuple[Score, Score]], front: list[str], palette: Mapping[str, str]) -> list[go.Scatter]:
    """What each encoder of the front buys: its accuracy, until the next one costs no more; in its own colour."""
    right = max(price.value for price, _ in placed.values()) * 1.25
    traces = []
    for i, name in enumerate(front):
        price, score = placed[name]
        end = placed[front[i + 1]] if i + 1 < len(front) else None
        x = [price.value, end[0].value, end[0].value] if end else [price.value, right]
        y = [score.value, score.value, end[1].value] if end else [score.value, score.value]
        line = {"width": 1.5, "dash": "dot", "color": palette[name]}
        traces.append(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False, name=name))
    return traces


def _controls(placed: Mapping[str, tuple[Score, Score]]) -> go.Scatter:
    told = {name: pair for name, pair in placed.items() if pair[1].control is not None}
    return go.Scatter(
        x=[price.value for price, _ in told.values()],
        y=[score.control for _, score in told.values()],
        mode="markers",
        name="strongest control",
        text=[f"<b>{escape(name)}</b><br>{escape(score.control_text)} (control)" for name, (_, score) in told.items()],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": "line-ew",
            "size": 16,
            "color": theme.CONTROL,
            "line": {"width": 2.5, "color": theme.CONTROL},
        },
    )


def _dot(name: str, short: str, price: Score, score: Score, beaten_by: str, color: str) -> go.Scatter:
    verdict = f"beaten by {escape(beaten_by)}" if beaten_by else "no other one beats it"
    text = f"<b>{escape(name)}</b><br>{escape(str(score))}<br>costs {price.text}<br>{verdict}"
    symbol = "circle-open" if beaten_by else "circle"
    return go.Scatter(
        x=[price.value],
        y=[score.value],
        error_x=_reach(price, color),
        error_y=_reach(score, color),
        mode="markers",
        name=short or "this checkpoint",
        text=[text],
        hovertemplate="%{text}<extra></extra>",
        marker={"size": 10, "symbol": symbol, "color": color, "line": {"width": 2, "color": color}},
    )


def _reach(score: Score, color: str) -> dict[str, object]:
    above = 0 if score.high is None else score.high - score.value
    below = 0 if score.low is None else score.value - score.low
    shape = {"type": "data", "symmetric": False, "thickness": 2, "width": 0, "color": color}
    return {**shape, "array": [above], "arrayminus": [below]}


def _alt(placed: Mapping[str, tuple[Score, Score]], beaten_by: Mapping[str, str], cost: str, accuracy: str) -> str:
    parts = [
        f"{name or 'this checkpoint'}: {accuracy} {score} at {cost} {price.text}"
        + (f", beaten by {beaten_by[name]}" if beaten_by[name] else "")
        for name, (price, score) in placed.items()
    ]
    return f"{accuracy.capitalize()} against cost. {'; '.join(parts)}."
