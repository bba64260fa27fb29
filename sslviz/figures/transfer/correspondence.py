"""Pictures, what became of them, and where their points were found there, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from sslviz.figures.parts import theme
from sslviz.figures.parts.boxed_pictures import Corner
from sslviz.figures.parts.saliency_sheet import Panel
from sslviz.figures.parts.thumbnails import pale
from sslviz.figures.parts.worst_pictures import worst_pictures

if TYPE_CHECKING:
    from sslviz.transfer.dense.correspondence_result import Correspondence

COLUMNS, ROWS = 8, 3  # pairs; and what is shown of each
POINTS = 10  # of a pair, evenly taken: of more lines, one sees none
CAPTION = (
    "Top: some points that were asked for. Below, in the moved picture: a dot where each was found, and a line from where it "
    "truly lies. Grey: the encoder untrained. Even parts look alike, so that no encoder finds all: compare with the controls."
)


def correspondence(
    results: Correspondence | Mapping[str, Correspondence],
    *,
    colors: Mapping[str, str] | None = None,
    columns: int = COLUMNS,
) -> go.Figure:
    """Where does it look for a part that has moved?  Pictures, moved ones, and lines from true places to found ones.

    `results` is a Correspondence or {checkpoint: Correspondence}, one block below the other; at most `columns` pairs of each.

    Caveat: each checkpoint shows the pairs that are its own worst.
    """
    named = theme.as_dict(results)
    palette, short = theme.colors(named, colors), theme.short_names(named, 18)
    fig = worst_pictures(
        named,
        columns,
        lambda name, chosen: _panels(named[name], short[name], palette[name], chosen),
        lambda name, chosen, rows: _traces(named[name], chosen, rows, palette[name], name),
        panels=ROWS,
    )
    return theme.finish(fig, alt=_alt(named), caption=CAPTION)


def _panels(result: Correspondence, name: str, color: str, chosen: list[int]) -> Iterator[Panel]:
    """Three rows of pictures; what a row is stands above its first one."""
    score = result.scores()["pck"]
    for title, pictures, frame, share in (
        ("picture", result.pictures, "", None),
        (f"<b>{escape(name or 'found')}</b>: {score.text} found", result.moved, color, result.share),
        (
            f"untrained (control): {score.controls['untrained']:.2f} found",
            result.moved,
            "",
            result.control_share["untrained"],
        ),
    ):
        for place, i in enumerate(chosen):
            picture, move = result.shown[i]
            below = result.moves[move] if share is None else f"{share[move, picture]:.2f}"
            id_ = str(result.ids[picture])
            control = share is not None and not frame
            yield Panel(pale(pictures[i]), None, "" if place else title, id_, escape(below), control, frame)


def _traces(
    result: Correspondence, chosen: list[int], rows: list[list[Corner]], color: str, name: str
) -> Iterator[go.Scatter]:
    places = [(pair, [row[i] for row in rows]) for i, pair in enumerate(chosen)]
    points = [(row, at) for pair, at in places for row in _few(np.flatnonzero(result.point_of == pair))]
    for k, where, tint, called in (
        (0, None, color, name or "found"),
        (2, result.untrained, theme.CONTROL, "untrained (control)"),
        (1, result.found, color, name or "found"),
    ):
        x: list[float | None] = []
        y: list[float | None] = []
        size = result.size if where is None else result.moved_size
        for row, at in points:
            path = [result.before[row]] if where is None else [result.after[row], where[row]]
            x += [*(at[k][0] + p[0] / size[1] for p in path), None]
            y += [*(at[k][1] + p[1] / size[0] for p in path), None]
        ids = [str(result.ids[result.shown[result.point_of[row], 0]]) for row, _ in points]
        each = 2 if where is None else 3  # entries of a point: places and a gap
        sizes = [5, 0] if where is None else [0, 6, 0]  # the dot is where it was found
        yield go.Scatter(
            x=x,
            y=y,
            mode="markers" if where is None else "lines+markers",
            line={"color": tint, "width": 1.5},
            marker={"color": tint, "size": sizes * len(points), "opacity": 1, "line": {"width": 0}},
            name=called,
            showlegend=False,
            customdata=[[id_] for id_ in ids for _ in range(each)],
            hovertemplate="%{customdata[0]}<extra></extra>",
        )


def _few(rows: np.ndarray) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int))]


def _alt(named: Mapping[str, Correspondence]) -> str:
    parts = [f"{name or 'this run'}: {result.scores()['pck']} of points found" for name, result in named.items()]
    return f"Pictures, moved ones, and where points of the first were found in the second. {'; '.join(parts)}."
