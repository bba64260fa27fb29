"""Maps of encoders with a grid over their pictures, beside the encoder untrained."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.data import Images
from sslviz.explanations.control_maps import resized
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import Panel, sheet

CELLS = 48  # a map is drawn with at most so many cells a side
CAPTION = (
    "{what}, in multiples of a map that is everywhere alike (1 on the scale: the control), at one scale; the strongest "
    "0.5 % are drawn as its end, and what is below 0 as 0. Framed in grey: the same encoders untrained. They answer "
    "somewhere too: look at the difference."
)


def activation(
    maps: Mapping[str, np.ndarray],
    images: Images,
    *,
    control_maps: Mapping[str, np.ndarray],
    what: str,
    subtitles: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """Where do these encoders answer?  One row per image, one column per checkpoint and per control, at one scale.

    `maps` {checkpoint: (n, h, w)} and `control_maps` {name: (n, h, w)} are of `images`; `what` says in a title what they
    are.  `subtitles` {checkpoint or control: text} stand under the first row.  ValueError where maps and images do not
    go together.

    Caveat: a loud cell need not matter to the features.
    """
    columns = [(name, array, False) for name, array in maps.items()]
    columns += [(name, array, True) for name, array in control_maps.items()]
    for name, array, _ in columns:
        if array.ndim != 3 or len(array) != len(images):
            raise ValueError(f"The maps of {name} should be one for each of {len(images)} images; got {array.shape}.")
    palette, short = theme.colors(maps, colors), theme.short_names([name for name, _, _ in columns], 18)
    panels = []
    for row, (picture, id_) in enumerate(zip(images.pixels, images.ids, strict=True)):
        panels.append(Panel(picture, None, "" if row else "picture", str(id_)))
        for name, array, control in columns:
            title = "" if row else escape(short[name]) + " (control)" * control
            subtitle = "" if row else escape((subtitles or {}).get(name, ""))
            color = "" if control else palette[name]
            panels.append(Panel(picture, times_mean(array[row]), title, str(id_), subtitle, control, color))
    fig = sheet(panels, 1 + len(columns), unit="times its mean", reference="1 = everywhere alike (control)")
    title = f"{what}, beside the encoder untrained"
    fig.update_layout(title={"text": escape(title), "font": {"size": 13}})
    alt = f"{title}: {len(images)} pictures by {', '.join(maps)}."
    alt += "".join(f" {name}: {text}." for name, text in (subtitles or {}).items())
    return theme.finish(fig, alt=alt, caption=CAPTION.format(what=what))


def times_mean(cells: np.ndarray) -> np.ndarray:
    """A map in multiples of its mean; what is negative counts as nothing, and a map of nothing as everywhere alike."""
    small = resized(cells[None].clip(0), (min(CELLS, cells.shape[0]), min(CELLS, cells.shape[1])))[0]
    mean = float(small.mean())
    return small / mean if mean > 0 else np.ones_like(small)
