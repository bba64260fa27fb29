"""Pictures with true boxes and those that a head on frozen tokens found, the worst pictures first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.boxed_pictures import Corner, box_lines, with_boxes
from sslviz.figures.parts.saliency_sheet import Panel
from sslviz.figures.parts.worst_pictures import worst_pictures

if TYPE_CHECKING:
    from sslviz.transfer.dense.detection_result import Detection

COLUMNS, ROWS = 8, 2
CAPTION = (
    "White: true boxes. In colour: found ones, dotted where class or place is wrong; below: how well both agree (F1, 1 at "
    "best). Grey: boxes of the encoder untrained. A few pictures say little: the score counts all."
)


def detection(
    results: Detection | Mapping[str, Detection], *, colors: Mapping[str, str] | None = None, columns: int = COLUMNS
) -> go.Figure:
    """Which objects did it find, and what else?  Pictures with true boxes, found ones, and those of the encoder untrained.

    `results` is a Detection or {checkpoint: Detection}, one block below the other, `columns` pictures a row.  Boxes are shown
    from the confidence on at which found and true ones agree best.

    Caveat: each checkpoint shows the pictures that are its own worst.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 18)

    def panels(name: str, chosen: list[int]) -> Iterator[Panel]:
        return _panels(named[name], short[name], chosen)

    def traces(name: str, chosen: list[int], at: list[list[Corner]]) -> Iterator[go.Scatter]:
        places = dict(zip(named[name].shown[chosen].tolist(), at[0], strict=True))
        return _traces(named[name], places, palette[name], name)

    fig = worst_pictures(named, columns, panels, traces, rows=ROWS)
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _panels(result: Detection, name: str, rows: list[int]) -> Iterator[Panel]:
    score, agreement = result.scores()["ap50"], result.of_pictures()
    controls = ", ".join(f"{control} {value:.2f}" for control, value in score.controls.items())
    title = f"<b>{escape(name or 'found')}</b>: AP50 {score.text}; controls: {controls}"
    for place, i in enumerate(rows):
        picture = result.shown[i]
        true = result.true_boxes[result.true_of == picture] / np.tile(np.array(result.size)[::-1], 2)
        drawn = with_boxes(result.pictures[i], true)
        yield Panel(drawn, None, "" if place else title, str(result.ids[picture]), f"{agreement[picture]:.2f}")


def _traces(result: Detection, places: Mapping[int, Corner], color: str, name: str) -> Iterator[go.Scatter]:
    """The boxes in the panels that show picture {picture: corner of its panel}, and their classes."""

    def lines(boxes: np.ndarray, of: np.ndarray, color: str, name: str, dash: str = "solid") -> go.Scatter:
        return box_lines(boxes, [places[int(i)] for i in of], result.size, color, name, 2, dash)

    bare = np.isin(result.untrained_of, [*places])
    yield lines(result.untrained_found[bare], result.untrained_of[bare], theme.CONTROL, "untrained (control)")
    there = np.isin(result.found_of, [*places]) & (result.confidence >= result.shown_from)
    for right, dash in ((True, "solid"), (False, "dot")):
        rows = np.flatnonzero(there & (result.right[:, 0] == right))
        yield lines(result.found[rows], result.found_of[rows], color, name or "found", dash)
    yield _dots(result, np.flatnonzero(there), places, color)


def _dots(result: Detection, rows: np.ndarray, places: Mapping[int, Corner], color: str) -> go.Scatter:
    """A dot in the upper left corner of each box, which says on hover what it is taken for."""
    left, top = np.array([places[int(i)] for i in result.found_of[rows]]).reshape(-1, 2).T
    names = [result.classes[kind] for kind in result.found_class[rows]]
    right = ["right" if one else "wrong" for one in result.right[rows, 0]]
    return go.Scatter(
        x=left + result.found[rows, 0] / result.size[1],
        y=top + result.found[rows, 1] / result.size[0],
        mode="markers",
        marker={"color": color, "size": 4, "symbol": "square"},
        name="found",
        showlegend=False,
        customdata=[
            [str(result.ids[result.found_of[row]]), escape(one), f"{result.confidence[row]:.2f}", said]
            for row, one, said in zip(rows, names, right, strict=True)
        ],
        hovertemplate="%{customdata[1]}, confidence %{customdata[2]}, %{customdata[3]}<br>%{customdata[0]}<extra></extra>",
    )


def _alt(named: Mapping[str, Detection]) -> str:
    parts = []
    for name, result in named.items():
        lost = ", ".join(f"{count} of {kind}" for kind, count in result.without_truth.items())
        told = f"; found of classes that no picture shows, and not counted: {lost}" if lost else ""
        parts.append(f"{name or 'this run'}: AP50 {result.scores()['ap50']}{told}")
    return f"Pictures with true boxes, found ones, and those of the encoder untrained. {'; '.join(parts)}."
