"""Which pixels does it go by?  Maps over their pictures at one scale, beside what they were compared with and a control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.explanations.control_maps import control_maps, resized
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri, pale

if TYPE_CHECKING:
    from sslviz.explanations.attribution.attribution import Attribution
    from sslviz.explanations.faithfulness.faithfulness import Faithfulness

    Evidence = str | Faithfulness

MOST = 6  # images side by side
CELLS = 64  # a map is drawn with at most so many cells a side
CELL, LINE, TITLE = 104, 17, 20  # pixels: a picture's side at a width of 700, a line above a row, what stands above all
WIDE = 100  # characters a line
FOR, AGAINST, OUTLINE = "#b2182b", "#2166ac", "#1f2430"  # apart for every kind of colour vision; over a pale picture
SIGNED = [[0, "rgba(33,102,172,0.95)"], [0.5, "rgba(255,255,255,0)"], [1, "rgba(178,24,43,0.95)"]]
POSITIVE = [[0, "rgba(178,24,43,0)"], [1, "rgba(178,24,43,0.95)"]]
GREY = [[0, "rgba(133,133,133,0)"], [1, "rgba(133,133,133,1)"]]
EDGES = "edges of the picture, no encoder asked (control)"


@dataclass
class _Row:
    """One row of panels: what stands above it, and for each image a picture, a map over it, or both."""

    heading: list[str]
    pictures: np.ndarray | None = None
    maps: np.ndarray | None = None
    scale: str = "signed"
    axis: str = ""
    frame: str = ""
    name: str = ""
    outline: np.ndarray | None = None
    limits: dict[str, float] = field(default_factory=dict)


def attribution(
    results: Attribution | Mapping[str, Attribution],
    *,
    colors: Mapping[str, str] | None = None,
    evidence: Evidence | Mapping[str, Evidence] | None = None,
    outline: str | None = None,
    rows: Sequence[int] | None = None,
    controls: Mapping[str, np.ndarray] | None = None,
) -> go.Figure:
    """Which pixels does it go by?  One row of maps per checkpoint (or method), one column per image, at one scale.

    `results` is an Attribution or {name: Attribution} of the same images.  All maps of the same method and target have
    one scale; other methods have other units, and their own.  Above each row stands its `evidence` {name: text, or the
    Faithfulness of the maps}, also where they are no better than a map that no model made, or else how well the map
    agrees with itself; below are the baselines, and as controls that know nothing of any encoder the picture's edges
    and the maps of `controls` {name: (n, h, w)}.  `outline` names a mask to draw.  `rows` are the numbers of the images
    to show; else at most 6, evenly spread.  ValueError if the results are of different images or have no such mask, or
    the evidence is of other maps.
    Caveat: a map can persuade without being true; believe it as far as it beats its controls.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    if any(not np.array_equal(r.ids, first.ids) for r in named.values()):
        raise ValueError("Maps side by side must be of the same images in the same order; explain the same images.")
    if outline is not None and outline not in first.masks:
        raise ValueError(f"There is no mask {outline!r} to outline; there are: {', '.join(first.masks) or 'none'}.")
    shown, said = _shown(first, rows), _said(named, evidence)
    palette, short = theme.colors(named, colors), theme.short_names(named)
    fig = _grid(
        list(_rows(named, shown, palette, short, said, outline, controls or {})), [str(i) for i in first.ids[shown]]
    )
    which = "chosen" if rows is not None else "evenly spread"
    return theme.finish(fig, alt=_alt(named, len(shown), said), caption=_caption(named, len(shown), which))


def _shown(first: Attribution, rows: Sequence[int] | None) -> np.ndarray:
    n = len(first.ids)
    if rows is None:
        return spread_rows(n, MOST, nearest=True)
    if not len(rows) or any(not 0 <= row < n for row in rows):
        raise ValueError(f"There are images from 0 to {n - 1}, but {list(rows)} were asked for.")
    return np.asarray(rows)


def _said(named: Mapping[str, Attribution], evidence: Evidence | Mapping[str, Evidence] | None) -> dict[str, str]:
    """{name: what its evidence says}; ValueError where that is about other maps."""
    given = evidence if isinstance(evidence, Mapping) else dict.fromkeys(named, evidence) if evidence else {}
    if unknown := [name for name in given if name not in named]:
        raise ValueError(f"There is evidence for {unknown[0]!r}, but no map; there are: {', '.join(named)}.")
    for name, one in given.items():
        maps = named[name]
        if not isinstance(one, str) and (one.name != maps.method or not np.array_equal(one.ids, maps.ids)):
            raise ValueError(f"The evidence for {name or 'this map'} is about other maps: {one.name}, or other images.")
    return {name: one if isinstance(one, str) else one.verdict for name, one in given.items()}


def _rows(
    named: Mapping[str, Attribution], shown: np.ndarray, palette: Mapping[str, str], short: Mapping[str, str],
    evidence: Mapping[str, str], outline: str | None, controls: Mapping[str, np.ndarray],
) -> Iterator[_Row]:  # fmt: skip
    first = next(iter(named.values()))
    mask = None if outline is None else first.masks[outline][shown]
    yield _Row(["what the encoder is shown"], first.pixels[shown], outline=mask)
    limits = _limits(named, shown)
    for name, result in named.items():
        key = _unit(result)
        yield _Row(
            heading=_heading(short[name], result, evidence.get(name, _agreement(result))), pictures=result.pixels[shown],
            maps=_comparable(result, shown), scale="signed" if result.signed else "positive", axis=key, frame=palette[name],
            name=name, outline=mask, limits={key: limits[key]},
        )  # fmt: skip
        if "uncertainty" in result.extra:
            sd = np.sqrt(result.extra["uncertainty"][shown])
            yield _Row(
                [f"how much that varies with the masks (standard deviation, {sd.min():.2g} to {sd.max():.2g})"],
                maps=sd, scale="positive", axis=f"{key} sd", frame=palette[name], name=f"{name} uncertainty",
                limits={f"{key} sd": float(sd.max())},
            )  # fmt: skip
    pictures = {n: r.baselines[k] for r in named.values() for k, n in enumerate(r.baseline_names)}
    for name, picture in pictures.items():
        yield _Row([f"baseline: {escape(name)}"], picture[shown])
    unasked = {EDGES: _edges(first, shown)}
    unasked |= {f"{escape(name)}, no encoder asked (control)": one[shown] for name, one in controls.items()}
    for name, control in unasked.items():
        yield _Row([name], maps=control, scale="control", axis=name, frame=theme.CONTROL, name=name, outline=mask,
                   limits={name: float(control.max())})  # fmt: skip


def _edges(result: Attribution, shown: np.ndarray) -> np.ndarray:
    images = Images(result.pixels[shown], result.ids[shown], pd.DataFrame(index=range(len(shown))))
    return control_maps(images)["edge"]


def _unit(result: Attribution) -> str:
    """What two maps must share to be drawn at one scale."""
    return f"{result.method}: {result.target}"


def _limits(named: Mapping[str, Attribution], shown: np.ndarray) -> dict[str, float]:
    """Where each scale ends: a few pixels may lie beyond, or they alone would be seen."""
    values: dict[str, list[np.ndarray]] = {}
    for result in named.values():
        values.setdefault(_unit(result), []).append(np.abs(_drawn(_comparable(result, shown))).ravel())
    return {key: float(np.quantile(np.concatenate(each), 0.995)) for key, each in values.items()}


def _comparable(result: Attribution, shown: np.ndarray) -> np.ndarray:
    """The maps in units that two encoders share; RELAX without its large constant part, which says nothing."""
    maps = result.maps[shown] / result.unit
    return maps - maps.mean((1, 2), keepdims=True) if result.method == "relax" else maps


def _drawn(maps: np.ndarray) -> np.ndarray:
    return resized(maps, (min(CELLS, maps.shape[1]), min(CELLS, maps.shape[2])))


def _agreement(result: Attribution) -> str:
    score = result.scores().get("agreement")
    return f"agreement between {result.twice_by} {score}" if score else ""


def _heading(name: str, result: Attribution, evidence: str) -> list[str]:
    what = f"{result.method.replace('_', ' ')}, explaining {result.target}"
    return [f"<b>{escape(name)}</b> {escape(what)}".strip(), *(escape(line) for line in wrap(evidence, WIDE))]


def _grid(rows: list[_Row], ids: list[str]) -> go.Figure:
    """The rows one below the other, each with its heading; the panels as squares of one size."""
    fig, columns = go.Figure(), max(MOST, len(ids))
    heights = [LINE * len(row.heading) + 6 for row in rows]  # of what stands above each row
    height = TITLE + sum(heights) + CELL * len(rows)
    layout: dict[str, Any] = {}
    units = list(dict.fromkeys(row.axis for row in rows if row.maps is not None))
    for r, row in enumerate(rows):
        top = 1 - (TITLE + sum(heights[: r + 1]) + r * CELL) / height
        fig.add_annotation(text="<br>".join(row.heading), align="left",
                           x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
                           showarrow=False, font={"size": 12})  # fmt: skip
        for c in range(len(ids)):
            number = r * len(ids) + c + 1
            axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
            for trace in _panel(row, c, ids[c], units):
                fig.add_trace(trace.update(axes))
            layout |= _axes(number, c / columns, (c + 0.95) / columns, top - CELL / height, top, row.frame)
            if r == 0:
                label = escape(theme.short_names([ids[c]], 14)[ids[c]])
                fig.add_annotation(text=label, x=(c + 0.475) / columns, y=1, xref="paper", yref="paper", yanchor="top",
                                   showarrow=False, font={"size": 11})  # fmt: skip
    for unit, (scale, limit) in _scales(rows).items():
        layout[_color_axis(units, unit)] = _color(scale, limit)
    # A new figure, because adding hundreds of axes to one that is there takes plotly a second.
    layout |= {"annotations": fig.layout.annotations, "height": height + 24, "showlegend": False}
    return go.Figure(fig.data, layout)


def _axes(number: int, left: float, right: float, bottom: float, top: float, frame: str) -> dict[str, Any]:
    """A pair of axes without ticks, framed in the checkpoint's colour."""
    plain: dict[str, Any] = {"showticklabels": False, "ticks": "", "showgrid": False, "zeroline": False,
                             "showline": bool(frame), "mirror": True, "linewidth": 2, "constrain": "domain"}  # fmt: skip
    if frame:
        plain["linecolor"] = frame
    return {
        f"xaxis{number}": plain | {"domain": [left, right], "anchor": f"y{number}"},
        f"yaxis{number}": plain | {
            "domain": [max(bottom, 0), top], "anchor": f"x{number}", "autorange": "reversed",
            "scaleanchor": f"x{number}", "constraintoward": "top",
        },
    }  # fmt: skip


def _panel(row: _Row, c: int, id_: str, units: list[str]) -> Iterator[Any]:
    """The traces of one panel: the picture (pale under a map), the map, the outline."""
    size = 1.0
    if row.pictures is not None:
        picture = row.pictures[c] if row.maps is None else pale(row.pictures[c])
        size = picture.shape[0]
        said = {"hoverinfo": "skip"} if row.maps is not None else {"hovertemplate": f"{escape(id_)}<extra></extra>"}
        yield go.Image(source=data_uri(picture), x0=0.5, y0=0.5, dx=1, dy=1, name=row.heading[0], **said)
    if row.maps is not None:
        z = _drawn(row.maps[c : c + 1])[0]
        size = row.maps.shape[1]
        step = size / len(z)
        yield go.Heatmap(
            z=np.array([[float(f"{v:.4g}") for v in line] for line in z]), x0=step / 2, dx=step, y0=step / 2, dy=step,
            coloraxis=_color_axis(units, row.axis), name=row.name or "map", customdata=np.full(z.shape, id_),
            hovertemplate="%{customdata}: %{z:.3g}<extra>" + escape(row.name) + "</extra>",
        )  # fmt: skip
    if row.outline is not None and row.outline[c].any():
        yield go.Contour(
            z=np.pad(row.outline[c], 1).astype(int), x0=-0.5, dx=1, y0=-0.5, dy=1, showscale=False, hoverinfo="skip",
            contours={"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"}, line={"color": OUTLINE, "width": 1.5},
            name="outline",
        )  # fmt: skip


def _color_axis(units: list[str], unit: str) -> str:
    place = units.index(unit)
    return "coloraxis" if place == 0 else f"coloraxis{place + 1}"


def _scales(rows: list[_Row]) -> dict[str, tuple[str, float]]:
    return {row.axis: (row.scale, row.limits[row.axis] or 1.0) for row in rows if row.maps is not None}


def _color(scale: str, limit: float) -> dict[str, Any]:
    colors = {"signed": SIGNED, "positive": POSITIVE, "control": GREY}[scale]
    return {"colorscale": colors, "cmin": -limit if scale == "signed" else 0, "cmax": limit, "showscale": False}


def _caption(named: Mapping[str, Attribution], shown: int, which: str) -> str:
    first = next(iter(named.values()))
    units = {_unit(result) for result in named.values()}
    scale = "all maps at one scale" if len(units) == 1 else "maps of one method and target at one scale"
    red = "Red: what raises the number explained"
    red += "; blue: what lowers it" if any(result.signed for result in named.values()) else ""
    if any(result.unit != 1 for result in named.values()):
        scale += ", as shares of the number explained"
    if any(result.method == "relax" for result in named.values()):
        scale += ", RELAX less its mean"
    which = f"{shown} of {len(first.ids)} images, {which}" if shown < len(first.ids) else "all images"
    return (
        f"{red}; {scale}, its ends where 0.5 % of the pixels lie beyond. Grey: the picture's edges, which no encoder was "
        f"asked for (control). Shown: {which}. A map can persuade without being true."
    )


def _alt(named: Mapping[str, Attribution], shown: int, evidence: Mapping[str, str]) -> str:
    said = "; ".join(
        f"{name or 'this checkpoint'}: {r.method} of {r.target}"
        + (f", {text}" if (text := evidence.get(name, _agreement(r))) else "")
        for name, r in named.items()
    )
    return f"Attribution maps over {shown} pictures, beside baselines and the pictures' edges. {said}."
