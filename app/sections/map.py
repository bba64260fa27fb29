"""What is near what?  Maps to lasso in, the images that were lassoed, and an image's true neighbours in each checkpoint.

A chart that changes loses its lasso.  So the ids are copied to the session, and the map in which the lasso was drawn
stays as it was, while in the others, drawn again, the same images stand out."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import streamlit as st
from components.charts import chart
from components.html import dot
from components.thumbnails import pictures
from state import cached
from state.selection import Choice

from sslviz.catalog import find_entry
from sslviz.diagnostics.projection.projection import Projection
from sslviz.diagnostics.projection.quality import align
from sslviz.evaluation.answers import is_stored
from sslviz.figures import map_figure, selected_ids
from sslviz.figures.parts import theme
from sslviz.figures.projection.point_colors import RELIABILITY

NEIGHBORS = 10
PAINTED = 0.15  # seconds in which a browser shows the gallery, before the maps keep it busy
LEAST = {4: 330}  # pixels a map is wide before there are fewer in a row: two of four, rather than three and one
SHOWN = 84  # images in the gallery, and to choose one from: six rows of fourteen


def missing_maps(choice: Choice, names: list[str], layout: str) -> list[str]:
    """Those of these runs that have no map by this layout in their folder yet."""
    entry = find_entry("projection")
    return [name for name in names if not is_stored(choice.runs[name], entry, choice.evidence[name], layout=layout)]


def map_of(choice: Choice, name: str, layout: str) -> Projection:
    """The map of one run, as it is; ValueError where all of its features are alike."""
    return cached.map_of(choice.runs[name], choice.evidence[name], layout)


def aligned_maps(choice: Choice, names: list[str], layout: str) -> tuple[dict[str, Projection], dict[str, str]]:
    """The map of each run, laid over the first one; and why there is none of the others."""
    found, reasons = {}, {}
    for name in names:
        try:
            found[name] = map_of(choice, name, layout)
        except ValueError as error:
            reasons[name] = str(error)
    first = next(iter(found.values()), None)
    return {
        name: one if one is first else replace(one, xy=align(one.xy, one.ids, first.xy, first.ids))
        for name, one in found.items()
    }, reasons


@st.fragment
def explore(choice: Choice, names: list[str], found: dict[str, Projection], color: str | None, null: bool) -> None:
    """The maps side by side, and below them what was selected in any of them."""
    features = next(iter(choice.evidence.values())).features
    table = features.table.set_index(features.ids)
    chosen = np.isin(features.ids, st.session_state.get("map_ids", []))
    ids = list(table.index[chosen])  # in the order of the table: mixed, where a map goes by class
    short, caption = theme.short_names(found), ""
    by = None if color == RELIABILITY else color  # the column of the table, if it is one
    maps, below = st.container(key="maps"), st.container()
    with below:
        if ids:  # before the maps, which take longer to be drawn again
            _selection(choice, ids, None if by is None else table.loc[ids, by])
            if st.session_state.get("map_painted") != ids:
                time.sleep(PAINTED)
        st.session_state["map_painted"] = ids
    with maps, st.grid(len(found), min_column_width=LEAST.get(len(found), 250), gap="medium"):
        for name, result in found.items():
            key = f"map {name} {st.session_state.get('map_clears', 0)}"
            state = (key, color, result.method, null, choice.dark)
            lassoed = st.session_state.get("map_drawn_in") == state and st.session_state.get(key)
            fig = map_figure(
                result,
                color if by is None else table.loc[result.ids, by],
                None if lassoed else ids,
                title=short[name],
                null=null,
                point_color=choice.colors[name],
            )
            fig.update_layout(height=680 if len(found) == 1 else 370)
            if len(found) == 1:  # the axes fill the page, and the map is in their middle
                fig.update_xaxes(constrain="range", constraintoward="center").update_yaxes(constrain="range")
            caption = fig.layout.meta["caption"]
            chart(fig, choice, key, caveat=None, selection_mode="lasso", on_select=_remembering(key, state))
    maps.caption(f"{caption} Draw around points to see their images.")
    _neighbours(choice, names, ids[:SHOWN] or list(table.index[: 2 * NEIGHBORS]), table, by)


def _selection(choice: Choice, ids: list[str], values: pd.Series | None) -> None:
    """The images that were drawn around, how many there are of each value, and where to go with them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(ids):,} images selected", anchor=False, width="content")
        st.button("Clear the selection", icon=":material/close:", type="tertiary", on_click=_forget)
        _onwards(ids)
    if values is not None and values.nunique() <= 20:
        st.caption(" · ".join(f"{value}: {count:,}" for value, count in values.value_counts().items()))
    with st.container(key="selected"):
        pictures(choice, ids, limit=SHOWN)


def _remembering(key: str, state: Hashable) -> Callable[[], None]:
    """A callback that copies what was selected in one map to the session."""

    def remember() -> None:
        ids = selected_ids(st.session_state[key]["selection"]["points"])
        # Where images already stood out, the map must be drawn again to let others do so.
        clean = not st.session_state.get("map_ids") or st.session_state.get("map_drawn_in") == state
        st.session_state["map_drawn_in"] = state if clean else None
        st.session_state["map_ids"] = ids

    return remember


def _forget() -> None:
    """Nothing is selected any more; charts under new keys have no lasso either."""
    st.session_state["map_ids"] = []
    st.session_state["map_clears"] = st.session_state.get("map_clears", 0) + 1


def _onwards(ids: list[str]) -> None:
    """From the images that are selected to the pages that ask about them, alone or against those kept before."""
    kept = st.session_state.get("map_kept", [])
    st.button(
        "Keep as first group",
        icon=":material/bookmark:",
        type="tertiary",
        on_click=_keep,
        args=(ids,),
        help=f"To be set against the next selection. Kept now: {len(kept):,} images."
        if kept
        else "To be set against the next selection: why near these, and not those?",
    )
    against = bool(kept) and set(kept) != set(ids)
    question = "Why near these and not the kept?" if against else "Why are these near each other?"
    st.page_link("app_pages/attention.py", label="Where does it look in them?", icon=":material/visibility:")
    st.page_link("app_pages/attribution.py", label=question, icon=":material/troubleshoot:")


def _keep(ids: list[str]) -> None:
    """These are one group; the next selection is the other."""
    st.session_state["map_kept"] = ids
    _forget()


def _neighbours(choice: Choice, names: list[str], ids: list[str], table: pd.DataFrame, color: str | None) -> None:
    """One image, and what lies nearest to it in each checkpoint: not on the map, but in all dimensions."""
    st.subheader("Which images does each checkpoint take for the same?", anchor=False)
    values = table[color] if color is not None else pd.Series("", table.index)
    said = values.map("{:.3g}".format if pd.api.types.is_float_dtype(values) else str)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        id_ = st.selectbox("Image", ids, format_func=lambda i: f"{i} · {said[i]}", key="map_image", width=200)
        pictures(choice, [id_], size=72)
    for name in names:
        near, similarity = cached.nearest(choice.evidence[name], id_, NEIGHBORS)
        st.html(dot(choice.colors[name]) + f"<b>{escape(name)}</b>")
        pictures(choice, near, captions=[f"{s:.2f} {said[i]}" for i, s in zip(near, similarity, strict=True)], size=72)
    st.caption(f"The {NEIGHBORS} nearest by cosine similarity over all dimensions, nearest first. Nearest is not near.")
