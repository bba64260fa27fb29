"""The parts of every figure of maps: points, null map, headings, legend, caption."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.diagnostics.projection.projection import Projection
from sslviz.figures.parts import theme
from sslviz.figures.projection.point_colors import MOST_CLASSES, RELIABILITY, PointColors, PointGroup

SVG_POINTS = 1500  # in one figure: so few are drawn sooner without WebGL, and where a browser has none
CAPTION = "Distances between clusters and sizes of clusters are not meaningful."
HEADING = 68  # pixels above a map
NULL = "null map: noise of equal covariance (control)"
LAYOUT_NAMES = {"umap": "UMAP", "umap-learn": "UMAP (umap-learn)", "torchdr": "UMAP (TorchDR)", "pca": "PCA"}
TraceKind = type[go.Scatter] | type[go.Scattergl]


def drawn_rows(ids: np.ndarray, chosen: set[str], limit: int) -> np.ndarray:
    """The rows that are drawn: all, or a random sample that is always the same and holds the chosen."""
    if len(ids) <= limit:
        return np.arange(len(ids))
    order = np.random.default_rng(0).permutation(len(ids))
    order = order[np.argsort(~np.isin(ids[order], list(chosen)), kind="stable")]
    return np.sort(order[:limit])


def trace_kind(points: int) -> TraceKind:
    """The trace for so many points: each an SVG element of its own, or all by WebGL."""
    return go.Scatter if points <= SVG_POINTS else go.Scattergl


def point_traces(
    result: Projection,
    coloring: PointColors,
    rows: np.ndarray,
    chosen: set[str],
    color: str,
    name: str,
    kind: TraceKind,
) -> list[go.Scatter | go.Scattergl]:
    """A few traces per class (or one in all), with the sample ids as customdata."""
    size, ranks = _point_size(len(result.ids)), coloring.legend
    traces = []
    for group in coloring.groups(rows, color):
        label, members, _, _ = group
        rank = {"legendrank": 1000 + (ranks.index(label) if label else 0)}
        trace = group_trace(result, group, {"size": size, "opacity": 0.9 if size > 4 else 0.65}, kind, name, **rank)
        if chosen:
            trace.selectedpoints = np.flatnonzero(np.isin(result.ids[members], list(chosen)))
            trace.selected = {"marker": {"opacity": 1, "size": size + 3}}
            trace.unselected = {"marker": {"opacity": 0.12}}
        traces.append(trace)
    return traces


def group_trace(
    result: Projection, group: PointGroup, look: Mapping[str, Any], kind: TraceKind, name: str = "", **options: Any
) -> go.Scatter | go.Scattergl:
    """The points of one group as a trace; `look` of all markers, `name` of the map for the hover text."""
    label, members, marker, hover = group
    return kind(
        x=result.xy[members, 0],
        y=result.xy[members, 1],
        mode="markers",
        customdata=result.ids[members][:, None],
        name=theme.short_names([label])[label] or "images",
        legendgroup=label,
        showlegend=bool(label),
        marker={**look, **marker},
        hovertemplate=f"%{{customdata[0]}}{hover}<extra>{escape(name)}</extra>",
        **options,
    )


def null_trace(result: Projection, rows: np.ndarray, kind: TraceKind) -> go.Scatter | go.Scattergl:
    """The null map in grey."""
    xy = result.null_xy[rows]
    return kind(
        x=xy[:, 0],
        y=xy[:, 1],
        mode="markers",
        name=NULL,
        legendgroup="null map",
        legendrank=3000,  # below all classes
        hoverinfo="skip",
        showlegend=True,
        marker={"size": _point_size(len(rows)), "color": theme.CONTROL, "opacity": 0.6},
    )


def _point_size(n: int) -> int:
    """Pixels across a point; many points are also more transparent."""
    return 7 if n <= 500 else 5 if n <= 3000 else 4 if n <= 10_000 else 3


def equal_axes(fig: go.Figure) -> None:
    """No ticks, since positions have no unit; equal units in x and y; maps stand right below their headings."""
    hidden = {"visible": False, "constrain": "domain"}
    fig.update_xaxes(**hidden, constraintoward="left")
    fig.for_each_yaxis(lambda axis: axis.update(**hidden, constraintoward="top", scaleanchor=axis.anchor or "x"))


def heading(name: str, result: Projection, **position: Any) -> dict[str, Any]:
    """An annotation: the checkpoint's name, and under it the scores of the map beside its controls."""
    lines = [f"<b>{escape(name)}</b>"] if name else []
    lines += [f'<span style="font-size:11px">{line}</span>' for line in _badge(result)]
    return {
        "text": "<br>".join(lines),
        "showarrow": False,
        "align": "left",
        "xref": "paper",
        "yref": "paper",
        "yanchor": "bottom",
        **position,
    }


def _badge(result: Projection) -> list[str]:
    """Means as in `result.scores()`, without their intervals: a bootstrap at every redraw would take a second."""
    lines = []
    for name, word, values in (
        ("trustworthiness", "trustworthy", result.trustworthiness),
        ("knn_preservation", "kNN kept", result.preservation),
    ):
        shown = {k.removesuffix(" map"): v for k, v in result.control_values[name].items() if k in ("PCA", "null map")}
        controls = "".join(f" · {control} {value:.2f}" for control, value in shown.items())
        lines.append(f"{word} {values.mean():.2f}{controls}")
    return lines


def legend_and_scale(fig: go.Figure, coloring: PointColors) -> None:
    """The colour bar of a scale, or the legend of classes, if they are not too many."""
    if coloring.scale is not None:
        low, high = coloring.scale
        bar = {"title": {"text": escape(coloring.name), "side": "right"}, "len": 0.7}
        fig.update_layout(coloraxis={"colorscale": theme.SCALE, "cmin": low, "cmax": high, "colorbar": bar})
    if coloring.kind == "classes" and len(coloring.classes()[0]) > MOST_CLASSES:
        fig.for_each_trace(lambda trace: trace.update(showlegend=trace.name == NULL and trace.showlegend))
    title = escape(coloring.name) if coloring.kind == "classes" else ""
    fig.update_layout(legend={"itemsizing": "constant", "title": {"text": title, "side": "left", "font_size": 12}})


def legend_height(coloring: PointColors, *more: str) -> int:
    """Pixels for the legend, with `more` entries besides the classes and the null map."""
    names = coloring.legend if len(coloring.legend) <= MOST_CLASSES else []
    return theme.legend_room([*names, *more, "null map"])


def caption(named: Mapping[str, Projection], drawn: int, coloring: PointColors) -> str:
    """What is shown, by which method and settings, and what not to conclude."""
    result = next(iter(named.values()))
    n, p = len(result.ids), result.params
    method = LAYOUT_NAMES.get(result.method, result.method)
    settings = ", ".join(f"{key} {p[key]}" for key in ("n_neighbors", "min_dist", "seed") if key in p)
    shown = f"{n:,} images" if drawn >= n else f"{drawn:,} of {n:,} images drawn, a random sample (seed 0)"
    faded = f" Faded points keep no more of their {result.k} neighbours than chance would."
    faded = faded if coloring.kind == RELIABILITY else ""
    return f"{CAPTION} {method} of {shown}; {settings}.{faded}{_beaten_by_noise(named)}"


def _beaten_by_noise(named: Mapping[str, Projection]) -> str:
    """A sentence where the null map keeps neighbours as well as the map does: that is no fault of the features."""
    short = theme.short_names(named)
    scores = ("trustworthiness", "knn_preservation")
    names = [
        short[name]
        for name, result in named.items()
        if any(result.control_values[s].get("null map", -1) >= result.per_image()[s].mean() for s in scores)
    ]
    if not names:
        return ""
    where = f" of {escape(', '.join(names))}" if any(names) else ""
    return (
        f" The null map{where} keeps neighbours as well as the map or better: noise that varies in few directions is "
        "easy to draw, so here the scores do not tell structure from noise."
    )


def alt(named: Mapping[str, Projection], coloring: PointColors, null: bool) -> str:
    """The text for those who do not see the maps."""
    what = "null map (noise of the same covariance)" if null else "map of images"
    by = f", coloured by {coloring.name or 'class'}" if coloring.kind != "one" else ""
    badges = "; ".join(f"{name or 'this checkpoint'}: {', '.join(_badge(result))}" for name, result in named.items())
    return f"A {what}{by}. {badges}."
