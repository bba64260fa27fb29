"""Why does it say that?  Maps beside what shows whether to believe them, and two pictures patch by patch."""

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
from sslviz.explanations.control_maps import control_maps
from sslviz.explanations.targets.question import TargetQuestion
from sslviz.figures.explanations.attribution import attribution
from sslviz.figures.explanations.faithfulness import evidence_bars, faithfulness
from sslviz.figures.explanations.pairs import explained_pair
from sslviz.figures.parts import theme
from sslviz.runs import Checkpoint

# How each method is called, and about how many answers of the encoder it takes for one picture, the second way it is
# made in included (a gradient counts as two more).
METHODS = {
    "input_x_gradient": ("Input x gradient", 6),
    "saliency": ("Saliency", 6),
    "smoothgrad": ("SmoothGrad", 100),
    "integrated_gradients": ("Integrated gradients", 300),
    "grad_cam": ("Grad-CAM", 6),
    "layer_cam": ("LayerCAM", 6),
    "occlusion": ("Occlusion", 500),
    "feature_ablation": ("Feature ablation", 140),
    "relax": ("RELAX", 1000),
    "kernel_shap": ("KernelShap", 1100),
}
TRUTH = 600  # answers for one picture that measuring a map takes
OF_PICTURES = {"luminance", "saturation"}
PAIR_GRID, PAIR_ORDERS = 6, 8
UNMEASURED = "not measured yet whether it beats its controls: do not believe it yet"


@dataclass(frozen=True, eq=False)
class Job:
    """Maps of one encoder, trained or not, to be read from a run's folder or made and kept there."""

    run: str
    title: str
    checkpoint: Checkpoint
    target: Any


def quickest(checkpoints: dict[str, Checkpoint], pictures: int) -> str:
    """The method to begin with: whole patches are seen best, where one need not wait for them; else gradients."""
    plain = "feature_ablation"
    needed = seconds(2 * list(checkpoints.values()), pictures * METHODS[plain][1])
    return plain if needed <= PATIENCE else next(iter(METHODS))


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
    try:
        target = cached.target(question, subjects.rows, *features_of(choice, run, untrained=checkpoint.path is None))
    except ValueError as error:
        st.caption(f":material/block: {literal(title)}: {literal(str(error))}")
        return None
    return Job(run, title, checkpoint, target)


def maps_of(choice: Choice, asked: list[Job], images: Images, method: str) -> dict[str, Any]:
    """{title: maps}, made if need be and if it is quick or wished for; a line for an encoder of which there are none."""
    from sslviz.explanations.attribution.attribution import attribute

    given = {job.title: (choice.runs[job.run], attribute, job.checkpoint, images) for job in asked}
    options = {job.title: {"target": job.target, "method": method} for job in asked}
    missing = [job.checkpoint for job in asked if not is_made(*given[job.title], **options[job.title])]
    name, answers = METHODS[method]
    if missing and not worth_it(seconds(missing, len(images) * answers), "Make the maps", "make_maps"):
        return {}
    found = {}
    for job in asked:
        try:
            found[job.title] = made(*given[job.title], **options[job.title], text=f"{name}: {literal(job.title)}")
        except ValueError as error:
            st.caption(f":material/block: {literal(job.title)}: {literal(str(error))}")
    return found


def beside_evidence(
    choice: Choice, asked: list[Job], maps: dict[str, Any], images: Images, outline: str | None
) -> None:
    """The maps, each beside its score, its best control and the encoder untrained; measured below, if that is quick."""
    trained = [job for job in asked if job.checkpoint.path is not None and job.title in maps]
    if not trained:
        return
    given = {job.title: _measuring(choice, job, asked, maps, images) for job in trained}
    missing = [job for job in trained if not is_made(*given[job.title][0], **given[job.title][1])]
    truths = {} if missing else {name: made(*one, **options, text="Reading") for name, (one, options) in given.items()}
    shown = {job.title: maps[job.title] for job in asked if job.title in maps}
    colors = dict.fromkeys(shown, theme.CONTROL) | choice.colors
    evidence = truths or dict.fromkeys([job.title for job in trained], UNMEASURED)
    controls = _best_controls(truths, images)
    fig = attribution(shown, colors=colors, evidence=evidence, outline=outline, controls=controls)
    chart(fig, choice, "attribution")
    if missing:
        needed = seconds([job.checkpoint for job in missing], TRUTH * len(images))
        if worth_it(needed, "Measure whether these maps are true", "measure"):
            for job in missing:
                one, options = given[job.title]
                made(*one, **options, text=f"Is it true? Taking pixels away from {literal(job.title)}")
            st.rerun()
        return
    st.subheader("Are these maps true?", anchor=False)
    chart(faithfulness(truths, colors=choice.colors), choice, "faithfulness")
    with st.expander("All measures beside their controls", icon=":material/align_horizontal_left:"):
        chart(evidence_bars(truths, colors=choice.colors), choice, "evidence")


def _measuring(
    choice: Choice, job: Job, asked: list[Job], maps: dict[str, Any], images: Images
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `made` is to be given to measure the maps of this run: on the number explained, or on likeness to itself."""
    from sslviz.explanations.faithfulness.faithfulness import faithfulness as measure

    same = architecture(job.checkpoint)
    untrained = [j.title for j in asked if j.checkpoint.path is None and architecture(j.checkpoint) == same]
    controls = {"untrained": maps[untrained[0]]} if untrained and untrained[0] in maps else {}
    given = (choice.runs[job.run], measure, maps[job.title], job.checkpoint, images)
    return given, {"target": job.target or "cosine", "controls": controls}


def _best_controls(truths: dict[str, Any], images: Images) -> dict[str, np.ndarray]:
    """The maps no model made that do best for any of these runs; edges are drawn anyway."""
    free = control_maps(images)
    best = {truth.best("insertion", among=list(free)) for truth in truths.values()} - {"edge"}
    return {f"{name} of the picture" if name in OF_PICTURES else name: free[name] for name in sorted(best)}


@st.fragment
def pair(choice: Choice, checkpoints: dict[str, Checkpoint], subjects: Subjects) -> None:
    """Two pictures, patch by patch."""
    text = "Why are these two near each other?"
    with st.expander(text, icon=":material/link:", key="pair_open", on_change="rerun") as box:
        if not box.open or not checkpoints:
            return
        from sslviz.explanations.attribution.pairs import explain_pair

        features = choice.evidence[next(iter(checkpoints))].features
        ids = list(features.ids)
        with st.container(horizontal=True):
            a = st.selectbox("This picture", [ids[row] for row in subjects.rows], key="pair_a", width=200)
            near = list(cached.nearest(choice.evidence[next(iter(checkpoints))], a, 12)[0])
            others = [ids[row] for row in subjects.rows if ids[row] not in (a, *near)]
            b = st.selectbox("and this one", [*near, *others], key="pair_b", width=200,
                             help=f"The nearest in {next(iter(checkpoints))} first.")  # fmt: skip
        rows = [ids.index(a), ids.index(b)]
        rest = np.setdiff1d(subjects.rows, rows)
        images = images_of(choice, np.array([*rows, *rest]))
        pictures = [images.rows(np.array([0])), images.rows(np.array([1]))]
        options = {"grid": PAIR_GRID, "orders": PAIR_ORDERS,
                   "others": images.rows(np.arange(2, len(images))) if len(rest) else None}  # fmt: skip
        given = {n: (choice.runs[n], explain_pair, c, *pictures) for n, c in checkpoints.items()}
        missing = [c for n, c in checkpoints.items() if not is_made(*given[n], **options)]
        needed = seconds(missing, 4 * PAIR_ORDERS * PAIR_GRID**2)
        if missing and not worth_it(needed, "Explain these two", "explain_pair"):
            return
        found = {n: made(*one, **options, text=f"Uncovering patches for {literal(n)}") for n, one in given.items()}
        chart(explained_pair(found, colors=choice.colors), choice, "pair")
