"""What is near what?  Maps of the images, each with what it may be believed for, beside the map of mere noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.quality import align
from sslviz.figures.parts import theme
from sslviz.figures.projection.point_colors import MOST_CLASSES, RELIABILITY, Paint

POINTS = 20_000  # drawn in one figure unless more are asked for
MOST_POINTS = 99_999  # plotly freezes on hover beyond
SVG_POINTS = 1500  # in one figure: so few are drawn sooner without WebGL, and where a browser has none
CAPTION = "Distances between clusters and sizes of clusters are not meaningful."
HEADING = 68  # pixels above a map
NULL = "null map: noise with the same covariance (control)"
METHODS = {"umap": "UMAP", "umap-learn": "UMAP (umap-learn)", "torchdr": "UMAP (TorchDR)", "pca": "PCA"}
MOVERS = 200  # of which a trail is drawn: more are a haze
Kind = type[go.Scatter] | type[go.Scattergl]
TRAILS = f"lines lead from the earlier map to the {MOVERS} images that moved farthest"


def map_figure(
    result: Projection,
    color: Any = None,
    selected: Iterable[str] | None = None,
    *,
    title: str = "",
    null: bool = False,
    trails: Projection | None = None,
    point_color: str = theme.CHECKPOINT_COLORS[0],
    limit: int = POINTS,
) -> go.Figure:
    """What is near what for one checkpoint?  A single map, so that a lasso can be read from it (see `selected_ids`).

    `color`: one value per image in the order of `result.ids` (a pandas Series brings its name), or "reliability" (the
    share of its neighbours that each keeps; those that keep no more than chance would fade), or None for all points in
    `point_color`.  `selected` ids are opaque and larger, all others fade.  `null` draws the null map in grey, which
    belongs beside every map.  `trails` is an earlier map: lines lead from there to the images that moved farthest.
    At most `limit` points (99,999 whatever is asked) are drawn, always the same, `selected` first.
    ValueError for colours of other images, and for trails from a map that shares fewer than three images.
    Caveat: distances between clusters and sizes of clusters are not meaningful.
    """
    paint, chosen = Paint.over(color, result), set(() if selected is None else selected)
    rows = _rows(result.ids, chosen, min(limit, MOST_POINTS))
    kind = _kind(len(rows))
    if null:
        fig = go.Figure(_null_points(result, rows, kind))
    else:
        fig = go.Figure(_points(result, paint, rows, chosen, point_color, title, kind))
    lines = [] if trails is None or null else _trails(result, trails, rows, point_color, kind)
    fig.add_traces(lines)
    _equal_axes(fig)
    _once_in_legend(fig)
    _legend_and_scale(fig, paint)
    fig.update_layout(
        height=500 + _legend_height(paint, bool(lines)), dragmode="lasso", margin_t=HEADING,
        annotations=[_heading(_title(title, null), result, x=0, y=1, xanchor="left")],
    )  # fmt: skip
    caption = _caption({title: result}, len(rows), paint) + (f" {TRAILS[0].upper()}{TRAILS[1:]}." if lines else "")
    return theme.finish(fig, alt=_alt({title: result}, paint, null), caption=caption)


def projection(
    results: Projection | Mapping[str, Projection],
    *,
    color: Any = None,
    selected: Iterable[str] | None = None,
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """What is near what, and does the map invent it?  One map per checkpoint, and its null map in grey below or beside.

    `results` is a Projection or {checkpoint: Projection}, `color` one value per image in the order of their ids, or
    "reliability" as in `map_figure` (without it points have their checkpoint's colour), `selected` ids to stand out.
    For a lasso use `map_figure`.
    ValueError if `color` is given and the maps do not show the same images.
    Caveat: distances between clusters and sizes of clusters are not meaningful.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    of_images = color is not None and not (isinstance(color, str) and color == RELIABILITY)
    if of_images and any(not np.array_equal(r.ids, first.ids) for r in named.values()):
        raise ValueError("Maps coloured alike must show the same images in the same order; project the same images.")
    chosen = set(() if selected is None else selected)
    paints = {name: Paint.over(color, result) for name, result in named.items()}
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig, places = _grid(len(named))
    limit = max(1000, POINTS // (2 * len(named)))
    for (name, result), (row, col) in zip(named.items(), places, strict=True):
        rows = _rows(result.ids, chosen, limit)
        below = (row, col + 1) if len(named) == 1 else (row + 1, col)
        kind = _kind(2 * len(named) * len(rows))
        fig.add_traces(_points(result, paints[name], rows, chosen, palette[name], name, kind), rows=row, cols=col)
        fig.add_traces(_null_points(result, rows, kind), rows=below[0], cols=below[1])
        _put_heading(fig, short[name], result, row, col)
    _equal_axes(fig)
    _once_in_legend(fig)
    paint = next(iter(paints.values()))
    _legend_and_scale(fig, paint)
    fig.update_layout(height=fig.layout.height + _legend_height(paint), margin_t=HEADING)
    caption = _caption(named, min(limit, len(first.ids)), paint)
    return theme.finish(fig, alt=_alt(named, paint, False), caption=caption)


def selected_ids(points: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which images were selected?  Ids in the order of selection, each once, from `event["selection"]["points"]`."""
    return list(dict.fromkeys(str(point["customdata"][0]) for point in points if point.get("customdata")))


def _rows(ids: np.ndarray, chosen: set[str], limit: int) -> np.ndarray:
    """Which rows are drawn: all, or a random sample that is always the same and holds the chosen."""
    if len(ids) <= limit:
        return np.arange(len(ids))
    order = np.random.default_rng(0).permutation(len(ids))
    order = order[np.argsort(~np.isin(ids[order], list(chosen)), kind="stable")]
    return np.sort(order[:limit])


def _kind(points: int) -> Kind:
    """How so many points are drawn: each as an element of its own, or all by WebGL."""
    return go.Scatter if points <= SVG_POINTS else go.Scattergl


def _points(
    result: Projection, paint: Paint, rows: np.ndarray, chosen: set[str], color: str, name: str, kind: Kind
) -> list[go.Scatter | go.Scattergl]:  # fmt: skip
    """A few traces per class (or one in all), with the sample ids as customdata."""
    size, ranks = _size(len(result.ids)), paint.legend
    traces = []
    for label, mine, marker, said in paint.groups(rows, color):
        trace = kind(
            x=result.xy[mine, 0], y=result.xy[mine, 1], mode="markers", customdata=result.ids[mine][:, None],
            name=theme.short_names([label])[label] or "images", legendgroup=label, showlegend=bool(label),
            legendrank=1000 + (ranks.index(label) if label else 0),
            marker={"size": size, "opacity": 0.9 if size > 4 else 0.65, **marker},
            hovertemplate=f"%{{customdata[0]}}{said}<extra>{escape(name)}</extra>",
        )  # fmt: skip
        if chosen:
            trace.selectedpoints = np.flatnonzero(np.isin(result.ids[mine], list(chosen)))
            trace.selected = {"marker": {"opacity": 1, "size": size + 3}}
            trace.unselected = {"marker": {"opacity": 0.12}}
        traces.append(trace)
    return traces


def _null_points(result: Projection, rows: np.ndarray, kind: Kind) -> list[go.Scatter | go.Scattergl]:
    xy = result.null_xy[rows]
    return [
        kind(
            x=xy[:, 0], y=xy[:, 1], mode="markers", name=NULL, legendgroup="null map", hoverinfo="skip",
            showlegend=True, marker={"size": _size(len(rows)), "color": theme.CONTROL, "opacity": 0.6},
        )
    ]  # fmt: skip


def _trails(
    result: Projection, before: Projection, rows: np.ndarray, color: str, kind: Kind
) -> list[go.Scatter | go.Scattergl]:
    """One trace of lines from where the farthest movers lay to where they lie; without ids, so no lasso finds it."""
    earlier = align(before.xy, before.ids, result.xy, result.ids)
    _, here, there = np.intersect1d(result.ids[rows], before.ids, return_indices=True)
    now, then = result.xy[rows][here], earlier[there]
    far = np.argsort(-np.linalg.norm(now - then, axis=1), kind="stable")[:MOVERS]
    ends = np.stack([then[far], now[far]], axis=1)  # (m, from and to, 2)
    x, y = ([v for pair in ends[:, :, axis].tolist() for v in (*pair, None)] for axis in (0, 1))
    return [
        kind(
            x=x, y=y, mode="lines", name=TRAILS, legendgroup="trails", showlegend=True, hoverinfo="skip",
            line={"color": color, "width": 1}, opacity=0.6, connectgaps=False, legendrank=2000,
        )
    ]  # fmt: skip


def _size(n: int) -> int:
    """Pixels across a point; many points are also more transparent."""
    return 7 if n <= 500 else 5 if n <= 3000 else 4 if n <= 10_000 else 3


def _grid(n: int) -> tuple[go.Figure, list[tuple[int, int]]]:
    """Places (row, column) of n maps: at most three side by side, their null maps in a lower row below them."""
    if n == 1:
        fig = make_subplots(cols=2, horizontal_spacing=0.04)
        return fig.update_layout(height=HEADING + 370), [(1, 1)]
    across = 2 if n == 4 else min(n, 3)
    blocks = -(-n // across)
    fig = make_subplots(rows=2 * blocks, cols=across, horizontal_spacing=0.03)
    places = [(2 * (i // across) + 1, i % across + 1) for i in range(n)]
    heights = [HEADING, 290, 14, 170]  # of a block, in pixels: heading, map, gap, null map
    total = blocks * sum(heights) - HEADING  # the first heading stands in the margin
    for row in range(2 * blocks):
        top = row // 2 * sum(heights) + (row % 2) * sum(heights[1:3])
        domain = [max(0, 1 - (top + heights[1 + 2 * (row % 2)]) / total), 1 - top / total]
        fig.update_yaxes(domain=domain, row=row + 1)
    return fig.update_layout(height=total + HEADING + 30), places


def _equal_axes(fig: go.Figure) -> None:
    """No ticks, since positions have no unit; equal units in x and y; maps stand right below their headings."""
    hidden = {"visible": False, "constrain": "domain"}
    fig.update_xaxes(**hidden, constraintoward="left")
    fig.for_each_yaxis(lambda axis: axis.update(**hidden, constraintoward="top", scaleanchor=axis.anchor or "x"))


def _put_heading(fig: go.Figure, name: str, result: Projection, row: int, col: int) -> None:
    place = fig.get_subplot(row, col)
    heading = _heading(name, result, x=place.xaxis.domain[0], y=place.yaxis.domain[1], xanchor="left")
    fig.add_annotation(heading)


def _heading(name: str, result: Projection, **at: Any) -> dict[str, Any]:
    """The checkpoint's name, and under it what the map may be believed for, beside its controls."""
    lines = [f"<b>{escape(name)}</b>"] if name else []
    lines += [f'<span style="font-size:11px">{line}</span>' for line in _badge(result)]
    return {"text": "<br>".join(lines), "showarrow": False, "align": "left", "xref": "paper", "yref": "paper",
            "yanchor": "bottom", **at}  # fmt: skip


def _badge(result: Projection) -> list[str]:
    """Means as in `result.scores()`, without their intervals: a bootstrap at every redraw would take a second."""
    lines = []
    for name, word, values in (
        ("trustworthiness", "trustworthy", result.trustworthiness),
        ("knn_preservation", "kNN kept", result.preservation),
    ):
        shown = {k.removesuffix(" map"): v for k, v in result.control_values[name].items() if k in ("PCA", "null map")}
        beside = "".join(f" · {control} {value:.2f}" for control, value in shown.items())
        lines.append(f"{word} {values.mean():.2f}{beside}")
    return lines


def _once_in_legend(fig: go.Figure) -> None:
    seen: set[str] = set()
    for trace in fig.data:
        trace.showlegend = bool(trace.showlegend) and trace.legendgroup not in seen
        seen.add(trace.legendgroup)


def _legend_and_scale(fig: go.Figure, paint: Paint) -> None:
    if paint.scale is not None:
        fig.update_layout(coloraxis={
            "colorscale": theme.SCALE, "cmin": paint.scale[0], "cmax": paint.scale[1],
            "colorbar": {"title": {"text": escape(paint.name), "side": "right"}, "len": 0.7},
        })  # fmt: skip
    if paint.kind == "classes" and len(paint.classes()[0]) > MOST_CLASSES:
        fig.for_each_trace(lambda trace: trace.update(showlegend=trace.name == NULL and trace.showlegend))
    title = escape(paint.name) if paint.kind == "classes" else ""
    fig.update_layout(legend={"itemsizing": "constant", "title": {"text": title, "side": "left", "font_size": 12}})


def _legend_height(paint: Paint, trails: bool = False) -> int:
    names = paint.legend if len(paint.legend) <= MOST_CLASSES else []
    return theme.legend_room([*names, *([TRAILS] if trails else []), "null map"])


def _title(title: str, null: bool) -> str:
    return f"{title}: null map".lstrip(": ") if null else title


def _caption(named: Mapping[str, Projection], drawn: int, paint: Paint) -> str:
    result = next(iter(named.values()))
    n, p = len(result.ids), result.params
    method = METHODS.get(result.method, result.method)
    settings = ", ".join(f"{key} {p[key]}" for key in ("n_neighbors", "min_dist", "seed") if key in p)
    shown = f"{n:,} images" if drawn >= n else f"{drawn:,} of {n:,} images drawn, a random sample (seed 0)"
    faded = f" Faded points keep no more of their {result.k} neighbours than chance would." * (
        paint.kind == RELIABILITY
    )
    return f"{CAPTION} {method} of {shown}; {settings}.{faded}{_beaten_by_noise(named)}"


def _beaten_by_noise(named: Mapping[str, Projection]) -> str:
    """A sentence, where the null map keeps neighbours better than the map does: that is no fault of the features."""
    short = theme.short_names(named)
    names = [
        short[name] for name, result in named.items()
        if any(result.control_values[s].get("null map", -1) >= result.per_image()[s].mean() for s in
               ("trustworthiness", "knn_preservation"))
    ]  # fmt: skip
    if not names:
        return ""
    where = f" of {escape(', '.join(names))}" if any(names) else ""
    return (
        f" The null map{where} keeps neighbours as well as the map or better: noise that varies in few directions is "
        "easy to draw, so here the scores do not tell structure from noise."
    )


def _alt(named: Mapping[str, Projection], paint: Paint, null: bool) -> str:
    what = "null map (noise of the same covariance)" if null else "map of images"
    by = f", coloured by {paint.name or 'class'}" if paint.kind != "one" else ""
    said = "; ".join(f"{name or 'this checkpoint'}: {', '.join(_badge(result))}" for name, result in named.items())
    return f"A {what}{by}. {said}."
