"""Where does it look?  The parts of the page: pictures and maps, heads, one patch, registers, and grids without attention."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from components.charts import chart
from components.html import dot, literal
from components.progress import made
from state import cached
from state.selection import Choice

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.figures.explanations.activation import activation
from sslviz.figures.explanations.attention import MEASURES, attention, head_table
from sslviz.figures.explanations.attention_maps import head_maps, map_grid, query_view
from sslviz.figures.parts.saliency_sheet import MOST
from sslviz.runs import Checkpoint

ROWS = 6  # pictures, one below the other
ROLLOUT, LAST = "all layers (rollout)", "the last layer"
SAID = {"distance": "reach", "entropy": "spread", "homogeneity": "likeness of queries", "nmi": "dependence on the query",
        "redundancy": "likeness of heads"}  # fmt: skip
GRIDS = {"activation_energy": "Activation energy", "eigen_cam": "Main component (EigenCAM)"}
WHERE = {"activation_energy": "How strongly each place of the last grid answers",
         "eigen_cam": "The first principal component of the last grid (EigenCAM)"}  # fmt: skip
FIELD = "effective_receptive_field"
CAVEAT = "What a layer reads from is not yet what the features depend on."


def attentions(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> tuple[dict[str, Any], list[str]]:
    """{run: Attention} of the transformers, and the others' names; a line says why these have none."""
    from sslviz.explanations.attention.attention import attention as look

    found: dict[str, Any] = {}
    others: dict[str, list[str]] = {}
    for name, checkpoint in checkpoints.items():
        reason = cached.no_attention(checkpoint)
        try:
            if not reason:
                found[name] = made(choice.runs[name], look, checkpoint, images, text=f"Looking with {literal(name)}")
        except ValueError as error:
            reason = str(error)
        if reason:
            others.setdefault(reason.partition("; take")[0], []).append(name)
    for reason, names in others.items():
        st.caption(f":material/info: {literal(', '.join(names))}: {literal(reason)}. Below is where the grid answers.")
    return found, [name for names in others.values() for name in names]


def layers_of(found: dict[str, Any]) -> list[str]:
    """What one can look through, the whole first."""
    most = max((len(one.layers) for one in found.values()), default=0)
    return [ROLLOUT, LAST, *(f"layer {i + 1}" for i in range(most - 1))]


def in_layer(found: dict[str, Any], checkpoints: dict[str, Checkpoint], images: Images, layer: str) -> dict[str, Any]:
    """The same results with the maps of another layer; of an encoder with fewer layers, its last."""
    if layer in (ROLLOUT, LAST):
        return found
    number = int(layer.split()[1]) - 1
    return {
        name: one if number >= len(one.layers) - 1 else replace(
            one, maps=cached.of_heads(checkpoints[name], images, number), layer=one.layers[number]
        )
        for name, one in found.items()
    }  # fmt: skip


def grid_of_maps(choice: Choice, found: dict[str, Any], images: Images, layer: str) -> None:
    """Pictures by checkpoints, at one scale."""
    kind = "rollout" if layer == ROLLOUT else "maps"
    rows = spread_rows(len(images), max(1, min(ROWS, MOST // (2 + 2 * len(found)))), nearest=True)
    chart(map_grid(found, images, kind=kind, rows=rows), choice, "attention_grid", caveat=CAVEAT)


def heads(choice: Choice, found: dict[str, Any]) -> None:
    """How far, how widely and how alike the heads of each layer look."""
    st.subheader("How far and how widely do its heads look?", anchor=False)
    measure = st.segmented_control("Measure", list(MEASURES), format_func=SAID.__getitem__, default="distance",
                                   required=True, key="attention_measure", bind="query-params")  # fmt: skip
    chart(attention(found, measure=measure, colors=choice.colors), choice, "attention_heads")
    chart(head_table(found, measure=measure, colors=choice.colors), choice, "attention_table", caveat=None)
    for name, one in found.items():
        st.html(f"{dot(choice.colors[name])}<b>Does {escape(name)} need registers?</b> {escape(one.advice())}")


@st.fragment
def one_picture(choice: Choice, found: dict[str, Any], checkpoints: dict[str, Checkpoint], images: Images) -> None:
    """All heads of a layer over one picture; and what the patch that was clicked looks at."""
    st.subheader("What does each head look at, and each patch?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Run", list(found), key="heads_of", bind="query-params", width=220)
        row = list(images.ids).index(st.selectbox("Picture", images.ids, key="heads_on", width=220))
    result = found[name]
    chart(head_maps(result, images, row=row), choice, "attention_head_maps", caveat=None)
    key, layer = f"patch {name} {images.ids[row]} {result.layer}", result.layers.index(result.layer)
    one, checkpoint = images.rows(np.array([row])), checkpoints[name]
    maps = cached.queries(checkpoint, one, layer)[0]
    control = cached.queries(checkpoint.untrained(), one, layer)[0]
    rows, columns = maps.shape[2:]
    patch = min(st.session_state.get("patch", rows // 2 * columns + columns // 2), rows * columns - 1)
    fig = query_view(maps, one.pixels[0], patch=patch, control=control, id=str(images.ids[row]))
    chart(fig, choice, key, on_select=lambda: _clicked(key), selection_mode="points")


def _clicked(key: str) -> None:
    """Copies the patch that was clicked to the session."""
    points = st.session_state[key]["selection"]["points"]
    if points:
        st.session_state["patch"] = int(points[0]["customdata"][1])


def grids(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> None:
    """Where the last grid of each of these answers, beside that of the encoder untrained."""
    st.subheader("Where does its grid answer?", anchor=False)
    kind = st.segmented_control("Read as", list(GRIDS), format_func=GRIDS.__getitem__, default="activation_energy",
                                required=True, key="grid", bind="query-params")  # fmt: skip
    rows = spread_rows(len(images), max(1, min(ROWS, MOST // (2 + 2 * len(checkpoints)))), nearest=True)
    shown = images.rows(rows)
    maps, controls = _with_controls(checkpoints, shown, kind)
    if maps:
        chart(activation(maps, shown, controls=controls, what=WHERE[kind], colors=choice.colors), choice, "grids")
    with st.expander("From how far does it draw?", icon=":material/center_focus_strong:", on_change="rerun") as box:
        if box.open and maps:
            _fields(choice, {name: checkpoints[name] for name in maps}, images)


def _with_controls(
    checkpoints: dict[str, Checkpoint], images: Images, kind: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """{run: maps}, and {untrained encoder: maps} once for each architecture; a line for a run without a grid."""
    maps: dict[str, Any] = {}
    controls: dict[str, tuple[Any, Any]] = {}
    for name, checkpoint in checkpoints.items():
        try:
            maps[name] = cached.grid(checkpoint, images, kind)
        except ValueError as error:
            st.caption(f":material/block: {literal(name)}: {literal(str(error))}")
            continue
        if checkpoint.config not in [config for config, _ in controls.values()]:
            called = f"untrained {checkpoint.config['name']}"
            called += f" {checkpoint.config['image_size']} px" if called in controls else ""
            controls[called] = checkpoint.config, cached.grid(checkpoint.untrained(), images, kind)
    made = {name: one for name, (_, one) in controls.items()}
    return maps, made if len(made) != 1 else {"untrained": next(iter(made.values()))}


def _fields(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> None:
    from sslviz.explanations.attention.activation import receptive_radius

    maps, controls = _with_controls(checkpoints, images, FIELD)
    sides = {name: one.shape[-1] for name, one in (maps | controls).items()}
    radius = {name: receptive_radius(one) for name, one in (maps | controls).items()}
    notes = {name: f"radius {radius[name]:.1f} of {sides[name]} px" for name in radius}
    mean = Images(images.pixels.mean(0).astype(np.uint8)[None], np.array(["mean"]), pd.DataFrame(index=[0]))
    means = [{name: one.mean(0)[None] for name, one in each.items()} for each in (maps, controls)]
    what = f"From where the middle of the last grid draws, mean of {len(images)} pictures"
    fig = activation(means[0], mean, controls=means[1], what=what, notes=notes, colors=choice.colors)
    chart(fig, choice, "fields", caveat="The radius is that of the round Gaussian that fits best.")
