"""The strongest links between the patches of two pictures, and all of them as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.explanations.attribution_panels import AGAINST, FOR, SIGNED
from sslviz.figures.explanations.row_heading import add_heading
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri, pale

if TYPE_CHECKING:
    from sslviz.explanations.attribution.pairs import PairExplanation

APART = 1.5  # from the left edge of one picture to that of the other, in widths of a picture
HEIGHT, HEADING = 205, 44  # pixels of a row, and of what stands above it
CAPTION = (
    "Red links: patches that raise the similarity together; blue: that lower it; the thicker the more, at one scale. The "
    "table has all pairs. The control beside the numbers is what images that have nothing to do with it read. Patches "
    "that only matter together share what they add."
)


def pair_explanation(
    results: PairExplanation | Mapping[str, PairExplanation],
    *,
    colors: Mapping[str, str] | None = None,
    links: int = 8,
) -> go.Figure:
    """Why are these two alike?  The strongest `links` between their patches, and the table of all pairs, per checkpoint.

    `results` is a PairExplanation or {checkpoint: PairExplanation}.  All have one scale.  Above each row: the
    similarity, how much of it the patches make up, and the control.

    Caveat: patches that only matter together share what they add, and what the baseline shows is left out.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    limit = max(float(np.abs(result.pairs).max()) for result in named.values()) or 1.0
    n = len(named)
    total = n * (HEIGHT + HEADING)
    fig = make_subplots(
        rows=n,
        cols=2,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.06,
        vertical_spacing=HEADING / total if n > 1 else 0,
    )
    for row, (name, result) in enumerate(named.items(), 1):
        for trace in (*_pictures(result), *_links(result, links, limit)):
            fig.add_trace(trace, row=row, col=1)
        fig.add_trace(_table(result, name), row=row, col=2)
        _put_axes(fig, row, palette[name], result)
        add_heading(fig, _heading(short[name], result), fig.get_subplot(row, 1).yaxis.domain[1])
    fig.update_layout(
        height=total + 40,
        showlegend=False,
        margin_t=HEADING + 8,
        coloraxis={"colorscale": SIGNED, "cmin": -limit, "cmax": limit, "showscale": False},
    )
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _pictures(result: PairExplanation) -> Iterator[go.Image]:
    size = result.pixels.shape[1]
    for k, picture in enumerate(result.pixels):
        yield go.Image(
            source=data_uri(_half_pale(picture)),
            x0=k * APART + 0.5 / size,
            dx=1 / size,
            y0=0.5 / size,
            dy=1 / size,
            name=result.ids[k],
            hoverinfo="skip",
        )


def _half_pale(picture: np.ndarray) -> np.ndarray:
    return ((picture.astype(int) + pale(picture)) // 2).astype(np.uint8)


def _links(result: PairExplanation, count: int, limit: float) -> Iterator[go.Scatter]:
    """A line from patch to patch, with a square around each; the strongest last, on top."""
    for p, q, value in reversed(result.strongest(count)):
        if value == 0:
            continue
        color = FOR if value > 0 else AGAINST
        (row_a, column_a), (row_b, column_b) = (divmod(patch, result.grid) for patch in (p, q))
        x = [(column_a + 0.5) / result.grid, (column_b + 0.5) / result.grid + APART]
        y = [(row_a + 0.5) / result.grid, (row_b + 0.5) / result.grid]
        yield go.Scatter(
            x=[x[0], sum(x) / 2, x[1]],
            y=[y[0], sum(y) / 2, y[1]],
            mode="lines+markers",
            line={"color": color, "width": 1 + 4 * abs(value) / limit},
            opacity=0.85,
            marker={"color": color, "size": [9, 4, 9], "symbol": ["square-open", "circle", "square-open"]},
            name=f"{value:+.3g}",
            hovertemplate=f"row {row_a + 1}, column {column_a + 1} of {escape(result.ids[0])}<br>row {row_b + 1}, column "
            f"{column_b + 1} of {escape(result.ids[1])}<br><b>{value:+.3g}</b> of {result.similarity:.3g}<extra></extra>",
        )


def _table(result: PairExplanation, name: str) -> go.Heatmap:
    patches = [f"row {i // result.grid + 1}, column {i % result.grid + 1}" for i in range(result.grid**2)]
    a, b = (escape(i) for i in result.ids)
    return go.Heatmap(
        z=np.array([[float(f"{v:.3g}") for v in line] for line in result.pairs]),
        x=patches,
        y=patches,
        coloraxis="coloraxis",
        name=name or "all pairs",
        hovertemplate=f"%{{y}} of {a}<br>%{{x}} of {b}<br><b>%{{z:+.3g}}</b><extra>{escape(name)}</extra>",
    )


def _put_axes(fig: go.Figure, row: int, color: str, result: PairExplanation) -> None:
    plain: dict[str, Any] = {"showticklabels": False, "ticks": "", "showgrid": False, "zeroline": False}
    fig.update_xaxes(plain | {"showline": False, "range": [-0.02, APART + 1.02]}, row=row, col=1)
    square = {"scaleanchor": fig.get_subplot(row, 1).yaxis.anchor, "constrain": "domain", "constraintoward": "top"}
    fig.update_yaxes(plain | {"showline": False, "range": [1.02, -0.02]} | square, row=row, col=1)
    framed = plain | {"showline": True, "mirror": True, "linewidth": 2, "linecolor": color}
    short = theme.short_names(result.ids, 18)
    fig.update_xaxes(framed | {"title": {"text": f"patches of {escape(short[result.ids[1]])}"}}, row=row, col=2)
    left = {"title": {"text": f"patches of {escape(short[result.ids[0]])}"}, "autorange": "reversed"}
    fig.update_yaxes(framed | left, row=row, col=2)


def _heading(name: str, result: PairExplanation) -> str:
    text = f"<b>{escape(name)}</b> similarity {result.similarity:.2f}, of which patches make up {result.explained:.2f}"
    scores = result.scores()
    return (
        f"{text.strip()}<br>{escape(result.others)} (control): {scores['explained'].control:.2f}; "
        f"two estimates agree {scores['agreement'].value:.2f}, by chance {scores['agreement'].control:.2f}"
    )


def _alt(named: Mapping[str, PairExplanation]) -> str:
    parts = [
        f"{name or 'this checkpoint'}: {r.ids[0]} and {r.ids[1]} have a similarity of {r.similarity:.2f}, patches make up "
        f"{r.explained:.2f}, {r.others} {r.scores()['explained'].control:.2f}"
        for name, r in named.items()
    ]
    return f"Two pictures with the strongest links between their patches, and a table of all pairs. {'; '.join(parts)}."
