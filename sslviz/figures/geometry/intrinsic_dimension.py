"""How many dimensions do the images really fill?  The slopes that TwoNN reads, beside that of noise."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.data.sampling import spread_rows
from sslviz.diagnostics.geometry.intrinsic_dimension import IntrinsicDimension, two_nn
from sslviz.figures.parts import theme

POINTS = 200  # per line: every image would show no more
MIN_SHARE = 0.02  # share of images down to which lines are drawn: single images far out would squeeze all others
CAPTION = (
    "How much farther the second neighbour is than the first. In few dimensions often much farther, in many hardly: "
    "the steeper the line, the more dimensions; one that bends is no single dimension. Dashed: the slope read as the "
    "dimension, from the images above the dotted line. Grey: noise that fills all dimensions alike. {drawn}"
)


def intrinsic_dimension(
    results: IntrinsicDimension | Mapping[str, IntrinsicDimension], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """How many dimensions do the images really fill?  One line per checkpoint, whose slope is the dimension.

    `results` is an IntrinsicDimension or {checkpoint: IntrinsicDimension}.  Across: second by first neighbour's
    distance; up: the share of images whose ratio is larger.  Both are log, so that the Pareto law of TwoNN is a
    straight line of slope -d.  Noise of the same shape in grey, once for each n and d.
    Caveat: noise on top of few directions counts as many dimensions.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig = go.Figure()
    shapes = {(r.n, r.d): r for r in named.values()}
    for (n, d), r in shapes.items():
        label = "noise (control)" if len(shapes) == 1 else f"noise, n = {n:,}, d = {d:,} (control)"
        hover = f"<b>noise</b> (control), {n:,} images, {d:,} dimensions"
        fig.add_traces(_lines(r.noise_ratios, r.discard, label, label, hover, theme.CONTROL))
    for name, r in named.items():
        fig.add_traces(
            _lines(r.ratios, r.discard, name, short[name] or "this checkpoint", f"<b>{escape(name)}</b>", palette[name])
        )
    for discard in {r.discard for r in named.values() if r.discard > 0}:
        fig.add_hline(y=discard, line={"dash": "dot", "color": theme.CONTROL, "width": 1})
    fig.update_layout(
        height=400 + theme.legend_room([*short.values(), "noise, n = 10,000, d = 128 (control)"]),
        xaxis={"title": {"text": "distance to the second neighbour / to the first (log)"}, "type": "log"},
        yaxis={
            "title": {"text": "share of images whose ratio is larger (log)"},
            "type": "log",
            "tickformat": ".0%",
            "tickvals": [0.02, 0.05, 0.1, 0.2, 0.5, 1],
        },
    )
    many = max(len(r.ratios) for r in named.values()) > POINTS
    drawn = f"Drawn at {POINTS:,} of the images, without the farthest {MIN_SHARE:.0%}." if many else ""
    return theme.finish(fig, alt=_alt(named), caption=CAPTION.format(drawn=drawn).strip())


def _lines(ratios: np.ndarray, discard: float, group: str, label: str, hover: str, color: str) -> list[go.Scatter]:
    """The ratios as they are, and the line whose slope is their dimension."""
    n, d = len(ratios), two_nn(ratios, discard=discard)
    last = int(n * (1 - MIN_SHARE)) - 1
    at = spread_rows(last + 1, POINTS, nearest=True)
    above, reach = 1 - (at + 1) / n, max(discard, MIN_SHARE)
    return [
        go.Scatter(
            x=ratios[at],
            y=above,
            name=label,
            legendgroup=group,
            mode="lines",
            line={"color": color, "width": 2.5},
            hovertemplate=f"{hover}: {d:.1f} dimensions<br>%{{y:.0%}} of images: more than %{{x:.3f}} times as far"
            "<extra></extra>",
        ),
        go.Scatter(
            x=np.array([1.0, reach]) ** (-1 / d),
            y=[1.0, reach],
            name=f"{group} fitted",
            legendgroup=group,
            showlegend=False,
            mode="lines",
            line={"color": color, "width": 1, "dash": "dash"},
            hoverinfo="skip",
        ),
    ]


def _alt(named: Mapping[str, IntrinsicDimension]) -> str:
    parts = [
        f"{name or 'this checkpoint'}: {two_nn(r.ratios, discard=r.discard):.1f} of {r.d} dimensions, "
        f"noise {two_nn(r.noise_ratios, discard=r.discard):.1f}"
        for name, r in named.items()
    ]
    return f"TwoNN: the slope is the number of dimensions the images fill. {'; '.join(parts)}."
