"""How did the map come to be, which points moved for a reason, and how much of it is its settings?"""

from __future__ import annotations

import streamlit as st
from components.charts import chart
from components.diagnose_button import every_step
from components.html import literal
from state import cached
from state.selection import Choice

from sslviz.diagnostics.projection.displacement import displacement
from sslviz.diagnostics.projection.projection import Projection
from sslviz.features.evidence import Evidence
from sslviz.figures import map_figure
from sslviz.figures.projection.displacement import displacement as draw_displacement
from sslviz.figures.projection.over_training import journey
from sslviz.figures.projection.projection import projection as draw_maps


@st.fragment
def through_training(choice: Choice, names: list[str], color: str | None) -> None:
    """One run's maps, played through its training, or from its first to its last; PCA at once, UMAP on demand."""
    with st.expander(
        "How did the map come to be?", icon=":material/timeline:", on_change="rerun", key="came", bind="query-params"
    ) as box:
        if box.open:
            _journey(choice, names, color)


def _journey(choice: Choice, names: list[str], color: str | None) -> None:
    every_step(choice)
    steps = {name: cached.steps(choice.runs[name], choice.digest or "") for name in names}
    steps = {name: found for name, found in steps.items() if len(found) > 1}
    if not steps:
        st.caption(
            "A journey leads through two checkpoints or more that were embedded on these images; no run here has them."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        run = st.segmented_control("Run", list(steps), default=next(iter(steps)), required=True, key="journey_of")
        umap = st.toggle("UMAP instead of PCA", key="journey_umap", help="Five layouts for each step: a minute or so.")
        trails = st.toggle("Trails", key="journey_trails", help="From where the farthest movers lay to where they lie.")
    try:
        maps = cached.journey(choice.runs[run], steps[run], "umap" if umap else "pca")
    except ValueError as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    first, *_, last = maps.values()
    table = choice.evidence[run].features.table.set_index(choice.evidence[run].features.ids)
    values = None if color is None else table.loc[last.ids, color]
    figure = (
        map_figure(last, values, trails=first, title=f"{run}, first step to last", point_color=choice.colors[run])
        if trails
        else journey(maps, color=values, point_color=choice.colors[run])
    )
    chart(figure, choice, f"journey {trails}")
    evidences = list(steps[run].values())
    _displaced(choice, run, first, last, evidences[0], evidences[-1])


def _displaced(
    choice: Choice, run: str, first: Projection, last: Projection, before: Evidence, after: Evidence
) -> None:
    """From the first step to the last: what moved on the map, beside what changed in all dimensions."""
    st.subheader("Which points moved for a reason?", anchor=False)
    try:
        changed = cached.pair(choice.runs[run], "changed", after, before)
        where = {id_: row for row, id_ in enumerate(changed.ids)}
        moved = displacement(first, last, changed.change[[where[id_] for id_ in first.ids]])
    except ValueError as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    figure = draw_displacement(
        {f"{run}, first step to last": moved}, colors={f"{run}, first step to last": choice.colors[run]}
    )
    chart(figure, choice, "displacement")


@st.fragment
def settings(choice: Choice, names: list[str], color: str | None) -> None:
    """The same images under other settings of UMAP, on demand."""
    with st.expander("How much of the map is its settings?", icon=":material/grid_view:", on_change="rerun") as box:
        if not box.open:
            return
        run = st.segmented_control("Run", names, default=names[0], required=True, key="strip_of")
        try:
            strip = cached.strip(choice.runs[run], choice.evidence[run])
        except ValueError as error:
            st.caption(f":material/block: {literal(str(error))}")
            return
        maps = {f"{k} neighbours, min_dist {d:g}": one for (k, d), one in strip.items()}
        shown = next(iter(maps.values())).ids
        table = choice.evidence[run].features.table.set_index(choice.evidence[run].features.ids)
        values = None if color is None else table.loc[shown, color]
        fixed = dict.fromkeys(maps, choice.colors[run])
        chart(draw_maps(maps, color=values, colors=fixed), choice, "strip")
