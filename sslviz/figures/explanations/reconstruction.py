"""What was shown, what was made of it, how it is, and what needs no training: pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import MOST, Panel, sheet

if TYPE_CHECKING:
    from sslviz.explanations.reconstruction import Reconstruction

COLUMNS, ROWS = 5, 6  # a row: shown, made, true and two controls; of more pictures the first are drawn
CAPTION = (
    "Framed in colour: what each run made of what it was shown, pasted in where pixels were hidden. Framed in grey: the "
    "same method untrained, and the best picture that needs no network. Below: mean squared error of the hidden pixels, "
    "colours from 0 to 1."
)


def reconstruction(
    results: Reconstruction | Mapping[str, Reconstruction],
    *,
    colors: Mapping[str, str] | None = None,
    rows: int = ROWS,
) -> go.Figure:
    """What does it make of what it was not shown?  Pictures in rows: shown, made of it, true, and two controls.

    `results` is a Reconstruction or {checkpoint: Reconstruction}, one block below the other; at most `rows` pictures of
    each, fewer where there are many checkpoints.  ValueError for more checkpoints than fit on a sheet.

    Caveat: pictures of different methods were hidden in different ways, so that their errors cannot be compared.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 18)
    rows = max(1, min(rows, MOST // (COLUMNS * len(named))))
    panels = [
        panel
        for name, result in named.items()
        for panel in _panels(result, short[name] or "made of it", palette[name], min(rows, len(result.ids)))
    ]
    fig = sheet(panels, COLUMNS)
    fig.update_xaxes(constraintoward="left")
    fig.update_layout(height=fig.layout.height - 28, margin_t=8)  # there is no title
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _panels(result: Reconstruction, name: str, color: str, rows: int) -> Iterator[Panel]:
    """Five for each picture; what they are stands above the first of them."""
    best = _best_without_network(result)
    controls = {control: result.control_pictures[control] for control in ("untrained", best)}
    columns = [
        ("was shown", result.shown, "", False),
        (f"<b>{escape(name)}</b>", result.completed(result.predicted), color, True),
        ("as it is", result.true, "", False),
        *((f"{control} (control)", result.completed(pictures), "", True) for control, pictures in controls.items()),
    ]
    errors = [result.error_of(pictures) if scored else None for _, pictures, _, scored in columns]
    for i in range(rows):
        for (title, pictures, frame, _), error in zip(columns, errors, strict=True):
            below = "" if error is None else f"error {error[i]:.3g}"
            above = "" if i else title
            control = error is not None and not frame
            yield Panel(pictures[i], None, above, str(result.ids[i]), below, control, frame)


def _best_without_network(result: Reconstruction) -> str:
    """The control with the least error of those that no network makes."""
    errors = {name: float(np.mean(result.error_of(made))) for name, made in result.control_pictures.items()}
    return min((name for name in errors if name != "untrained"), key=errors.__getitem__)


def _alt(named: Mapping[str, Reconstruction]) -> str:
    parts = [f"{name or 'this run'} ({r.method}): error {r.scores()['error']}" for name, r in named.items()]
    return f"Pictures as they were shown, as they were made and as they are, beside controls. {'; '.join(parts)}."
