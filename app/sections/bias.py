"""What stands under the figures of the Bias page: the worst group's errors, pictures changed, pairs that are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from components.diagnose_button import known
from components.html import literal
from components.image_picker import images_of
from components.thumbnails import pictures
from state.selection import Choice

from sslviz.catalog import Entry, find_entry
from sslviz.data import load_images
from sslviz.diagnostics.bias.counterfactual_effect import Counterfactual
from sslviz.diagnostics.bias.groups_result import Groups
from sslviz.diagnostics.bias.reliance import Reliance
from sslviz.evaluation.answers import compute_entry
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features.diagnosed import record_expected_pairs
from sslviz.features.pictures import changed_images
from sslviz.figures.parts.thumbnails import gallery_html


def prepare(choice: Choice) -> None:
    """A button that embeds the further controls and the pictures with one factor changed, where some run lacks them."""
    waiting = [name for name, evidence in choice.evidence.items() if not evidence.further]
    if not waiting:
        return
    made = known(choice)
    names = ", ".join(f"**{literal(name)}**" for name in waiting)
    if made is None:
        st.caption(f"The images cannot be loaded again from here, so {names} stand beside fewer controls.")
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"{names} {'stands' if len(waiting) == 1 else 'stand'} beside raw pixels and one untrained encoder; colours alone "
            "and two more are missing."
        )
        pressed = st.button("Embed the other controls", icon=":material/rule:")
    if pressed:
        _embed(choice, waiting, made["spec"], made.get("fit_spec"))


def _embed(choice: Choice, names: list[str], spec: str, fit_spec: str | None) -> None:
    from sslviz.features.stored import gather

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


def under(entry: Entry, label: str, attribute: str) -> Callable[[Choice, Mapping[str, Any]], None] | None:
    """What stands under the figure of this entry; None for nothing."""
    extras: dict[type, Callable[[Choice, Mapping[str, Any]], None]] = {
        Reliance: lambda choice, found: partners(choice, found, label, attribute),
        Groups: errors,
        Counterfactual: pairs,
    }
    return extras.get(entry.result_type)


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


def partners(choice: Choice, found: Mapping[str, Reliance], label: str, attribute: str) -> None:
    """Which value each class may have been met with where the encoders were trained: shown, named anew, or forgotten."""
    of, digest = f"{label}~{attribute}", choice.digest or ""
    named = common_partners(choice, of)
    with st.expander(f"Which {literal(attribute)} goes with which {literal(label)}?", icon=":material/link:"):
        table = next(iter(choice.evidence.values())).features.table.astype(str)
        classes, values = (sorted(table[column].unique()) for column in (label, attribute))
        asked = next(
            (dict(zip(one.classes, one.values[one.expected_pairs], strict=True)) for one in found.values()), {}
        )
        now = [str((named or asked).get(c, values[i % len(values)])) for i, c in enumerate(classes)]
        edited = st.data_editor(
            pd.DataFrame({label: classes, attribute: now}),
            hide_index=True,
            disabled=[label],
            width="content",
            column_config={attribute: st.column_config.SelectboxColumn(options=values, required=True)},
            key=f"partners {of} {digest} {now}",
        )
        with st.container(horizontal=True):
            ask_so = st.button("Ask with these pairs", icon=":material/link:")
            forget = st.button("Forget the pairs", icon=":material/link_off:", disabled=not _any_named(choice, of))
        st.caption(
            "What an encoder met together where it was trained is not always told by these images. Pairs are kept in the "
            "run folders, for this page and for Audit; a plan or `--partner` names them on the command line."
        )
        pairs = dict(zip(edited[label], edited[attribute], strict=True))
        problem = _cannot_be_asked(choice, (label, attribute), pairs) if ask_so else ""
        if problem:
            st.error(problem, icon=":material/error:")
        elif ask_so or forget:
            for name in choice.evidence:
                choice.runs[name].check_writable("")
            for name in choice.evidence:
                record_expected_pairs(choice.runs[name], digest, of, pairs if ask_so else None)
            st.rerun()


def common_partners(choice: Choice, of: str) -> Mapping[str, str] | None:
    """The pairs that were named, if the same ones in every run that is shown."""
    first, *others = (evidence.expected_pairs.get(of) for evidence in choice.evidence.values())
    return first if all(other == first for other in others) else None


def _any_named(choice: Choice, of: str) -> bool:
    return any(of in evidence.expected_pairs for evidence in choice.evidence.values())


def _cannot_be_asked(choice: Choice, columns: tuple[str, str], pairs: Mapping[str, str]) -> str:
    """Why these images cannot tell what an encoder does with such pairs; empty where they can."""
    evidence = replace(next(iter(choice.evidence.values())), expected_pairs={"~".join(columns): pairs})
    try:
        compute_entry(find_entry("reliance"), evidence, columns)
    except ValueError as error:
        return str(error)
    return ""


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
