"""Measures of a transformer's heads as tables of colours, one for each checkpoint and each control, at one scale."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sslviz.figures.explanations.attention import (
    Measure,
    alt_text,
    by_head,
    capital,
    caption_text,
    control_tables,
    finite,
    measure_words,
)
from sslviz.figures.parts import theme
from sslviz.figures.parts.saliency_sheet import KEY, key_below

if TYPE_CHECKING:
    from sslviz.explanations.attention.attention_result import Attention


def head_table(
    results: Attention | Mapping[str, Attention],
    *,
    measure: Measure = "distance",
    colors: Mapping[str, str] | None = None,
) -> go.Figure:
    """Which head of which layer looks how far?  A table of colours for each checkpoint and each control, at one scale.

    As `attention`, head by head: rows are layers, columns heads, numbered as the encoder numbers them.  The scale
    has a tick at what attention that falls on all patches alike reads.

    Caveat: heads have no order: the same head of two encoders has nothing in common but its number.
    """
    named, words = theme.as_dict(results), measure_words(measure)
    palette, short = theme.colors(named, colors), theme.short_names(named, 22)
    tables = [(escape(short[name]), name, palette[name], by_head(r, measure)) for name, r in named.items()]
    tables += [
        (f"{escape(name)} (control)", f"{name} (control)", theme.CONTROL, table)
        for name, table in control_tables(named, measure)
    ]
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    fig = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[table[0] for table in tables],
        horizontal_spacing=0.06,
        vertical_spacing=0.5 / (rows + 2),
    )
    for i, (_, name, color, table) in enumerate(tables):
        row, col = i // columns + 1, i % columns + 1
        fig.add_trace(_table(table, name, words.title), row=row, col=col)
        fig.update_xaxes(title_text="head", dtick=1, linecolor=color, linewidth=3, row=row, col=col)
        fig.update_yaxes(title_text="layer" if col == 1 else None, row=row, col=col)
    fig.update_xaxes(showgrid=False, ticks="", mirror=True)
    fig.update_yaxes(showgrid=False, ticks="", autorange="reversed", dtick=1)
    fig.update_annotations(font={"size": 12})
    layers = max(len(table[3]) for table in tables)
    fig.update_layout(
        height=rows * (90 + 17 * layers) + 50 + KEY,
        margin={"t": 60, "b": KEY + 10},
        title={"text": f"{capital(words.title)}, head by head", "font": {"size": 13}},
        coloraxis=_table_scale([table[3] for table in tables], next(iter(named.values())).uniform[measure]),
    )
    marks = {"mark": "One cell", "uniform_mark": "on the scale", "control_mark": "framed in grey"}
    caption = caption_text(named, words, **marks)
    return theme.finish(fig, alt=alt_text(named, measure), caption=caption)


def _table(table: np.ndarray, name: str, title: str) -> go.Heatmap:
    return go.Heatmap(
        z=[finite(row) for row in table],
        x0=0,
        dx=1,
        y0=1,
        dy=1,
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        name=name,
        hovertemplate=f"<b>{escape(name)}</b><br>layer %{{y}}, head %{{x}}: %{{z:.3f}}<extra></extra>",
    )


def _table_scale(tables: list[np.ndarray], uniform: float) -> dict[str, object]:
    values = np.concatenate([*(table.ravel() for table in tables), [uniform]])
    high = float(np.nanmax(values)) * 1.02 or 1.0
    ticks = [t for t in (0.0, high / 2, high) if abs(t - uniform) > 0.3 * high]
    text = [f"{t:.2g}" for t in ticks]
    key = key_below([*ticks, uniform], [*text, f"{uniform:.2g} = uniform (control)"])
    scale = [[i / (len(theme.SCALE) - 1), c] for i, c in enumerate(theme.SCALE)]
    return {"cmin": 0, "cmax": high, "colorscale": scale, "colorbar": key}
