"""What is not computed yet, and the button that computes it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st
from components.html import literal
from components.work import Task, begin, busy
from state.cached import steps
from state.selection import Choice

from sslviz.catalog import Entry, diagnostics, entries_on
from sslviz.data import Images, load_images
from sslviz.evaluation.answers import requirements
from sslviz.evaluation.diagnose import diagnose
from sslviz.evaluation.grouping import kept_together
from sslviz.evaluation.inspection import inspect_images
from sslviz.evaluation.questions import scored_and_fit
from sslviz.features.evidence import STIMULI
from sslviz.runs import Run, largest_image_size


def unready(choice: Choice) -> None:
    """A line for each chosen run that cannot be compared yet, and a button that changes it."""
    waiting = {name: choice.runs[name] for name in choice.unready if choice.runs[name].checkpoints}
    for name in set(choice.unready) - set(waiting):
        st.caption(f":material/hourglass_empty: {literal(name)} has no checkpoint yet; reload once it has written one.")
    if not waiting or busy():
        return
    made = known(choice)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = ", ".join(f"**{literal(name)}**" for name in waiting)
            if made:
                st.markdown(
                    f"Not compared yet: {names}. Their features on these images are missing, or cannot be read."
                )
                spec, fit, group = made["spec"], made.get("fit_spec"), made.get("group", "")
            else:
                spec = st.text_input(f"Images to compare {names} on", _trained_on(waiting), key="diagnose_on")
                fit, group = None, ""
            pressed = st.button("Diagnose now", type="primary", icon=":material/stethoscope:")
        if pressed:
            _diagnose(list(waiting.values()), spec, fit, group)


def every_step(choice: Choice) -> None:
    """A button that embeds the checkpoints before the last, where some are not, so that they can be looked at too."""
    left = {
        name: choice.runs[name]
        for name in choice.evidence
        if len(choice.runs[name].checkpoints) > len(steps(choice.runs[name], choice.digest or ""))
    }
    said, button = "Only the last checkpoint of {} was embedded.", "Embed every checkpoint"
    _offer(choice, left, said, button, ":material/timeline:", every=True)


def left_out(choice: Choice, page: str) -> None:
    """A button that embeds what a page's diagnostics look at, where some run was diagnosed with others alone."""
    needed = requirements(entry for entry in entries_on(page) if not entry.opt_in and not entry.needs_target)
    stimuli = [stimulus for stimulus in STIMULI if stimulus.shown == "on request" and stimulus.name in needed]
    lacking = [
        name
        for name, evidence in choice.evidence.items()
        if any(evidence.of(stimulus.name) is None for stimulus in stimuli)
    ]
    offer_stimulus(choice, lacking, " and ".join(stimulus.words for stimulus in stimuli))


def offer_stimulus(choice: Choice, names: Sequence[str], words: str) -> None:
    """A button that embeds what these words mean, where it was not embedded for some runs."""
    runs, text = (
        {name: choice.runs[name] for name in names},
        f"{words[:1].upper()}{words[1:]} of {{}} were not embedded.",
    )
    _offer(choice, runs, text, f"Embed {words}", ":material/stethoscope:")


def _offer(choice: Choice, runs: dict[str, Run], said: str, button: str, icon: str, *, every: bool = False) -> None:
    """What is wanting in these runs, if there are any, and a button that diagnoses them again."""
    if not runs or busy():
        return
    said, made = said.format(", ".join(f"**{literal(name)}**" for name in runs)), known(choice)
    if made is None:
        st.caption(f"{said} The images cannot be loaded again from here.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(said)
        pressed = st.button(button, icon=icon)
    if pressed:
        _diagnose(list(runs.values()), made["spec"], made.get("fit_spec"), made.get("group", ""), every=every)


def known(choice: Choice) -> dict[str, Any] | None:
    """How the chosen images are made again, from the first run that says so."""
    diagnosed = (run.info.get("diagnosed", {}).get(choice.digest) for run in choice.runs.values())
    return next((made for made in diagnosed if made and made["spec"]), None)


def _trained_on(runs: dict[str, Run]) -> str:
    """The spec of the images, all splits of them, that one of these runs was trained on."""
    specs = (run.info.get("arguments", {}).get("images", "") for run in runs.values())
    return next((spec.partition(",split=")[0] for spec in specs if spec), "shapes")


def _diagnose(runs: list[Run], spec: str, fit_spec: str | None, group: str, *, every: bool = False) -> None:
    """Embeds and diagnoses one question after another, while the page shows what is there; a sentence where it cannot."""
    given: list[tuple[Images, Images | None]] = []
    problems: list[str] = []
    questions = [(run, entry) for run in runs for entry in _entries(every)]

    def load() -> str:
        for run in runs:
            run.check_writable()
        size = largest_image_size(runs)
        everything, own_fit = load_images(spec, size), load_images(fit_spec, size) if fit_spec else None
        everything, own_fit = kept_together(everything, own_fit, group)
        given.append((everything, own_fit) if own_fit is not None else scored_and_fit(everything))
        return "  \n".join(inspect_images(everything, own_fit).lines)

    def ask(run: Run, entry: Entry) -> None:
        (images, fit) = given[0]
        try:  # one question that cannot be asked must not cost the others; its page says why
            diagnose(run, images, fit=fit, only=[entry.name], every=every)
        except ValueError as error:
            problems.append(str(error))
            if len(problems) == len(questions):
                raise ValueError(problems[0]) from error

    asked = [Task(f"{run.name}: {entry.question}", partial(ask, run, entry), needed=True) for run, entry in questions]
    begin([Task(f"Loading {spec}", load, needed=True), *asked])


def _entries(every: bool) -> list[Entry]:
    """What is asked at once: not what takes minutes, which its page offers; of every step only what is followed over training.

    Of pairs nothing is computed here, but what their page shows beside them is embedded.
    """
    if every:
        return [entry for entry in diagnostics() if entry.over_training]
    return [entry for entry in diagnostics() if (entry.by_default and not entry.on_demand) or entry.page_stimuli]
