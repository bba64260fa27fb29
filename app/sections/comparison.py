"""What became of an image, and which of two is better?  The two parts of a comparison that are not a heat map."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from components.charts import chart
from components.html import dot, literal
from components.thumbnails import thumbnails
from state.selection import Choice, caution

from sslviz.catalog import find_entry
from sslviz.diagnostics.result import ResultKey
from sslviz.diagnostics.similarity.changed import Changed
from sslviz.diagnostics.similarity.compare import compare
from sslviz.figures.parts.thumbnails import data_uri
from sslviz.figures.similarity.comparison import comparison as draw_comparison

SHOWN = 20  # images whose neighbourhoods are shown
NEIGHBORS = 7
SIZE = 36  # pixels of a thumbnail
STYLE = """<style>
.changed{display:grid;gap:10px 22px;grid-template-columns:repeat(auto-fill,minmax(min(100%,405px),1fr));font-size:12px}
.changed .one{display:grid;grid-template-columns:auto 1fr;gap:4px 10px;align-items:center}
.changed .one>img{grid-row:span 2}
.changed .near{display:flex;flex-wrap:wrap;gap:3px;align-items:center}
.changed img{object-fit:contain;image-rendering:pixelated;box-sizing:content-box;border:2px solid transparent}
.changed img.kept{border-color:currentColor}
</style>"""


def most_changed(choice: Choice, changed: Changed, a: str, b: str) -> None:
    """The images whose neighbourhoods changed most, each beside its nearest in both; those in both are framed."""
    found = thumbnails(choice)
    if found is None:
        st.caption("The run folders hold no thumbnails of these images; diagnose again to make them.")
        return
    pixels, ids = found
    where = pd.Index(ids).get_indexer(pd.Index(changed.ids))  # a row of `changed` -> its picture
    order = changed.ranking[:SHOWN]
    cells = [_one(pixels, where, changed, row, choice.colors[a], choice.colors[b]) for row in order]
    st.html(f'{STYLE}<div class="changed">{"".join(cells)}</div>')
    st.caption(
        f"The {len(order)} images that changed most, and the {NEIGHBORS} nearest to each: in {a} above, in {b} below. "
        "Framed: among the nearest in both."
    )


def _one(pixels: np.ndarray, where: np.ndarray, changed: Changed, row: int, *colors: str) -> str:
    rows = []
    for near, other, color in zip(
        (changed.near_a, changed.near_b), (changed.near_b, changed.near_a), colors, strict=True
    ):
        kept = set(other[row].tolist())
        images = "".join(
            _image(pixels[where[i]], str(changed.ids[i]), SIZE, "kept" if i in kept else "")
            for i in near[row][:NEIGHBORS]
        )
        rows.append(f'<div class="near">{dot(color)}{images}</div>')
    big = _image(pixels[where[row]], f"{changed.ids[row]}: changed by {changed.change[row]:.0%}", 2 * SIZE, "")
    return f'<div class="one">{big}{"".join(rows)}</div>'


def _image(pixels: np.ndarray, title: str, size: int, kind: str) -> str:
    title = escape(title)
    said = f'alt="{title}" title="{title}" class="{kind}" width="{size}" height="{size}"'
    return f'<img src="{data_uri(pixels, 2 * size)}" {said}>'


def better(choice: Choice, results: dict[str, dict[str, Any]], a: str, b: str) -> None:
    """The paired differences of every score that both have, and in words those that are more than chance."""
    found, reasons = {}, []
    for name in results[a].keys() & results[b].keys():
        try:
            found[name] = compare(results[a][name], results[b][name])
        except ValueError as error:
            reasons.append(f"{name}: {error}")
    found = {name: found[name] for name in results[a] if name in found}  # in the catalog's order
    if not found:
        st.caption("These two have no score in common that could be compared image by image.")
        return
    if said := caution(choice):
        st.caption(f":material/warning: {said}")
    told = [
        (name, one.winner[score], one.claim(score, a, b))
        for name, one in found.items()
        if find_entry(ResultKey.parse(name).name).rates_encoder
        for score in one.scores()
    ]
    for winner in (a, b):
        better = [text for _, sign, text in told if sign == (-1 if winner == a else 1)]
        if better:
            st.html(f"{dot(choice.colors[winner])}<b>{escape(winner)}</b> is better in {len(better)}:")
            st.markdown("\n".join(f"- {literal(text)}" for text in better))
    if not any(sign for _, sign, _ in told):
        st.markdown("Nothing that was measured tells them apart: every interval of a difference holds zero.")
    with st.expander(
        "All differences", icon=":material/compare_arrows:", expanded=not any(sign for _, sign, _ in told)
    ):
        chart(draw_comparison(found), choice, "better")
    for reason in reasons:
        st.caption(f":material/block: {reason}")
