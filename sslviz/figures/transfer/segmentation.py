"""Pictures, the classes of their pixels, and the classes that were read from tokens, the worst pictures first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import Panel, sheet
from sslviz.figures.parts.thumbnails import pale
from sslviz.figures.parts.worst_first import worst_of_each
from sslviz.transfer.dense.confusion import confusions, mean_overlap

if TYPE_CHECKING:
    from sslviz.transfer.dense.segmentation_result import Segmentation

COLUMNS, ROWS = 8, 4  # pictures; and what is shown of each
GROUND = "background"  # stays without colour where a class is called so
STRENGTH = 0.75  # of a class's colour over the picture
KEY = 24  # pixels of a line of the key
CAPTION = (
    "Columns: pictures, from the left the worst, then others up to the best; below each its own mean overlap (mIoU). Framed in "
    "grey: the same readout of the encoder untrained. One picture says little: the score counts the pixels of all of them."
)


def segmentation(
    results: Segmentation | Mapping[str, Segmentation],
    *,
    colors: Mapping[str, str] | None = None,
    columns: int = COLUMNS,
) -> go.Figure:
    """Where are its predictions wrong?  Pictures, true classes, predicted classes and those of the encoder untrained.

    `results` is a Segmentation or {checkpoint: Segmentation}, one block below the other; at most `columns` pictures of each,
    fewer where there are many checkpoints.

    Caveat: each checkpoint shows the pictures that are its own worst.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 18)
    classes = list(dict.fromkeys(name for result in named.values() for name in result.classes))
    tints = theme.class_colors([name for name in classes if name != GROUND])
    columns, chosen = worst_of_each({name: len(one.shown) for name, one in named.items()}, columns, panels=ROWS)
    panels = [
        panel
        for name, result in named.items()
        for panel in _panels(result, short[name] or "predicted", palette[name], tints, chosen[name])
    ]
    fig = sheet(panels, columns)
    lines = 1 + sum(len(name) + 4 for name in classes) // 90
    fig.update_xaxes(constraintoward="left")
    fig.update_layout(height=fig.layout.height - 28 + KEY * lines, margin={"t": 8, "b": KEY * lines})
    fig.add_annotation(
        **{"text": _key(tints, classes), "showarrow": False, "align": "left", "font": {"size": 12}},
        **{"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top"},
    )
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _panels(result: Segmentation, name: str, color: str, tints: Mapping[str, str], rows: list[int]) -> Iterator[Panel]:
    """Four rows of pictures; what a row is stands above its first one."""
    tints_of_codes = [tints.get(name, "") for name in result.classes]
    score = result.scores()["miou"]
    for title, codes, frame, control in (
        ("picture", None, "", False),
        ("true classes", result.truth, "", False),
        (f"<b>{escape(name)}</b>: mean overlap {score.text}", result.predicted, color, False),
        (f"untrained (control): mean overlap {score.controls['untrained']:.2f}", result.untrained, "", True),
    ):
        overlap = None
        if codes is not None and codes is not result.truth:
            overlap = mean_overlap(confusions(result.truth, codes, len(result.classes)))
        for place, i in enumerate(rows):
            picture = result.pictures[i] if codes is None else tinted(result.pictures[i], codes[i], tints_of_codes)
            below = "" if overlap is None else f"{overlap[i]:.2f}"
            id_ = str(result.ids[result.shown[i]])
            yield Panel(picture, None, "" if place else title, id_, below, control, frame)


def tinted(picture: np.ndarray, codes: np.ndarray, tints: list[str]) -> np.ndarray:
    """A pale picture in the colours of its classes, "#rrggbb" each, "" for none; white where the class is not known."""
    shown = pale(picture).astype(float)
    for code, tint in enumerate(tints):
        if tint:
            rgb = np.array([int(tint[i : i + 2], 16) for i in (1, 3, 5)])
            here = codes == code
            shown[here] = (1 - STRENGTH) * shown[here] + STRENGTH * rgb
    shown[codes < 0] = 255
    return shown.round().astype(np.uint8)


def _key(tints: Mapping[str, str], classes: list[str]) -> str:
    parts = [f'<span style="color:{tint}">■</span> {escape(name)}' for name, tint in tints.items()]
    if GROUND in classes:
        parts.append(f"without colour: {GROUND}")
    lines, length = [[]], 0  # type: list[list[str]], int
    for name, part in zip([*tints, GROUND], parts, strict=False):
        if length > 90:
            lines.append([])
            length = 0
        lines[-1].append(part)
        length += len(name) + 4
    return "<br>".join("   ".join(line) for line in lines)


def _alt(named: Mapping[str, Segmentation]) -> str:
    parts = [f"{name or 'this run'} ({r.readout}): mean overlap {r.scores()['miou']}" for name, r in named.items()]
    return (
        f"Pictures with their true classes and those that were read, beside the encoder untrained. {'; '.join(parts)}."
    )
