"""What is not computed yet, and the button that computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from components.html import literal
from state.cached import steps
from state.selection import Choice

from sslviz.catalog import CATALOG, entry
from sslviz.data import load_images
from sslviz.evaluation.diagnose import diagnose, scored_and_fit
from sslviz.runs import Run


def unready(choice: Choice) -> None:
    """A line for each chosen run that cannot be compared yet, and a button that changes it."""
    waiting = {name: choice.runs[name] for name in choice.unready if choice.runs[name].checkpoints}
    for name in set(choice.unready) - set(waiting):
        st.caption(f":material/hourglass_empty: {literal(name)} has no checkpoint yet; reload once it has written one.")
    if not waiting:
        return
    made = known(choice)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = ", ".join(f"**{literal(name)}**" for name in waiting)
            if made:
                st.markdown(
                    f"Not compared yet: {names}. Their features on these images are missing, or cannot be read."
                )
                spec, fit = made["spec"], made.get("fit_spec")
            else:
                spec, fit = (
                    st.text_input(f"Images to compare {names} on", _trained_on(waiting), key="diagnose_on"),
                    None,
                )
            pressed = st.button("Diagnose now", type="primary", icon=":material/stethoscope:")
        if pressed:
            _diagnose(list(waiting.values()), spec, fit)


def every_step(choice: Choice) -> None:
    """A button that embeds the checkpoints before the last, where some are not, so that they can be looked at too."""
    left = {
        name: choice.runs[name]
        for name in choice.evidence
        if len(choice.runs[name].checkpoints) > len(steps(choice.runs[name], choice.digest or ""))
    }
    said, button = "Only the last checkpoint of {} was embedded.", "Embed every checkpoint"
    _offer(choice, left, said, button, ":material/timeline:", every=True)


def left_out(choice: Choice, names: Sequence[str], what: str) -> None:
    """A button that embeds `what` only some diagnostics look at, where these runs were diagnosed with others alone."""
    runs, said = {name: choice.runs[name] for name in names}, f"{what} of {{}} were not embedded."
    _offer(choice, runs, said, f"Embed {what[0].lower()}{what[1:]}", ":material/stethoscope:")


def _offer(choice: Choice, runs: dict[str, Run], said: str, button: str, icon: str, *, every: bool = False) -> None:
    """What is wanting in these runs, if there are any, and a button that diagnoses them again."""
    if not runs:
        return
    said, made = said.format(", ".join(f"**{literal(name)}**" for name in runs)), known(choice)
    if made is None:
        st.caption(f"{said} The images cannot be loaded again from here.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(said)
        pressed = st.button(button, icon=icon)
    if pressed:
        _diagnose(list(runs.values()), made["spec"], made.get("fit_spec"), every=every)


def known(choice: Choice) -> dict[str, Any] | None:
    """How the chosen images are made again, from the first run that says so."""
    diagnosed = (run.info.get("diagnosed", {}).get(choice.digest) for run in choice.runs.values())
    return next((made for made in diagnosed if made and made["spec"]), None)


def _trained_on(runs: dict[str, Run]) -> str:
    """The spec of the images, all splits of them, that one of these runs was trained on."""
    specs = (run.info.get("arguments", {}).get("images", "") for run in runs.values())
    return next((spec.partition(",split=")[0] for spec in specs if spec), "shapes")


def _diagnose(runs: list[Run], spec: str, fit_spec: str | None, *, every: bool = False) -> None:
    """Embeds and diagnoses here and now, saying what it is at; a sentence where that cannot be done."""
    with st.status(f"Loading {spec}", expanded=True) as status:
        bar = st.progress(0.0)
        try:
            images, fit = (load_images(spec), load_images(fit_spec)) if fit_spec else scored_and_fit(load_images(spec))
            # Maps take the longest; their page offers them, and shows the PCA until then.  Of earlier steps only
            # what their page shows; of pairs only what is embedded for them, they are told on theirs.
            wanted = [one for one in CATALOG if one.by_default and one.page != "map"] + [entry("similarity")]
            wanted = [one for one in wanted if not every or one.page == "collapse"]
            asked = [(run, one) for run in runs for one in wanted]
            for done, (run, one) in enumerate(asked):
                bar.progress(done / len(asked), f"{run.name}: {one.question}")
                status.update(label=f"Diagnosing {run.name} on {len(images):,} images")
                diagnose(run, images, fit=fit, only=[one.name], every=every, progress=False)
        except (ValueError, OSError) as error:
            status.update(label=str(error), state="error")
            return
    st.rerun()
