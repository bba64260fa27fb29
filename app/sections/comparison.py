"""What became of an image, and which of two is better?  The two parts of a comparison that are not a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from itertools import combinations

import numpy as np
import pandas as pd
import streamlit as st
from components.charts import chart
from components.html import dot, literal
from components.thumbnails import thumbnails
from state import cached
from state.selection import Choice, caution

from sslviz.catalog import find_entry
from sslviz.diagnostics.result import ResultKey
from sslviz.diagnostics.similarity.changed import Changed
from sslviz.diagnostics.similarity.similarity import Similarity
from sslviz.evaluation.answers import storage_key
from sslviz.figures.parts import theme
from sslviz.figures.parts.thumbnails import data_uri
from sslviz.figures.similarity.comparison import comparison as draw_comparison

AT_ONCE = 6  # pairs that nobody has to be asked about: those of four runs
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


def compared_pairs(choice: Choice) -> dict[tuple[str, str], Similarity]:
    """{(run, run): how alike they are}; of many runs those that were compared before, and a button for the others."""
    pairs = list(combinations(choice.evidence, 2))
    missing = [(a, b) for a, b in pairs if not _is_compared(choice, a, b)]
    if len(missing) > AT_ONCE:
        said = f"{len(missing)} of the {len(pairs)} pairs of runs are not compared yet; "
        st.markdown(
            f"{said}{'the others are drawn.' if len(missing) < len(pairs) else 'below are two of your choice.'}"
        )
        if st.button("Compare all pairs", icon=":material/play_arrow:"):
            bar = st.progress(0.0)
            for done, (a, b) in enumerate(missing):
                bar.progress(done / len(missing), f"{literal(a)} and {literal(b)} ({done} of {len(missing)})")
                cached.pair(choice.runs[b], "similarity", choice.evidence[b], choice.evidence[a])
            st.rerun()
        pairs = [pair for pair in pairs if pair not in missing]
    return cached.similarities({name: choice.runs[name] for name in choice.evidence}, choice.evidence, tuple(pairs))


def _is_compared(choice: Choice, a: str, b: str) -> bool:
    key = storage_key(find_entry("similarity"), choice.evidence[b], other=choice.evidence[a])
    return choice.runs[b].result_path(key).exists()


def only_two(choice: Choice, a: str, b: str) -> Choice:
    """The same choice of two runs alone, whose colours differ even where many runs share one."""
    colors = choice.colors | theme.told_apart(choice.colors, [a, b])
    return replace(choice, evidence={name: choice.evidence[name] for name in (a, b)}, colors=colors)


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


def better(choice: Choice, answers: Mapping[str, cached.Answers], a: str, b: str) -> None:
    """The paired differences of every score that both have, and in words those that are more than chance."""
    names = [name for name in answers[a] if name in answers[b]]  # in the catalog's order
    both = {run: choice.evidence[run] for run in (a, b)}
    found, reasons = cached.differences(both, names, answers[a], answers[b])
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
