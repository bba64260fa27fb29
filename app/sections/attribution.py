"""The parts of the attribution page: maps beside what shows whether to believe them, and two pictures patch by patch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from components.charts import chart
from components.html import literal
from components.image_picker import Subjects, images_of
from components.progress import PATIENCE, is_made, made, seconds, worth_it
from components.target_picker import features_of
from state import cached
from state.selection import Choice

from sslviz.data import Images
from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS
from sslviz.explanations.control_maps import model_free_maps
from sslviz.explanations.targets.question import TargetQuestion
from sslviz.figures.explanations.attribution import attribution
from sslviz.figures.explanations.faithfulness import evidence_bars, faithfulness
from sslviz.figures.explanations.pair_explanation import pair_explanation
from sslviz.figures.parts import theme
from sslviz.runs import Checkpoint

QUICK, QUICKEST = "feature_ablation", "input_x_gradient"  # what is shown at first: whole patches, or else gradients
OF_PICTURES = {"luminance", "saturation"}
PAIR_GRID, PAIR_ORDERS = 6, 8
UNMEASURED = "not measured yet whether it beats its controls: do not believe it yet"

Call = tuple[tuple[Any, ...], dict[str, Any]]  # the arguments of `made`: by position, by name


@dataclass(frozen=True, eq=False)
class Job:
    """Maps of one encoder, trained or not, which are read from a run's folder, or computed and stored there.

    - run: the run in whose folder they lie
    - title: what figures call them
    - checkpoint: the encoder
    - target: the number that is explained, of this encoder; None where the method chooses it
    """

    run: str
    title: str
    checkpoint: Checkpoint
    target: Any


def method_title(name: str) -> str:
    """What the box calls a method."""
    return ATTRIBUTION_METHODS[name].title


def quickest(checkpoints: dict[str, Checkpoint], pictures: int) -> str:
    """The method to begin with: whole patches are seen best, where one need not wait for them; else gradients."""
    needed = 2 * sum(seconds([c], pictures * cached.answers_of_map(c, QUICK)) for c in checkpoints.values())
    return QUICK if needed <= PATIENCE else QUICKEST


def jobs(
    choice: Choice, checkpoints: dict[str, Checkpoint], question: TargetQuestion, subjects: Subjects
) -> Iterator[Job]:
    """One for each run, then one for each architecture untrained; a line for a run that has no such number."""
    first: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        if job := _job(choice, name, name, checkpoint, question, subjects):
            first.setdefault(architecture(checkpoint), name)
            yield job
    for name in first.values():
        title = f"untrained {checkpoints[name].config['name']}"
        title += f" like {name}" if sum(checkpoints[n].config["name"] in title for n in first.values()) > 1 else ""
        if job := _job(choice, name, title, checkpoints[name].untrained(), question, subjects):
            yield job


def architecture(checkpoint: Checkpoint) -> str:
    """Encoders of which this is the same are the same one untrained."""
    return json.dumps(dict(checkpoint.config), sort_keys=True)


def _job(
    choice: Choice, run: str, title: str, checkpoint: Checkpoint, question: TargetQuestion, subjects: Subjects
) -> Job | None:
    features = features_of(choice, run, untrained=checkpoint.path is None)
    try:
        target = cached.target(question, subjects.rows, *features)
    except ValueError as error:
        st.caption(f":material/block: {literal(title)}: {literal(str(error))}")
        return None
    return Job(run, title, checkpoint, target)


def maps_of(choice: Choice, jobs: list[Job], images: Images, method: str) -> dict[str, Any]:
    """{title: Attribution}, computed if that is quick or the button is pressed; a line for an encoder without maps."""
    from sslviz.explanations.attribution.attribution import attribute

    calls: dict[str, Call] = {
        job.title: ((choice.runs[job.run], attribute, job.checkpoint, images), {"target": job.target, "method": method})
        for job in jobs
    }
    missing = [job.checkpoint for job in jobs if not _is_made(calls[job.title])]
    needed = sum(
        seconds([checkpoint], len(images) * cached.answers_of_map(checkpoint, method)) for checkpoint in missing
    )
    if missing and not worth_it(needed, "Make the maps", "make_maps"):
        return {}
    maps = {}
    for title, call in calls.items():
        try:
            maps[title] = _made(call, f"{method_title(method)}: {literal(title)}")
        except ValueError as error:
            st.caption(f":material/block: {literal(title)}: {literal(str(error))}")
    return maps


def maps_with_evidence(
    choice: Choice, jobs: list[Job], maps: dict[str, Any], images: Images, outline: str | None
) -> None:
    """The maps, each with its score, its best control and the encoder untrained; measured below, if that is quick."""
    trained = [job for job in jobs if job.checkpoint.path is not None and job.title in maps]
    if not trained:
        return
    calls = {job.title: _faithfulness_call(choice, job, jobs, maps, images) for job in trained}
    missing = [job for job in trained if not _is_made(calls[job.title])]
    results = {} if missing else {title: _made(call, "Reading") for title, call in calls.items()}
    shown = {job.title: maps[job.title] for job in jobs if job.title in maps}
    fig = attribution(
        shown,
        colors=dict.fromkeys(shown, theme.CONTROL) | choice.colors,
        evidence=results or dict.fromkeys([job.title for job in trained], UNMEASURED),
        outline=outline,
        control_maps=_best_controls(results, images),
    )
    chart(fig, choice, "attribution")
    if missing:
        _measure(missing, calls, images)
        return
    st.subheader("Are these maps true?", anchor=False)
    chart(faithfulness(results, colors=choice.colors), choice, "faithfulness")
    with st.expander("All measures beside their controls", icon=":material/align_horizontal_left:"):
        chart(evidence_bars(results, colors=choice.colors), choice, "evidence")


def _measure(missing: list[Job], calls: dict[str, Call], images: Images) -> None:
    """Measures what is missing, if that is quick or the button is pressed, and draws the page again."""
    checkpoints = [job.checkpoint for job in missing]
    needed = sum(seconds([one], len(images) * cached.answers_of_evidence(one)) for one in checkpoints)
    if worth_it(needed, "Measure whether these maps are true", "measure"):
        for job in missing:
            _made(calls[job.title], f"Is it true? Taking pixels away from {literal(job.title)}")
        st.rerun()


def _faithfulness_call(choice: Choice, job: Job, jobs: list[Job], maps: dict[str, Any], images: Images) -> Call:
    """How the maps of this run are measured: on the number explained, or else on likeness to the whole image."""
    from sslviz.explanations.faithfulness.faithfulness import faithfulness as measure

    same = architecture(job.checkpoint)
    untrained = [j.title for j in jobs if j.checkpoint.path is None and architecture(j.checkpoint) == same]
    control_maps = {"untrained": maps[untrained[0]]} if untrained and untrained[0] in maps else {}
    given = (choice.runs[job.run], measure, maps[job.title], job.checkpoint, images)
    return given, {"target": job.target or "cosine", "control_maps": control_maps}


def _best_controls(results: dict[str, Any], images: Images) -> dict[str, np.ndarray]:
    """The maps no model made that do best for any of these runs; edges are drawn anyway."""
    model_free = model_free_maps(images)
    best = {result.best("insertion", among=list(model_free)) for result in results.values()} - {"edge"}
    return {f"{name} of the picture" if name in OF_PICTURES else name: model_free[name] for name in sorted(best)}


@st.fragment
def pair(choice: Choice, checkpoints: dict[str, Checkpoint], subjects: Subjects) -> None:
    """Two pictures, patch by patch."""
    text = "Why are these two near each other?"
    with st.expander(text, icon=":material/link:", key="pair_open", on_change="rerun") as box:
        if not box.open or not checkpoints:
            return
        try:  # whatever is raised in a fragment would be shown with its stack
            _pair(choice, checkpoints, subjects)
        except (ValueError, OSError) as error:
            st.error(literal(str(error)), icon=":material/error:")


def _pair(choice: Choice, checkpoints: dict[str, Checkpoint], subjects: Subjects) -> None:
    """Draws the boxes in which two pictures are chosen, and what every patch adds to their likeness."""
    from sslviz.explanations.attribution.pairs import explain_pair

    images = images_of(choice, _pair_and_others(choice, next(iter(checkpoints)), subjects))
    pictures = [images.rows(np.array([row])) for row in (0, 1)]
    others = images.rows(np.arange(2, len(images))) if len(images) > 2 else None
    options = {"grid": PAIR_GRID, "orders": PAIR_ORDERS, "others": others}
    calls: dict[str, Call] = {
        name: ((choice.runs[name], explain_pair, checkpoint, *pictures), options)
        for name, checkpoint in checkpoints.items()
    }
    missing = [checkpoints[name] for name, call in calls.items() if not _is_made(call)]
    needed = seconds(missing, 4 * PAIR_ORDERS * PAIR_GRID**2)
    if missing and not worth_it(needed, "Explain these two", "explain_pair"):
        return
    results = {name: _made(call, f"Uncovering patches for {literal(name)}") for name, call in calls.items()}
    chart(pair_explanation(results, colors=choice.colors), choice, "pair")


def _pair_and_others(choice: Choice, name: str, subjects: Subjects) -> np.ndarray:
    """Draws the two boxes; returns the rows of both pictures, and behind them those of the other subjects."""
    evidence = choice.evidence[name]
    ids = list(evidence.features.ids)
    with st.container(horizontal=True):
        a = st.selectbox("This picture", [ids[row] for row in subjects.rows], key="pair_a", width=200)
        near = list(cached.nearest(evidence, a, 12)[0])
        others = [ids[row] for row in subjects.rows if ids[row] not in (a, *near)]
        nearest_first = f"The nearest in {name} first."
        b = st.selectbox("and this one", [*near, *others], key="pair_b", width=200, help=nearest_first)
    rows = [ids.index(a), ids.index(b)]
    return np.array([*rows, *np.setdiff1d(subjects.rows, rows)])


def _made(call: Call, text: str) -> Any:
    given, options = call
    return made(*given, **options, text=text)


def _is_made(call: Call) -> bool:
    given, options = call
    return is_made(*given, **options)
