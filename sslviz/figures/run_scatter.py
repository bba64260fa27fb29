"""Does a setting, or another score, go with this score?  A dot for each run, its interval, its control, and seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any, Literal

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.argument_axis import Argument, ArgumentAxis
from sslviz.statistics import Score, SeedSpread

CAPTION = (
    "Dot: {dot}, open where it is not shown to beat its control; line: 95 % interval over {over}. Grey dash: its "
    "strongest control. {more}Runs that differ in one argument may differ in others."
)
DOT = {"images": "a run", "seeds": "the mean of runs that differ in nothing but the seed"}
MEANS_APART = 0.4  # of the distance between two arguments, by which a mean stands beside the dots it is of
SEEDS = "Diamond: their mean over seeds; its thin line with ends: 95 % interval over seeds, where there are three. "
BESIDE = "Dots of one argument are set beside each other. "


def run_scatter(
    scores: Mapping[str, Score],
    places: Mapping[str, Score] | Mapping[str, Argument],
    *,
    y: str,
    x: str,
    colors: Mapping[str, str] | None = None,
    seeds: Mapping[str, tuple[SeedSpread | Argument, SeedSpread]] | None = None,
    chosen: str = "",
    over: Literal["images", "seeds"] = "images",
) -> go.Figure:
    """A dot for each run: a score of it against one of its arguments, or against another score.

    - scores: {run: Score}, the vertical axis; ValueError where there are none
    - places: {run: Score, number or text}, the horizontal axis; runs without one are not drawn
    - y, x: what the axes are called
    - seeds: {group: (its place, SeedSpread)}, of runs that differ in nothing but the seed; a group named as in `colors`
      has that colour
    - chosen: the run that stands out
    - over: what the intervals of `scores` are over, for the caption; "seeds" where each is a mean over seeds, as a study's

    Caveat: runs that differ in one argument may differ in others too; what goes with a score need not cause it.
    """
    if not scores:
        raise ValueError("A scatter of runs needs at least one score; give {run: Score}.")
    palette = theme.colors(scores, colors)
    drawn = {name: s for name, s in scores.items() if math.isfinite(s.value) and _has_place(name, places)}
    of_runs: dict[str, Any] = {name: places[name] for name in drawn}
    by_score = any(isinstance(place, Score) for place in of_runs.values())
    axis = None if by_score else ArgumentAxis.of(of_runs.values())
    at = {name: one.value for name, one in of_runs.items()} if axis is None else axis.beside(of_runs)
    fig = go.Figure(_controls(drawn, at))
    for name, score in drawn.items():
        place = of_runs[name]
        fig.add_trace(_dot(name, at[name], score, place, palette[name], stands_out=name == chosen))
    for group, (of_group, spread) in (seeds or {}).items():
        if isinstance(of_group, SeedSpread):
            where = of_group.score.value
        else:
            where = math.nan if axis is None else axis.at(of_group, MEANS_APART)
        color = (colors or {}).get(group, theme.CHECKPOINT_COLORS[0])
        fig.add_trace(_mean(group, where, of_group, spread, color))
    _one_entry(fig, "mean over seeds")
    fig.update_layout(
        height=430 + theme.legend_room(["strongest control", "mean over seeds"]),
        xaxis={"title": {"text": escape(x)}, **({} if axis is None else axis.layout)},
        yaxis={"title": {"text": escape(y)}},
    )
    more = (SEEDS if seeds else "") + (BESIDE if axis is not None and axis.gap else "")
    return theme.finish(
        fig, alt=_alt(scores, drawn, of_runs, y, x), caption=CAPTION.format(dot=DOT[over], over=over, more=more)
    )


def _has_place(name: str, places: Mapping[str, Any]) -> bool:
    """Whether a run can be set somewhere on the horizontal axis: not where its score there cannot be told."""
    place = places.get(name)
    return name in places and not (isinstance(place, Score) and not math.isfinite(place.value))


def _controls(drawn: Mapping[str, Score], at: Mapping[str, float]) -> go.Scatter:
    told = {name: score for name, score in drawn.items() if score.control is not None}
    return go.Scatter(
        x=[at[name] for name in told],
        y=[score.control for score in told.values()],
        mode="markers",
        name="strongest control",
        text=[f"<b>{escape(name)}</b><br>{escape(score.control_text)} (control)" for name, score in told.items()],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": "line-ew",
            "size": 14,
            "color": theme.CONTROL,
            "line": {"width": 2.5, "color": theme.CONTROL},
        },
    )


def _dot(name: str, x: float, score: Score, place: Any, color: str, *, stands_out: bool) -> go.Scatter:
    said = str(place) if isinstance(place, Score) else place
    symbol = "circle-open" if score.beats_control is False else "circle"
    return go.Scatter(
        x=[x],
        y=[score.value],
        error_x=_reach(place, color) if isinstance(place, Score) else None,
        error_y=_reach(score, color),
        customdata=[[name]],
        mode="markers",
        name=name,
        showlegend=False,
        text=[f"<b>{escape(name)}</b><br>{escape(str(score))}<br>{escape(str(said))}"],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "size": 18 if stands_out else 10,
            "symbol": symbol,
            "color": color,
            "line": {"width": 2, "color": color},
        },
    )


def _reach(score: Score, color: str, *, thickness: float = 2.5, width: float = 0) -> dict[str, Any]:
    above = 0 if score.high is None else score.high - score.value
    below = 0 if score.low is None else score.value - score.low
    shape = {"type": "data", "symmetric": False, "thickness": thickness, "width": width, "color": color}
    return {**shape, "array": [above], "arrayminus": [below]}


def _mean(group: str, x: float, place: Any, spread: SeedSpread, color: str) -> go.Scatter:
    return go.Scatter(
        x=[x],
        y=[spread.score.value],
        error_x=_reach(place.score, color, thickness=1, width=6) if isinstance(place, SeedSpread) else None,
        error_y=_reach(spread.score, color, thickness=1, width=6),
        mode="markers",
        name="mean over seeds",
        legendgroup="mean over seeds",
        text=[f"<b>{escape(group)}</b><br>{escape(str(spread))}<br>95 % over seeds: {escape(spread.score.text)}"],
        hovertemplate="%{text}<extra></extra>",
        marker={"symbol": "diamond-open", "size": 15, "color": color, "line": {"width": 1.5, "color": color}},
    )


def _one_entry(fig: go.Figure, name: str) -> None:
    """Names the diamonds once in the legend."""
    for i, trace in enumerate(trace for trace in fig.data if trace.name == name):
        trace.showlegend = i == 0


def _alt(scores: Mapping[str, Score], drawn: Mapping[str, Score], places: Mapping[str, Any], y: str, x: str) -> str:
    parts = "; ".join(f"{name or 'this checkpoint'}: {score}, at {places[name]}" for name, score in drawn.items())
    without = (
        f" Without a place: {', '.join(sorted(scores.keys() - drawn.keys()))}." if len(drawn) < len(scores) else ""
    )
    return f"{y} against {x}, a dot for each of {len(drawn)} runs. {parts}.{without}"
