"""The parts of the attention page: maps over pictures, heads, one patch, registers, and grids without attention."""

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
from sslviz.figures.explanations.attention import attention
from sslviz.figures.explanations.attention_maps import head_maps, map_grid, query_view
from sslviz.figures.explanations.head_table import head_table
from sslviz.figures.parts.saliency_sheet import MOST
from sslviz.runs import Checkpoint

ROWS = 6  # pictures, one below the other
ROLLOUT, LAST = "all layers (rollout)", "the last layer"
MEASURE_TITLES = {
    "distance": "reach",
    "entropy": "spread",
    "homogeneity": "likeness of queries",
    "nmi": "dependence on the query",
    "redundancy": "likeness of heads",
}
GRID_TITLES = {"activation_energy": "Activation energy", "eigen_cam": "Main component (EigenCAM)"}
GRID_WORDS = {
    "activation_energy": "How strongly each place of the last grid answers",
    "eigen_cam": "The first principal component of the last grid (EigenCAM)",
}
FIELD = "effective_receptive_field"
CAVEAT = "What a layer reads from is not yet what the features depend on."


def attentions(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> tuple[dict[str, Any], list[str]]:
    """{run: Attention} of the transformers, and the others' names; a line says why these have none."""
    from sslviz.explanations.attention.attention import attention as compute

    results: dict[str, Any] = {}
    others: dict[str, list[str]] = {}
    for name, checkpoint in checkpoints.items():
        reason = cached.no_attention(checkpoint)
        try:
            if not reason:
                text = f"Looking with {literal(name)}"
                results[name] = made(choice.runs[name], compute, checkpoint, images, text=text)
        except ValueError as error:
            reason = str(error)
        if reason:
            others.setdefault(reason.partition("; take")[0], []).append(name)
    for reason, names in others.items():
        st.caption(f":material/info: {literal(', '.join(names))}: {literal(reason)}. Below is where the grid answers.")
    return results, [name for names in others.values() for name in names]


def layer_options(results: dict[str, Any]) -> list[str]:
    """The layers that can be chosen, all of them together first."""
    most = max((len(result.layers) for result in results.values()), default=0)
    return [ROLLOUT, LAST, *(f"layer {i + 1}" for i in range(most - 1))]


def in_layer(results: dict[str, Any], checkpoints: dict[str, Checkpoint], images: Images, layer: str) -> dict[str, Any]:
    """The same results with the maps of another layer; of an encoder with fewer layers, its last."""
    if layer in (ROLLOUT, LAST):
        return results
    number = int(layer.split()[1]) - 1
    shown = {}
    for name, result in results.items():
        if number < len(result.layers) - 1:
            maps = cached.of_heads(checkpoints[name], images, number)
            result = replace(result, maps=maps, layer=result.layers[number])
        shown[name] = result
    return shown


def grid_of_maps(choice: Choice, results: dict[str, Any], images: Images, layer: str) -> None:
    """Pictures by checkpoints, at one scale."""
    kind = "rollout" if layer == ROLLOUT else "maps"
    rows = spread_rows(len(images), max(1, min(ROWS, MOST // (2 + 2 * len(results)))), nearest=True)
    chart(map_grid(results, images, kind=kind, rows=rows), choice, "attention_grid", caveat=CAVEAT)


def heads(choice: Choice, results: dict[str, Any]) -> None:
    """How far, how widely and how alike the heads of each layer look."""
    st.subheader("How far and how widely do its heads look?", anchor=False)
    measure = _segments("Measure", MEASURE_TITLES, "distance", "attention_measure")
    chart(attention(results, measure=measure, colors=choice.colors), choice, "attention_heads")
    chart(head_table(results, measure=measure, colors=choice.colors), choice, "attention_table", caveat=None)
    for name, result in results.items():
        st.html(f"{dot(choice.colors[name])}<b>Does {escape(name)} need registers?</b> {escape(result.advice())}")


@st.fragment
def one_picture(choice: Choice, results: dict[str, Any], checkpoints: dict[str, Checkpoint], images: Images) -> None:
    """All heads of a layer over one picture; and what the patch that was clicked looks at."""
    st.subheader("What does each head look at, and each patch?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Run", list(results), key="heads_of", bind="query-params", width=220)
        row = list(images.ids).index(st.selectbox("Picture", images.ids, key="heads_on", width=220))
    result = results[name]
    chart(head_maps(result, images, row=row), choice, "attention_head_maps", caveat=None)
    key, layer = f"patch {name} {images.ids[row]} {result.layer}", result.layers.index(result.layer)
    picture, checkpoint = images.rows(np.array([row])), checkpoints[name]
    maps = cached.queries(checkpoint, picture, layer)[0]
    control = cached.queries(checkpoint.untrained(), picture, layer)[0]
    rows, columns = maps.shape[2:]
    patch = min(st.session_state.get("patch", rows // 2 * columns + columns // 2), rows * columns - 1)
    fig = query_view(maps, picture.pixels[0], patch=patch, control=control, id=str(images.ids[row]))
    chart(fig, choice, key, on_select=lambda: _clicked(key), selection_mode="points")


def _segments(label: str, titles: dict[str, str], default: str, key: str) -> str:
    """Draws the options side by side, by their titles; returns the one that is chosen."""
    return st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        default=default,
        required=True,
        key=key,
        bind="query-params",
    )


def _clicked(key: str) -> None:
    """Copies the patch that was clicked to the session."""
    points = st.session_state[key]["selection"]["points"]
    if points:
        st.session_state["patch"] = int(points[0]["customdata"][1])


def grids(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> None:
    """Where the last grid of each of these answers, beside that of the encoder untrained."""
    st.subheader("Where does its grid answer?", anchor=False)
    kind = _segments("Read as", GRID_TITLES, "activation_energy", "grid")
    rows = spread_rows(len(images), max(1, min(ROWS, MOST // (2 + 2 * len(checkpoints)))), nearest=True)
    shown = images.rows(rows)
    maps, control_maps = _with_controls(checkpoints, shown, kind)
    if maps:
        fig = activation(maps, shown, control_maps=control_maps, what=GRID_WORDS[kind], colors=choice.colors)
        chart(fig, choice, "grids")
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
            title = f"untrained {checkpoint.config['name']}"
            title += f" {checkpoint.config['image_size']} px" if title in controls else ""
            controls[title] = checkpoint.config, cached.grid(checkpoint.untrained(), images, kind)
    control_maps = {title: grid for title, (_, grid) in controls.items()}
    return maps, control_maps if len(control_maps) != 1 else {"untrained": next(iter(control_maps.values()))}


def _fields(choice: Choice, checkpoints: dict[str, Checkpoint], images: Images) -> None:
    from sslviz.explanations.attention.activation import receptive_radius

    fields, control_fields = _with_controls(checkpoints, images, FIELD)
    subtitles = {
        name: f"radius {receptive_radius(field):.1f} of {field.shape[-1]} px"
        for name, field in (fields | control_fields).items()
    }
    mean = Images(images.pixels.mean(0).astype(np.uint8)[None], np.array(["mean"]), pd.DataFrame(index=[0]))
    maps, control_maps = (
        {name: field.mean(0)[None] for name, field in each.items()} for each in (fields, control_fields)
    )
    what = f"From where the middle of the last grid draws, mean of {len(images)} pictures"
    fig = activation(maps, mean, control_maps=control_maps, what=what, subtitles=subtitles, colors=choice.colors)
    chart(fig, choice, "fields", caveat="The radius is that of the round Gaussian that fits best.")
