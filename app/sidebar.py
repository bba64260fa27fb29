"""The sidebar: which runs are shown, which of them stands out, on which images, and how pictures are fed to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

import streamlit as st
from components.html import dot, literal
from state.selection import all_runs, caution, chosen, chosen_runs, images_of_runs

from sslviz.figures.parts.theme import MANY
from sslviz.runs import Run, studies
from sslviz.runs.preprocessing import preprocessing_rows, run_preprocessing


def sidebar() -> None:
    """Draws the widgets that `chosen` reads, a line about each chosen run, and one for each folder left out."""
    runs, problems = all_runs()
    names = [run.name for run in runs]
    with st.sidebar:
        run_picker(runs, names)
        images = images_of_runs(chosen_runs())
        if len(images) > 1:
            st.selectbox("Compared on", list(images), format_func=images.__getitem__, key="images", bind="query-params")
        choice = chosen()
        if len(choice.evidence) > 1:
            st.selectbox(
                "Stands out", list(choice.evidence), None, key="run", bind="query-params", placeholder="None of them"
            )
        abouts = [_about(run, choice.colors[name]) for name, run in choice.runs.items()]
        with st.expander(f"{len(abouts)} runs shown") if len(abouts) > MANY else st.container(gap="small"):
            st.html(f'<div style="display:grid;gap:10px">{"".join(abouts)}</div>')
        for run in choice.runs.values():
            if problem := cannot_be_kept(run):
                st.caption(f":material/lock: {literal(problem)} What was kept before is shown.")
        if choice.runs:
            with st.expander("How pictures are fed", icon=":material/image:"):
                st.html(_fed(choice.runs, choice.colors))
        if said := caution(choice):
            st.caption(f":material/warning: {said}")
        for problem in problems:
            st.caption(f":material/warning: Skipped: {problem}")


def run_picker(runs: list[Run], names: list[str]) -> None:
    """A box of all runs, to be searched in; above it the studies, of which all runs are chosen at once."""
    found = studies(runs)
    if found:
        known = st.session_state.get("runs")
        now = set(names if known is None else known)
        st.session_state["studies"] = [
            title for title, inside in found.items() if now < set(names) and now >= {*inside}
        ]
        st.pills(
            "All of a study",
            list(found),
            selection_mode="multi",
            format_func=lambda title: f"{title} ({len(found[title])})",
            key="studies",
            on_change=_choose_studies,
            args=(found, names),
        )
    st.multiselect(
        "Runs",
        names,
        default=names,
        key="runs",
        bind="query-params",
        placeholder="Choose runs",
        wrap=len(names) <= MANY,
    )


def _choose_studies(found: Mapping[str, list[str]], names: list[str]) -> None:
    """All runs of the studies that were chosen, and no others; without any study all runs."""
    inside = {name for title in st.session_state["studies"] for name in found[title]}
    st.session_state["runs"] = [name for name in names if name in inside] or names


def cannot_be_kept(run: Run) -> str:
    """Why nothing that is computed of this run can be kept, and what to do; empty where it can."""
    try:
        run.check_writable("results")
    except ValueError as error:
        return str(error)
    return ""


def _about(run: Run, color: str) -> str:
    """A dot in the run's colour, its name, and in small print what it is."""
    a = run.info.get("arguments", {})
    what = [a.get("method", "imported"), a.get("encoder", "")]
    if "epochs" in a:
        done = int(run.history["epoch"].max()) if len(run.history) else 0
        what.append(f"{a['epochs']} epochs" if run.info.get("finished") else f"epoch {done} of {a['epochs']}")
    return (
        f'<div style="display:flex;align-items:baseline;line-height:1.35">{dot(color)}'
        f'<div style="min-width:0;overflow-wrap:anywhere">{escape(run.name)}'
        f'<div style="font-size:11px;opacity:.65">{escape(" · ".join(filter(None, what)))}</div></div></div>'
    )


def _fed(runs: Mapping[str, Run], colors: Mapping[str, str]) -> str:
    """Each value with its origin in small print, once for all runs that are fed alike."""
    alike: dict[str, list[str]] = {}
    for name, run in runs.items():
        alike.setdefault(json.dumps(run_preprocessing(run)), []).append(name)
    parts = []
    for text, names in alike.items():
        stored = json.loads(text)
        dots = "".join(dot(colors[name]) for name in names)
        who = f'<div style="display:flex;align-items:center;flex-wrap:wrap">{dots}{escape(", ".join(names))}</div>'
        rows = "".join(
            f'<div style="margin-top:4px">{what} <b>{escape(value)}</b><br>'
            f'<span style="font-size:11px;opacity:.65">{escape(origin)}</span></div>'
            for what, value, origin in preprocessing_rows(stored)
        )
        notes = "".join(f'<div style="margin-top:4px;font-size:11px">{escape(note)}.</div>' for note in stored["notes"])
        parts.append(f'<div style="font-size:13px;line-height:1.3;overflow-wrap:anywhere">{who}{rows}{notes}</div>')
    return '<hr style="margin:10px 0;opacity:.3">'.join(parts)
