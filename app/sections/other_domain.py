"""Images of another domain: named in a box, which the URL keeps, and diagnosed here; and the pixels of the ones chosen."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from components import work
from components.diagnose_button import known
from components.html import literal
from components.image_picker import NEAR_HAND, loaded
from state import cached
from state.selection import Choice

from sslviz.catalog import diagnostics
from sslviz.data import Images
from sslviz.data.sources.timm_datasets import PACKAGES
from sslviz.evaluation.diagnose import diagnose
from sslviz.evaluation.grouping import kept_together
from sslviz.runs import Run, largest_image_size

EXAMPLE = "shapes:n=2000,style=night"


def target_box(choice: Choice, label: str) -> None:
    """A box for the images of another domain, and a button that diagnoses there where some run was not."""
    before = next((one["target_spec"] for one in _recorded(choice).values()), "")
    spec = st.text_input(
        "Images of the other domain",
        before,
        key="target",
        bind="query-params",
        placeholder=f"{EXAMPLE} or folder:PATH",
        help="Pictures with the same labels that come from elsewhere, as `sslviz diagnose --target` takes them.",
    ).strip()
    if not spec:
        st.caption(
            "Name pictures with the same labels that come from elsewhere: another camera, another year, another style "
            f"(such as `{EXAMPLE}`). What a readout loses there, and what wins it back, is then asked."
        )
        return
    try:
        target = named(choice, spec)
    except (ValueError, OSError) as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    waiting = [name for name, one in _all_recorded(choice).items() if one.get("target") != target.digest]
    if waiting and not work.busy():
        _offer(choice, waiting, target, label)


def named(choice: Choice, spec: str) -> Images:
    """The images that are scored of what this text means; ValueError, in a sentence, where that is nothing."""
    if spec.partition("/")[0].lower() in PACKAGES and not spec.startswith(NEAR_HAND):
        raise ValueError(
            f"{spec} may ask the network, so it is not loaded from here; name it by `sslviz diagnose --target`."
        )
    return cached.target_images(spec, largest_image_size(list(choice.runs.values())))


def diagnosed_there(choice: Choice) -> Images | None:
    """The images of the other domain that the box names, once every chosen run was diagnosed there; else None."""
    spec = str(st.session_state.get("target", "")).strip()
    if not spec:
        return None
    try:
        target = named(choice, spec)
    except (ValueError, OSError):
        return None
    there = all(one.get("target") == target.digest for one in _all_recorded(choice).values())
    return target if there else None


def scored_images(choice: Choice) -> tuple[Images, Images | None]:
    """The pictures that were diagnosed, and those that probes were fitted on; ValueError where they cannot be loaded."""
    made_of = known(choice)
    if made_of is None:
        raise ValueError("The images cannot be loaded again from here, and this takes their pixels.")
    images = loaded(made_of["spec"], choice.digest or "")
    if made_of.get("fit") and not made_of.get("fit_spec"):
        raise ValueError("The images that probes were fitted on cannot be loaded again from here.")
    fit = loaded(made_of["fit_spec"], made_of["fit"]) if made_of.get("fit") else None
    return kept_together(images, fit, made_of.get("group", ""))


def _all_recorded(choice: Choice) -> dict[str, dict[str, Any]]:
    """{run: what is known of its diagnosis on the chosen images}."""
    return {name: choice.runs[name].info.get("diagnosed", {}).get(choice.digest, {}) for name in choice.evidence}


def _recorded(choice: Choice) -> dict[str, dict[str, Any]]:
    """The same of the runs that were diagnosed in another domain."""
    return {name: one for name, one in _all_recorded(choice).items() if one.get("target_spec")}


def _offer(choice: Choice, names: list[str], target: Images, label: str) -> None:
    said = ", ".join(f"**{literal(name)}**" for name in names)
    asked = [entry for entry in diagnostics() if entry.needs_target]
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(f"Not diagnosed there yet: {said}, on {len(target):,} pictures of {literal(target.spec)}.")
        pressed = st.button("Diagnose there", type="primary", icon=":material/stethoscope:")
    for words in (f"{name}: {entry.question}" for name in names for entry in asked):
        if failed := work.why_not(words):
            st.caption(f":material/block: {literal(failed)}")
    if not pressed:
        return
    try:
        images, fit = scored_images(choice)
        for name in names:
            choice.runs[name].check_writable()
    except (ValueError, OSError) as error:
        st.caption(f":material/block: {literal(str(error))}")
        return
    work.begin(
        [
            work.Task(
                f"{name}: {entry.question}", partial(_ask, choice.runs[name], entry.name, images, fit, target, label)
            )
            for name in names
            for entry in asked
        ]
    )


def _ask(run: Run, entry: str, images: Images, fit: Images | None, target: Images, label: str) -> None:
    diagnose(run, images, fit=fit, target=target, only=[entry], label=label or None)
