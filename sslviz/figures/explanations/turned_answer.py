"""A picture before and after one factor was turned, and where an answer about it comes from, beside the controls."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.explanations.activation import times_mean
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import Panel, sheet

CAPTION = (
    "What speaks for the answer, in multiples of a map that is everywhere alike (1 on the scale: the control); what speaks "
    "against it counts as nothing. Framed in grey: the encoder untrained, and the picture's edges, which no encoder was "
    "asked for. A map on the right place may still be there for another reason."
)


def turned_answer(
    pictures: Mapping[str, np.ndarray],
    maps: Mapping[str, np.ndarray],
    *,
    control_maps: Mapping[str, np.ndarray],
    subtitles: Mapping[str, str],
    what: str,
    id: str = "",
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """What did turning a factor change, and where does the answer come from?  All panels side by side, maps at one scale.

    - pictures: {title: uint8 (h, w, 3)}, before and after; the maps lie over the last of them
    - maps: {checkpoint: (rows, columns)}
    - control_maps: {name: (rows, columns)}, framed in grey
    - subtitles: {checkpoint or control: text}, what its number says
    - what: the answer that is explained, in words
    - id: of the picture
    """
    palette, short = theme.colors(maps, colors), theme.short_names([*maps, *control_maps], 18)
    *_, turned = pictures.values()
    panels = [Panel(pixels, None, escape(title), id) for title, pixels in pictures.items()]
    for name, cells in {**maps, **control_maps}.items():
        control = name in control_maps
        title = escape(short[name]) + " (control)" * control
        color = "" if control else palette[name]
        panels.append(Panel(turned, times_mean(cells), title, id, escape(subtitles[name]), control, color))
    fig = sheet(panels, len(panels), unit="times its mean", reference="1 = everywhere alike (control)")
    fig.update_layout(title={"text": escape(what), "font": {"size": 13}})
    told = " ".join(f"{name}: {subtitles[name]}." for name in (*maps, *control_maps))
    return theme.finish(fig, alt=f"{what}. {' and '.join(pictures)}. {told}", caption=CAPTION)
