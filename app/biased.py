"""What stands beside the figures of the Bias page?  Further controls, the worst group's errors, pictures changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from choice import Choice
from pictured import images_of
from show import known, literal, pictures

from sslviz.diagnose import scored_and_fit
from sslviz.diagnostics.counterfactual import Counterfactual
from sslviz.diagnostics.groups import Groups
from sslviz.diagnostics.reliance import Reliance
from sslviz.evidence import changed_images, gather, name_partners
from sslviz.figures.thumbnails import gallery_html
from sslviz.specs import load_images


def prepare(choice: Choice) -> None:
    """A button that embeds the further controls and the pictures with one factor changed, where some run lacks them."""
    waiting = [name for name, evidence in choice.evidence.items() if not evidence.more]
    if not waiting:
        return
    made = known(choice)
    names = ", ".join(f"**{literal(name)}**" for name in waiting)
    if made is None:
        st.caption(f"The images cannot be loaded again from here, so {names} stand beside fewer controls.")
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"{names} stand beside raw pixels and one untrained encoder; colours alone and two more are missing."
        )
        pressed = st.button("Embed the other controls", icon=":material/rule:")
    if pressed:
        _embed(choice, waiting, made["spec"], made.get("fit_spec"))


def _embed(choice: Choice, names: list[str], spec: str, fit_spec: str | None) -> None:
    with st.status(f"Loading {spec}") as status:
        try:
            images, fit = (load_images(spec), load_images(fit_spec)) if fit_spec else scored_and_fit(load_images(spec))
            for name in names:
                status.update(label=f"Embedding the controls of {name}")
                gather(choice.runs[name], choice.runs[name].last, images, fit, attributes=True)
        except (ValueError, OSError) as error:
            status.update(label=str(error), state="error")
            return
    st.rerun()


def errors(choice: Choice, tables: Mapping[str, Groups]) -> None:
    """The images of one group that a run reads wrongly, the worst group first, each with what it was taken for."""
    if not tables:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = st.selectbox("Errors of", list(tables), key="errors_of", bind="query-params")
        table = tables[run]
        order = [table.names[i] for i in np.argsort(table.accuracy(), kind="stable")]
        name = st.selectbox("in the group", order, key="errors_in", help="The worst group comes first.")
    at = table.names.index(name)
    wrong = (table.group == at) & ~table.correct
    share = table.accuracy()[at]
    st.markdown(
        f"{wrong.sum()} of {table.counts[at]} images of **{literal(name)}** are read wrongly by **{literal(run)}** "
        f"({share:.0%} rightly). Under each: what it was taken for."
    )
    if wrong.any():
        pictures(choice, table.ids[wrong], captions=table.classes[table.predicted[wrong]], limit=60)


def partners(choice: Choice, found: Mapping[str, Reliance]) -> None:
    """Which value each class may have been met with where the encoders were trained: shown, and named anew."""
    if not found:
        return
    first = next(iter(found.values()))
    label, attribute = first.label, first.attribute
    with st.expander(f"Which {literal(attribute)} goes with which {literal(label)}?", icon=":material/link:"):
        now = pd.DataFrame({label: first.classes, attribute: first.values[first.partner]})
        of_values = st.column_config.SelectboxColumn(options=list(first.values), required=True)
        named = st.data_editor(
            now, hide_index=True, disabled=[label], column_config={attribute: of_values}, width="content",
            key=f"partners {label} {attribute} {choice.digest}",
        )  # fmt: skip
        if st.button("Ask with these pairs", icon=":material/link:"):
            for name in choice.evidence:
                pairs = dict(zip(named[label], named[attribute], strict=True))
                name_partners(choice.runs[name], choice.digest or "", f"{label}~{attribute}", pairs)
            st.rerun()
        st.caption(
            "What an encoder may have met together where it was trained is not always told by these images. Pairs are kept "
            "in the run folders, and an audit asks with them too."
        )


def pairs(choice: Choice, found: Mapping[str, Counterfactual]) -> None:
    """One picture, and it again with each factor changed, under each how far a run says it moved; a slider picks which."""
    if not found:
        return
    every = images_of(choice, np.arange(len(next(iter(choice.evidence.values())).features)))
    drawn = changed_images(every)
    if drawn is None:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = st.selectbox("Moved as seen by", list(found), key="moved_by", bind="query-params")
        result = found[run]
        n = len(result.ids)
        place = st.slider(
            f"Pictures, from the least to the most moved by {result.attribute}", 1, n, n, key="moved_place"
        )
    at = int(np.argsort(result.moved[result.factors.index(result.attribute)], kind="stable")[place - 1])
    rows = np.flatnonzero(drawn.table["object"].to_numpy() == result.ids[at])
    steps = dict(zip(result.factors, result.moved[:, at] / result.spread.mean(), strict=True))
    said = [f"{factor} {steps[factor]:.2f}" if factor else "as it is" for factor in drawn.table["changed"].iloc[rows]]
    st.html(gallery_html(drawn.pixels[rows], drawn.ids[rows], captions=said, size=88))
    st.caption(
        "Under each: the factor that was changed, and how far that moved the picture; 1 is as far as another picture."
    )
