"""The sidebar: which runs are shown, on which images, and how pictures are fed to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

import streamlit as st
from components.html import dot, literal
from state.selection import all_runs, caution, chosen, chosen_runs, images_of_runs

from sslviz.runs import Run
from sslviz.runs.preprocessing import preprocessing_rows, run_preprocessing


def sidebar() -> None:
    """Draws the widgets that `chosen` reads, a line about each chosen run, and one for each folder left out."""
    runs, problems = all_runs()
    names = [run.name for run in runs]
    with st.sidebar:
        st.multiselect("Runs", names, default=names, key="runs", bind="query-params", placeholder="Choose runs")
        images = images_of_runs(chosen_runs())
        if len(images) > 1:
            st.selectbox("Compared on", list(images), format_func=images.__getitem__, key="images", bind="query-params")
        choice = chosen()
        for name, run in choice.runs.items():
            st.html(_about(run, choice.colors[name]))
            if problem := cannot_be_kept(run):
                st.caption(f":material/lock: {literal(problem)} What was kept before is shown.")
        if choice.runs:
            with st.expander("How pictures are fed", icon=":material/image:"):
                st.html(_fed(choice.runs, choice.colors))
        if said := caution(choice):
            st.caption(f":material/warning: {said}")
        for problem in problems:
            st.caption(f":material/warning: Skipped: {problem}")


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
