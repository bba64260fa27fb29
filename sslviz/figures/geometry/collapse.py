"""Has it collapsed, and how?  One row per checkpoint, and one gauge for each way in which a space can collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.geometry.collapse import FEW_SHARE, MIN_GAP, MIN_SHARE, MIN_SPREAD, Collapse
from sslviz.figures.geometry.spectrum import measured_on
from sslviz.figures.parts import theme
from sslviz.statistics import Score

ALARM = "rgba(205,45,60,0.16)"  # where a verdict begins: no checkpoint's colour, and readable on light and dark
WARNING = "rgba(205,45,60,0.06)"
ROW, MANY_ROW = 62, 32  # pixels; of many checkpoints the verdict stands beside the name
CAPTION = (
    "Dot: encoder{and_diamond}, with 95 % intervals; grey: what noise reads (control). Red is where a collapse of that "
    "kind begins (pale red: only if 3 directions hold 90 % of the variance). {n}"
)


class Gauge(NamedTuple):
    """One column of the figure.

    - score, title: what it shows
    - kind: the collapse that it tells
    - ends: of its log axis
    - alarm: the zone in which that collapse begins
    - relative_to_noise: whether the score is drawn as a share of what noise reads
    """

    score: str
    title: str
    kind: str
    ends: tuple[float, float]
    alarm: tuple[float, float]
    relative_to_noise: bool = False


GAUGES = (
    Gauge("spread", "spread between images<br>(1 = at random)", "complete", (3e-4, 2), (3e-4, MIN_SPREAD)),
    Gauge("directions", "directions in use<br>(share of noise's)", "dimensional", (5e-3, 1.5), (5e-3, MIN_SHARE), True),
    Gauge("cluster_gap", "gap around heaps<br>(times farther)", "cluster", (0.8, 2e3), (MIN_GAP, 2e3)),
)


def collapse(results: Collapse | Mapping[str, Collapse], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Has it collapsed, and how?  The verdict of each checkpoint, and the three numbers it was read from.

    `results` is a Collapse or {checkpoint: Collapse}.  Log axes; numbers beyond their ends are drawn there.  A dot in
    the red of a column is a collapse of that kind; a diamond is the projector, if it was measured.
    Caveat: ranks grow with the number of images; the caption says how many there were.
    """
    named = theme.as_dict(results)
    palette, short, many = theme.colors(named, colors), theme.short_names(named), len(named) > theme.MANY
    fig = make_subplots(cols=len(GAUGES), shared_yaxes=True, horizontal_spacing=0.035)
    for column, gauge in enumerate(GAUGES, 1):
        fig.add_trace(_control(named, gauge), row=1, col=column)
        _zones(fig, gauge, column)
        for name, result in named.items():
            for prefix in ("", "projector_"):
                if (score := result.scores().get(prefix + gauge.score)) is not None:
                    trace = _mark(
                        name, list(named).index(name), result, score, gauge, prefix, palette[name], 8 if many else 11
                    )
                    fig.add_trace(trace, row=1, col=column)
    fig.data[0].showlegend = True
    labels = [
        f"{escape(short[n]) or 'this checkpoint'}{' ' if many else '<br>'}<b>{r.verdict}</b>" for n, r in named.items()
    ]
    fig.update_yaxes(
        tickvals=[*range(len(named))], ticktext=labels, range=[len(named) - 0.5, -0.5], showgrid=False, ticks=""
    )
    fig.update_layout(height=(MANY_ROW if many else ROW) * max(2, len(named)) + 150, margin={"t": 34})
    return theme.finish(fig, alt=_alt(named), caption=_caption(named))


def _zones(fig: go.Figure, gauge: Gauge, column: int) -> None:
    fig.add_vrect(x0=gauge.alarm[0], x1=gauge.alarm[1], fillcolor=ALARM, line_width=0, layer="below", col=column, row=1)
    if gauge.relative_to_noise:
        fig.add_vrect(x0=MIN_SHARE, x1=FEW_SHARE, fillcolor=WARNING, line_width=0, layer="below", col=column, row=1)
    fig.add_annotation(
        text=f"{gauge.kind}",
        x=sum(map(math.log10, gauge.alarm)) / 2,
        y=1,
        yref="y domain",
        yanchor="bottom",
        showarrow=False,
        font={"size": 12},
        row=1,
        col=column,
    )
    fig.update_xaxes(
        type="log",
        range=[math.log10(end) for end in gauge.ends],
        title_text=gauge.title,
        exponentformat="power",
        dtick=1,
        row=1,
        col=column,
    )


def _control(named: Mapping[str, Collapse], gauge: Gauge) -> go.Scatter:
    """What noise reads, one tick per row."""
    marks = [(y, r.scores()[gauge.score].controls) for y, r in enumerate(named.values()) if gauge.score in r.scores()]
    flat = [(y, name, value) for y, controls in marks for name, value in controls.items()]
    return go.Scatter(
        x=[1.0 if gauge.relative_to_noise else _clipped(value, gauge) for _, _, value in flat],
        y=[y for y, _, _ in flat],
        text=[f"<b>{escape(name)}</b> (control): {value:.3g}" for _, name, value in flat],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        name="noise (control)",
        showlegend=False,
        cliponaxis=False,
        marker={
            "symbol": "line-ns",
            "size": 26 if len(named) <= theme.MANY else 18,
            "color": theme.CONTROL,
            "line": {"width": 2.5, "color": theme.CONTROL},
        },
    )


def _mark(
    name: str, row: int, result: Collapse, score: Score, gauge: Gauge, prefix: str, color: str, size: int
) -> go.Scatter:
    unit = (score.control or 1.0) if gauge.relative_to_noise else 1.0
    x, low, high = (
        _clipped((score.value if v is None else v) / unit, gauge) for v in (score.value, score.low, score.high)
    )
    of = "projector" if prefix else "encoder"
    return go.Scatter(
        x=[x],
        y=[row + (0.2 if prefix else -0.2 * (result.projector_d is not None))],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - x],
            "arrayminus": [x - low],
            "thickness": 4,
            "width": 0,
            "color": color,
        },
        hovertemplate=f"<b>{escape(name)}</b> {of}<br>{gauge.score} {escape(str(score))}<extra></extra>",
        mode="markers",
        name=f"{name} {of}",
        showlegend=False,
        cliponaxis=False,
        marker={
            "symbol": "diamond-open" if prefix else "circle",
            "size": size,
            "color": color,
            "line": {"width": 2.5 if prefix else 0},
        },
    )


def _clipped(value: float, gauge: Gauge) -> float:
    return min(max(value, gauge.ends[0]), gauge.ends[1])


def _caption(named: Mapping[str, Collapse]) -> str:
    has_projector = any(r.projector_d is not None for r in named.values())
    counts = measured_on(r.n for r in named.values())
    return CAPTION.format(and_diamond="; diamond: projector" if has_projector else "", n=counts)


def _alt(named: Mapping[str, Collapse]) -> str:
    parts = [f"{n or 'this checkpoint'}: {r.verdict}. {' '.join(r.reasons)}" for n, r in named.items()]
    return f"The verdict on each checkpoint, and the numbers behind it beside those of noise. {' '.join(parts)}"
