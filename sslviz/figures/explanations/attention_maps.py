"""Attention maps of heads, layers and patches over their pictures, beside the untrained encoder's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.figures.explanations.attention import encoder_of
from sslviz.figures.explanations.distinct_controls import distinct
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import SIDE, Panel, frame, patch_points, sheet

if TYPE_CHECKING:
    from sslviz.explanations.attention.attention_result import Attention

TIMES = "times uniform attention"
IMAGES = 8  # rows of a grid of maps, unless chosen
QUERY_FRAME = (("#000000", 5.0), ("#ffffff", 2.0))  # white in black, to be seen on pictures of any colour
LARGE = 200  # pixels of a panel where there are only three
MAPS_CAPTION = (
    "{what}, in multiples of attention that falls on all patches alike (1 on the scale: the control), at one scale; "
    "the strongest 0.5 % are drawn as its end. Framed in grey: {control}. Untrained encoders give maps too: look at "
    "the difference."
)
ENTROPY_CAPTION = (
    "Entropy of the map shown, as a share of that of uniform attention: 1 is attention to nothing in particular."
)


def head_maps(result: Attention, images: Images, *, row: int = 0) -> go.Figure:
    """What does each head look at?  All heads of the result's layer over one picture, at one scale.

    `images` are those of the result, `row` the number of the one to show.  Beside them the mean of the heads, and
    that of the control's last layer, framed in grey.  ValueError for another set of images.

    Caveat: heads that show an object were not asked for it, and an untrained encoder has heads too.
    """
    pixels = _pictures(result, images, [row])[0]
    id_ = str(result.ids[row])
    maps = result.maps[row] * result.patches  # (heads, rows, columns)
    control = result.control_maps[row] * result.control_maps[row].size
    heads = [Panel(pixels, cells, f"head {h}", id_, _head_numbers(result, row, h)) for h, cells in enumerate(maps)]
    panels = [
        Panel(pixels, None, "picture", id_),
        Panel(pixels, maps.mean(0), "mean of the heads", id_),
        Panel(pixels, control, f"{escape(result.control)}, mean", id_, "control", control=True),
        *heads,
    ]
    fig = sheet(panels, min(6, max(4, -(-len(panels) // 3))), unit=TIMES, reference="1 = uniform (control)")
    what = f"Where the {result.query} looks in layer {_layer(result)}, head by head"
    _title(fig, f"{what}, beside {encoder_of(result.control)}")
    alt = f"{what}: {len(heads)} maps over the picture {id_}, their mean, and that of {encoder_of(result.control)}."
    return theme.finish(fig, alt=alt, caption=MAPS_CAPTION.format(what=what, control=encoder_of(result.control)))


def map_grid(
    results: Attention | Mapping[str, Attention],
    images: Images,
    *,
    kind: Literal["rollout", "maps"] = "rollout",
    rows: Sequence[int] | None = None,
    subtitles: Mapping[str, Sequence[str]] | None = None,
) -> go.Figure:
    """Where do these checkpoints look in the same pictures?  One row per image, one column per checkpoint, at one scale.

    `kind` "rollout" (through all layers) or "maps" (the mean head of the result's layer).  `rows` are the numbers of the
    images to show (default: eight, evenly spread).  `subtitles` {checkpoint: a text for each image of the result}, such
    as a map's score, stand under the maps.  The last columns are the controls, framed in grey.  ValueError if the results
    are of other images.

    Caveat: rollout counts every head and every residual for the same, so it blurs what single heads see.
    """
    named = theme.as_dict(results)
    first = next(iter(named.values()))
    if any(not np.array_equal(result.ids, first.ids) for result in named.values()):
        raise ValueError("Maps side by side must be of the same images in the same order; look at the same images.")
    if kind not in ("rollout", "maps"):
        raise ValueError(f"kind is 'rollout' or 'maps'; got {kind!r}.")
    n = len(first.ids)
    shown = list(rows) if rows is not None else spread_rows(n, IMAGES).tolist()
    pixels = _pictures(first, images, shown)
    columns = _map_columns(named, kind)
    panels = []
    for i, row in enumerate(shown):
        id_ = str(first.ids[row])
        panels.append(Panel(pixels[i], None, "picture" if i == 0 else "", id_))
        for name, title, maps, control in columns:
            subtitle = "" if control or name not in (subtitles or {}) else escape(str((subtitles or {})[name][row]))
            panels.append(Panel(pixels[i], maps[row] * maps[row].size, title if i == 0 else "", id_, subtitle, control))
    fig = sheet(panels, 1 + len(columns), unit=TIMES, reference="1 = uniform (control)")
    layer = "through all layers (rollout)" if kind == "rollout" else f"in layer {_layer(first)}, mean of the heads"
    what = f"Where the {first.query} looks {layer}"
    _title(fig, f"{what}, beside {encoder_of(first.control)}")
    alt = f"{what}: {len(shown)} pictures by {', '.join(named) or 'this checkpoint'}, and {encoder_of(first.control)}."
    return theme.finish(fig, alt=alt, caption=MAPS_CAPTION.format(what=what, control=encoder_of(first.control)))


def query_view(
    maps: np.ndarray,
    picture: np.ndarray,
    *,
    patch: int | None = 0,
    control: np.ndarray | None = None,
    id: str = "",
    names: Sequence[str] = (),
    query: str = "",
    layer: str = "",
) -> go.Figure:
    """What does this patch look at?  Mean and single heads for one query patch of one picture, at one scale.

    - maps: one image of `query_maps`, (heads, patches, rows, columns); a single map stands alone, and larger
    - picture: the image, uint8 (h, w, 3)
    - patch: the query's number, row by row; None: the maps are those of another `query`, (heads, 1, rows, columns)
    - control: the same maps of the encoder untrained, framed in grey
    - id: the image's
    - names: what the maps are called (default: head 0, head 1, ...)
    - query: which token looks where it is no patch, "class token"
    - layer: in which layer, "in layer 2 of 6"

    The picture carries unseen markers whose `customdata` hold (id, patch), for clicking.  ValueError for a patch that is
    not there.

    Caveat: the token of a patch holds more than the patch, the more so in late layers.
    """
    heads, queries, rows, columns = maps.shape
    row = 0 if patch is None else patch
    if not 0 <= row < queries:
        raise ValueError(
            f"There is no patch {patch}; this grid of {rows} x {columns} has those from 0 to {queries - 1}."
        )
    titles = list(names) or [f"head {h}" for h in range(heads)]
    panels = [Panel(picture, None, "picture: choose a patch", id)]
    panels += [_looked_at(picture, maps[:, row], "mean of the heads", id)] if heads > 1 else []
    single = [_looked_at(picture, maps[[h], row], escape(title), id) for h, title in enumerate(titles)]
    panels += single if heads == 1 else []
    if control is not None:
        same = control[:, row * control.shape[1] // queries]
        kind = "mean" if len(control) > 1 else titles[0]
        panels.append(_looked_at(picture, same, f"untrained, {escape(kind)}", id, control=True))
    panels += single if heads > 1 else []
    across = min(6, max(4, -(-len(panels) // 3)))
    side = SIDE if heads > 1 else LARGE
    fig = sheet(panels, across, unit=TIMES, reference="1 = uniform (control)", side=side)
    top = float(fig.data[0].y0 - fig.data[0].dy / 2)
    place = f"the {query}"
    if patch is not None:
        corner = {"left": patch % columns / columns, "top": top + patch // columns / rows}
        for color, line in QUERY_FRAME:
            fig.add_trace(frame(**corner, width=1 / columns, height=1 / rows, color=color, name="query", line=line))
        place = f"the patch in row {patch // columns + 1}, column {patch % columns + 1}"
    fig.add_trace(patch_points(rows, columns, 0, top, id=id))
    control_words = "uniform attention" if control is None else "the untrained encoder"
    _title(fig, f"What {place} looks at{layer and f' {layer}'}, beside {control_words}")
    what = f"Attention of {place} to all patches{layer and f' {layer}'}"
    grey = "nothing, the tick is the only control" if control is None else "the untrained encoder"
    shown = titles[0] if heads == 1 else f"{heads} heads and their mean"
    return theme.finish(
        fig,
        alt=f"{what} of the picture {id}: {shown}.",
        caption=f"{MAPS_CAPTION.format(what=what, control=grey)} {ENTROPY_CAPTION}",
    )


def _looked_at(picture: np.ndarray, heads: np.ndarray, title: str, id: str, *, control: bool = False) -> Panel:
    """The mean (rows, columns) of some heads (k, rows, columns) over the picture; below it, how far it is from uniform."""
    shares = heads / np.maximum(heads.sum((1, 2), keepdims=True), 1e-12)
    mean = shares.mean(0)
    entropy = abs(float((mean[mean > 0] * np.log(mean[mean > 0])).sum())) / np.log(mean.size)  # never -0.00
    return Panel(picture, mean * mean.size, title, id, f"entropy {entropy:.2f}", control)


def _map_columns(named: Mapping[str, Attention], kind: str) -> list[tuple[str, str, np.ndarray, bool]]:
    """Name, title, maps (n, rows, columns) and whether it is a control, of each column; equal controls once."""
    short = theme.short_names(named, 18)
    columns = [
        (name, escape(short[name]) or "this checkpoint", r.rollout if kind == "rollout" else r.maps.mean(1), False)
        for name, r in named.items()
    ]
    field = "control_rollout" if kind == "rollout" else "control_maps"
    for name, maps in distinct({name: getattr(result, field) for name, result in named.items()}).items():
        columns.append((named[name].control, f"{escape(named[name].control)} (control)", maps, True))
    return columns


def _pictures(result: Attention, images: Images, rows: Sequence[int]) -> np.ndarray:
    """The pixels of some images of the result, found by their ids."""
    if any(not 0 <= row < len(result.ids) for row in rows):
        raise ValueError(f"There are images from 0 to {len(result.ids) - 1}, but {list(rows)} were asked for.")
    where = {id_: i for i, id_ in enumerate(images.ids)}
    if missing := [str(result.ids[row]) for row in rows if result.ids[row] not in where]:
        raise ValueError(f"These are other images than were looked at: there is no {missing[0]!r} among them.")
    return np.stack([images.pixels[where[result.ids[row]]] for row in rows])


def _head_numbers(result: Attention, row: int, head: int) -> str:
    layer = result.layers.index(result.layer)
    far = result.distance[row, layer, head] / result.diagonal
    return f"reach {far:.2f}<br>entropy {result.entropy[row, layer, head] / np.log(result.patches):.2f}"


def _layer(result: Attention) -> str:
    return f"{result.layers.index(result.layer) + 1} of {len(result.layers)}"


def _title(fig: go.Figure, text: str) -> None:
    fig.update_layout(title={"text": escape(text), "font": {"size": 13}})
