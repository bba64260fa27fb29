"""Pictures with the box that was found in each, the true ones, and that of the encoder untrained, the worst first."""

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
    from sslviz.transfer.dense.discovery import Discovery

COLUMNS, ROWS = 8, 2
CAPTION = (
    "White: true boxes. In colour: the box that was found; below it, how far it overlaps with the true one that it meets "
    "best. Grey: what the encoder untrained finds. First the worst pictures, then others up to the best; .5 and more is right."
)


def discovery(
    results: Discovery | Mapping[str, Discovery], *, colors: Mapping[str, str] | None = None, columns: int = COLUMNS
) -> go.Figure:
    """Which objects did it find?  Pictures with true boxes, the found one, and that of the encoder untrained.

    `results` is a Discovery or {checkpoint: Discovery}, one block below the other, `columns` pictures a row.

    Caveat: each checkpoint shows the pictures that are its own worst.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 18)

    def panels(name: str, chosen: list[int]) -> Iterator[Panel]:
        return _panels(named[name], short[name], chosen)

    def traces(name: str, chosen: list[int], at: list[list[Corner]]) -> Iterator[go.Scatter]:
        result, pictures = named[name], named[name].shown[chosen]
        bare = result.untrained_found[pictures]
        yield box_lines(bare, at[0], result.size, theme.CONTROL, "untrained (control)", 2)
        yield box_lines(result.found[pictures], at[0], result.size, palette[name], name or "found", 3)

    fig = worst_pictures(named, columns, panels, traces, rows=ROWS)
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _panels(result: Discovery, name: str, rows: list[int]) -> Iterator[Panel]:
    score = result.scores()["corloc"]
    title = (
        f"<b>{escape(name or 'found')}</b>: {score.text} right, untrained {score.controls['untrained']:.2f} (control)"
    )
    for place, i in enumerate(rows):
        picture = result.shown[i]
        true = result.true_boxes[result.true_of == picture] / np.tile(np.array(result.size)[::-1], 2)
        drawn = with_boxes(result.pictures[i], true)
        yield Panel(drawn, None, "" if place else title, str(result.ids[picture]), f"{result.overlap[picture]:.2f}")


def _alt(named: Mapping[str, Discovery]) -> str:
    parts = [f"{name or 'this run'} ({r.how}): right in {r.scores()['corloc']}" for name, r in named.items()]
    return f"Pictures with true boxes, found ones, and those of the encoder untrained. {'; '.join(parts)}."
