"""The score bar: a dot for the value, a line for its interval, a tick for each control.

The grey zone reaches from the bad end of the scale to the strongest control: a dot inside it has shown nothing.  Where
the control is a ceiling (what an ideal structureless space would read), the zone beyond it is hatched instead.  Every
score has its own scale, written at its ends, which checkpoints share.  `str(Score)` is the same bar as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple, cast

import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.statistics import Score

UNIT_SCORES = {"accuracy", "trustworthiness", "continuity", "knn_preservation", "seed_stability"}
UNIT_SCORES |= {"deletion", "insertion", "pointing_game", "relevance_mass", "relevance_rank", "localization_auc"}
HATCH = {"shape": "/", "size": 6, "solidity": 0.15, "fgcolor": theme.CONTROL, "bgcolor": "rgba(0,0,0,0)"}
LINE = 20  # pixels of a line of the legend
ROW = 30  # pixels
CAPTION = (
    "Dot: value; line: 95 % interval; tick: a control; grey: no better than the strongest control; hatched: beyond a "
    "ceiling. Each score has its own scale."
)


class Row(NamedTuple):
    """One bar.

    - name: of the score
    - checkpoint: its name, "" where there is one only
    - score: what is shown
    - scale: (from, to)
    - y: its height in the figure
    """

    name: str
    checkpoint: str
    score: Score
    scale: tuple[float, float]
    y: float


def scale(name: str, scores: Iterable[Score]) -> tuple[float, float]:
    """The ends of this score's scale: 0 and 1 for accuracies and the like, else 0 and a round number.

    Negative numbers extend it to the left.  Numbers that are not finite are left out.
    """
    numbers = [v for s in scores for v in (s.value, s.low, s.high, *s.controls.values()) if v is not None]
    numbers = [v for v in numbers if math.isfinite(v)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if (low == high == 0) or (name.split()[-1] in UNIT_SCORES and 0 <= low and high <= 1):
        return 0.0, 1.0
    return (-_round_up(-low) if low < 0 else 0.0), (_round_up(high) if high > 0 else 0.0)


def _round_up(value: float) -> float:
    """The next number a person would end a scale at; the factor keeps dots off the end."""
    power = 10.0 ** math.floor(math.log10(1.04 * value))
    return next(m * power for m in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if m * power >= 1.04 * value)


def position(value: float | None, ends: tuple[float, float]) -> float:
    """Where on the bar this value is, 0 to 1; NaN, which plotly leaves out, for none."""
    value = math.nan if value is None else value
    return (value - ends[0]) / (ends[1] - ends[0]) if math.isfinite(value) else math.nan


def zone(score: Score, ends: tuple[float, float]) -> tuple[float, float] | None:
    """The part of the bar (0 to 1) that shows nothing: up to the floor, or beyond the ceiling; None if no end is good."""
    if score.control is None or (score.higher_is_better is None and score.control_is == "floor"):
        return None
    at = position(score.control, ends)
    left = (score.higher_is_better is not False) == (score.control_is == "floor")
    return (0.0, at) if left else (at, 1.0)


def score_bars(
    scores: Mapping[str, Score] | Mapping[str, Mapping[str, Score]],
    *,
    colors: Mapping[str, str] | None = None,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """One bar per score and checkpoint, grouped by score.

    - scores: {score name: Score}, or {checkpoint: {score name: Score}}; a checkpoint without a score has no row there
    - colors: {checkpoint: colour}, as from `theme.colors`
    - scales: {score name: (from, to)}, to use another than `scale`

    Bars of different scores are on different scales, written at their ends, and must not be compared by length.
    """
    if not scores:
        raise ValueError("Score bars need at least one score, but the dict is empty; give {score name: Score}.")
    single = isinstance(next(iter(scores.values())), Score)
    nested = cast(Mapping[str, Mapping[str, Score]], {"": scores} if single else scores)
    fig, rows = bars(nested, colors or {}, scales or {}, {})
    beaten = sum(bool(row.score.beats_control) for row in rows)
    compared = sum(row.score.beats_control is not None for row in rows)
    alt = f"{len(rows)} score bars; {beaten} of {compared} with a control to beat beat it. " + "; ".join(
        " ".join(filter(None, (row.checkpoint, row.name, str(row.score)))) for row in rows
    )
    return theme.finish(fig, alt=alt, caption=CAPTION)


def bars(
    nested: Mapping[str, Mapping[str, Score]],
    colors: Mapping[str, str],
    scales: Mapping[str, tuple[float, float]],
    marks: Mapping[str, str],
) -> tuple[go.Figure, list[Row]]:
    """The bars alone, and their rows, for `score_bars` and for figures that say more about them.

    - nested: {checkpoint: {score name: Score}}
    - marks: {control: symbol}, controls with a mark and a legend entry of their own instead of the tick
    """
    rows, headers = _rows(nested, scales)
    palette = theme.colors(nested, colors)
    names = list(dict.fromkeys(name for row in rows for name in row.score.controls))
    kinds = {name: name.partition(" (")[0] for name in names}  # "untrained (seed 1)" is another untrained one
    controls = [
        _controls(rows, [name for name in names if kinds[name] == kind], kind, symbol)
        for kind, symbol in marks.items()
        if kind in kinds.values()
    ]
    if rest := [name for name in names if kinds[name] not in marks]:
        controls.append(_controls(rows, rest, "control", "line-ns"))
    dots = [_dots([row for row in rows if row.checkpoint == name], palette[name]) for name in nested]
    fig = go.Figure([*_zones(rows), *controls, *dots, _scale_ends(rows)])
    _axes(fig, rows, headers, many=len(nested) > 1)
    return fig, rows


def _rows(
    nested: Mapping[str, Mapping[str, Score]], scales: Mapping[str, tuple[float, float]]
) -> tuple[list[Row], dict[float, str]]:
    """The bars from top to bottom (y falls), and {y: score name} of the headings that several checkpoints need."""
    rows, headers, y = [], {}, 0.0
    for name in dict.fromkeys(name for by_name in nested.values() for name in by_name):
        group = {checkpoint: by_name[name] for checkpoint, by_name in nested.items() if name in by_name}
        ends = scales.get(name) or scale(name, group.values())
        if len(nested) > 1:
            headers[y] = name + _arrow(next(iter(group.values())))
            y -= 0.85
        for checkpoint, score in group.items():
            rows.append(Row(name, checkpoint, score, ends, y))
            y -= 1 if len(nested) == 1 else 0.8
        y -= 0.35
    return rows, headers


def _arrow(score: Score) -> str:
    return {True: " ↑", False: " ↓", None: ""}[score.higher_is_better]


def _zones(rows: list[Row]) -> list[go.Scatter]:
    traces = []
    for kind, label in (("floor", "no better than control"), ("ceiling", "beyond ceiling")):
        spans = [(row.y, zone(row.score, row.scale)) for row in rows if row.score.control_is == kind]
        x, y = [], []
        for at, span in spans:
            if span is not None:
                x += [span[0], span[1], span[1], span[0], span[0], None]
                y += [at - 0.24, at - 0.24, at + 0.24, at + 0.24, at - 0.24, None]
        look: dict[str, Any] = {"fillcolor": "rgba(133,133,133,0.3)"} if kind == "floor" else {"fillpattern": HATCH}
        if x:
            look |= {"fill": "toself", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
            traces.append(go.Scatter(x=x, y=y, name=label, **look))
    return traces


def _controls(rows: list[Row], names: list[str], legend: str, symbol: str) -> go.Scatter:
    """All marks of these controls as one trace, below the dots."""
    marks = [(row, name, row.score.controls[name]) for row in rows for name in names if name in row.score.controls]
    tick = symbol == "line-ns"
    line = {"width": 2.5 if tick else 2, "color": theme.CONTROL}
    return go.Scatter(
        x=[position(value, row.scale) for row, _, value in marks],
        y=[row.y for row, _, _ in marks],
        customdata=[[row.checkpoint, row.name, name] for row, name, _ in marks],
        text=[f"<b>{escape(name)}</b> (control): {value:.3g}<br>{escape(row.name)}" for row, name, value in marks],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        name=legend,
        cliponaxis=False,
        marker={"symbol": symbol, "size": 15 if tick else 9, "color": theme.CONTROL, "line": line},
    )


def _dots(rows: list[Row], color: str) -> go.Scatter:
    x = [position(row.score.value, row.scale) for row in rows]
    above = [position(row.score.high, row.scale) - at for row, at in zip(rows, x, strict=True)]
    below = [at - position(row.score.low, row.scale) for row, at in zip(rows, x, strict=True)]
    interval = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return go.Scatter(
        x=x,
        y=[row.y for row in rows],
        error_x={**interval, "thickness": 4, "width": 0, "color": color},
        customdata=[[row.checkpoint, row.name] for row in rows],
        text=[f"<b>{escape(f'{row.checkpoint} {row.name}'.strip())}</b><br>{escape(str(row.score))}" for row in rows],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        name=rows[0].checkpoint if rows else "",
        showlegend=False,
        cliponaxis=False,
        yaxis="y2",
        marker={"size": 9.5, "color": color},
    )


def _scale_ends(rows: list[Row]) -> go.Scatter:
    """Both ends of each scale in small print, under the last bar that uses it."""
    last = {row.name: row for row in rows}.values()
    return go.Scatter(
        x=[x for _ in last for x in (0, 1)],
        y=[row.y - 0.3 for row in last for _ in (0, 1)],
        text=[f"{end:g}" for row in last for end in row.scale],
        textposition=[side for _ in last for side in ("bottom right", "bottom left")],
        mode="text",
        textfont={"size": 10},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _axes(fig: go.Figure, rows: list[Row], headers: dict[float, str], *, many: bool) -> None:
    labels = {y: f"<b>{escape(text)}</b>" for y, text in headers.items()}
    short = theme.short_names(row.checkpoint if many else row.name for row in rows)
    labels |= {r.y: escape(short[r.checkpoint] if many else short[r.name] + _arrow(r.score)) for r in rows}
    span = [min(labels) - 0.75, 0.55]
    plain = {"showline": False, "ticks": "", "range": span, "fixedrange": True}
    texts = {"tickvals": [row.y for row in rows], "ticktext": [escape(str(row.score)) for row in rows]}
    lines = math.ceil(sum(trace.showlegend is not False for trace in fig.data) / 2)
    fig.update_layout(
        height=round(ROW * (span[1] - span[0]) + 40 + LINE * lines),
        # Two to a line however narrow the page: the room they take is known, and no row is squeezed by it.
        legend={"entrywidthmode": "fraction", "entrywidth": 0.48, "font": {"size": 11}},
        xaxis={"range": [-0.02, 1.02], "visible": False, "fixedrange": True},
        yaxis={**plain, "tickvals": list(labels), "ticktext": list(labels.values()), "showgrid": False},
        yaxis2={**plain, **texts, "overlaying": "y", "side": "right", "tickfont": {"size": 11}, "showgrid": True},
    )
