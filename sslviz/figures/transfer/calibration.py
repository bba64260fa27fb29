"""Figure of `Calibration`: the share of images predicted rightly against the confidence of the head."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.transfer.calibration import Calibration

BAND = "rgba(133,133,133,0.22)"
CAPTION = (
    "Each dot is a bin of equally many images: how sure the head is, and how often it is right. "
    "Grey: a head that is right about itself lies on the line, and by luck within the band in 95 of 100 bins. "
    "Below the line it is too sure of itself; a head that knows nothing can still lie on it."
)


def calibration(
    results: Calibration | Mapping[str, Calibration], *, colors: Mapping[str, str] | None = None
) -> go.Figure:
    """One line per checkpoint over its bins, beside the diagonal and the band that luck allows.

    `results` is a Calibration or {checkpoint: Calibration}; the band is that of the smallest bins.
    Caveat: how many images are how sure is not seen; bins lie close where most of them are.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fewest = min(int(result.reliability["n"].min()) for result in named.values())
    fig = go.Figure([_band(fewest), _diagonal()])
    for name, result in named.items():
        fig.add_trace(_line(result, name, short[name] or "this checkpoint", palette[name]))
    legend = ["by luck, 95 of 100", "right about itself (control)", *short.values()]
    fig.update_layout(
        height=400 + theme.legend_room(legend),
        xaxis={"title": {"text": "confidence of the head, mean of the bin (0 to 1)"}, "range": [0, 1.02]},
        yaxis={"title": {"text": "predicted rightly (0 to 1)"}, "range": [-0.02, 1.04]},
    )
    told = "; ".join(
        f"{name or 'this checkpoint'}: ece {r.scores()['ece']}, temperature {r.scores()['temperature'].text}"
        for name, r in named.items()
    )
    return theme.finish(fig, alt=f"Confidence of a linear head against how often it is right. {told}.", caption=CAPTION)


def _band(n: int) -> go.Scatter:
    """Shares of a bin of `n` images that luck allows, around each confidence."""
    at = np.linspace(0, 1, 41)
    reach = 1.96 * np.sqrt(at * (1 - at) / n)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach, 1)
    return go.Scatter(
        x=[*at, *at[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        fillcolor=BAND,
        mode="lines",
        line={"width": 0, "color": theme.CONTROL},
        name="by luck, 95 of 100",
        hoverinfo="skip",
    )


def _diagonal() -> go.Scatter:
    return go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": theme.CONTROL, "width": 2},
        name="right about itself (control)",
        hovertemplate="<b>right about itself</b> (control)<extra></extra>",
    )


def _line(result: Calibration, name: str, short: str, color: str) -> go.Scatter:
    bins = result.reliability
    return go.Scatter(
        x=bins["confidence"],
        y=bins["correct"],
        mode="lines+markers",
        name=short,
        line={"color": color, "width": 1.5},
        marker={"color": color, "size": 8},
        text=[
            f"<b>{escape(name)}</b><br>sure at {c:.2f}, right in {r:.2f} of {n:,} images"
            for c, r, n in zip(bins["confidence"], bins["correct"], bins["n"], strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
