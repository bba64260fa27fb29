"""Which images changed?  How many changed by how much, beside unrelated spaces, and the mean of each class."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.similarity.changed import Changed
from sslviz.figures.parts import theme

MOST_CLASSES = 30
CAPTION = (
    "How many images kept how many of their nearest neighbours: at 0 % all, at 100 % none. Grey: unrelated spaces, "
    "which keep a few by chance. A change says that something moved, not that it got better."
)


def changed(results: Changed | Mapping[str, Changed], *, colors: Mapping[str, str] | None = None) -> go.Figure:
    """Which images changed their neighbourhood, and how many?  A histogram, and the mean of each class where there are.

    `results` is a Changed or {name of the pair: Changed}.  Grey is what unrelated spaces would show.  Of more than 30
    classes, those that changed most are drawn.
    Caveat: in a crowd of near-equals the nearest change at a touch.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    classes, left_out = _classes(named)
    fig = make_subplots(rows=2 if classes else 1, vertical_spacing=0.2, row_heights=_heights(len(classes)))
    chance = {(result.k, len(result.ids)): result for result in named.values()}
    fig.add_traces([_unrelated(result, only=len(chance) == 1) for result in chance.values()], rows=1, cols=1)
    for name, result in named.items():
        fig.add_trace(_histogram(result, name, short[name], palette[name], alone=len(named) == 1), row=1, col=1)
    fig.update_xaxes(title_text="neighbours changed (% of k)", range=[-6, 106], dtick=20, row=1)
    fig.update_yaxes(title_text="share of images (%)", rangemode="tozero", row=1)
    if classes:
        fig.add_traces(_class_means(named, palette, classes), rows=2, cols=1)
        fig.update_xaxes(title_text="mean change of the class (%)", range=[-6, 106], dtick=20, row=2)
        shown = theme.short_names(classes)
        fig.update_yaxes(
            type="category",
            autorange="reversed",
            tickvals=classes,
            title_text="label",
            ticktext=[escape(shown[name]) for name in classes],
            row=2,
        )
    fig.update_layout(
        height=340 + (110 + 20 * len(classes) if classes else 0) + theme.legend_room([*short.values(), "unrelated"]),
        barmode="overlay",
        bargap=0.25,
    )
    caption = (
        f"{CAPTION} The {len(classes)} classes that changed most, of {len(classes) + left_out}."
        if left_out
        else CAPTION
    )
    return theme.finish(fig, alt=_alt(named), caption=caption)


def _heights(classes: int) -> list[float] | None:
    if not classes:
        return None
    below = 20 * classes + 40
    return [260 / (260 + below), below / (260 + below)]


def _classes(named: Mapping[str, Changed]) -> tuple[list[str], int]:
    """The classes from the most changed to the least, and how many are left out."""
    sums: dict[str, list[float]] = {}
    for result in named.values():
        for name, mean in result.by_class.items():
            sums.setdefault(name, []).append(mean)
    order = sorted(sums, key=lambda name: -float(np.mean(sums[name])))
    return order[:MOST_CLASSES], max(0, len(order) - MOST_CLASSES)


def _shares(result: Changed) -> np.ndarray:
    """The shares of images that changed by 0, 1, ... k neighbours, in per cent."""
    changed = np.rint(result.change * result.k).astype(int)
    return 100 * np.bincount(changed, minlength=result.k + 1) / len(changed)


def _histogram(result: Changed, name: str, short: str, color: str, *, alone: bool) -> go.Bar | go.Scatter:
    at = 100 * np.arange(result.k + 1) / result.k
    look = {
        "x": at,
        "y": _shares(result),
        "name": short or "this pair",
        "legendgroup": name,
        "hovertemplate": f"<b>{escape(name)}</b><br>%{{y:.1f}} % of the images<br>changed %{{x:.0f}} % of their "
        f"{result.k} nearest<extra></extra>",
    }
    if alone:  # bars of several would hide one another
        return go.Bar(marker={"color": color}, **look)
    return go.Scatter(
        mode="lines+markers", line={"color": color, "width": 2.5}, marker={"color": color, "size": 6}, **look
    )


def _unrelated(result: Changed, *, only: bool) -> go.Scatter:
    which = "" if only else f", k = {result.k}, {len(result.ids):,} images"
    return go.Scatter(
        x=100 * np.arange(result.k + 1) / result.k,
        y=100 * result.unrelated,
        mode="lines",
        name=f"unrelated spaces{which} (control)",
        line={"color": theme.CONTROL, "width": 2.5},
        hovertemplate="<b>unrelated spaces</b> (control)<br>%{y:.1f} % of the images<extra></extra>",
    )


def _class_means(named: Mapping[str, Changed], palette: Mapping[str, str], classes: list[str]) -> list[go.Scatter]:
    chance = 100 * max(result.chance for result in named.values())
    traces = [
        go.Scatter(
            x=[chance] * len(classes),
            y=classes,
            mode="lines+markers",
            name="unrelated, mean (control)",
            showlegend=False,
            line={"color": theme.CONTROL, "width": 2.5},
            marker={"size": 1, "color": theme.CONTROL},
            hovertemplate=f"<b>unrelated spaces</b> (control): {chance:.1f} %<extra></extra>",
        )
    ]
    for name, result in named.items():
        means = {label: result.by_class[label] for label in classes if label in result.by_class}
        counts = [int(np.sum(result.labels == label)) for label in means]
        traces.append(
            go.Scatter(
                x=[100 * mean for mean in means.values()],
                y=list(means),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=False,
                marker={"color": palette[name], "size": 9.5},
                customdata=counts,
                hovertemplate=f"<b>{escape(name)}</b><br>%{{y}}: %{{x:.1f}} % changed<br>%{{customdata}} images<extra></extra>",
            )
        )
    return traces


def _alt(named: Mapping[str, Changed]) -> str:
    parts = [
        f"{name or 'this pair'}: {result.scores()['neighbours_changed'].value:.0%} of the {result.k} nearest changed "
        f"on average, {result.chance:.0%} between unrelated spaces"
        for name, result in named.items()
    ]
    return f"Histogram of how many neighbours each image changed. {'; '.join(parts)}."
