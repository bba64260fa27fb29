"""What the methods that make pictures make of what they were not shown, and how true that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st
from components import checkpoint_picker
from components.charts import chart
from components.html import literal
from components.image_picker import images_of, pick
from components.progress import is_made, made, readable, seconds, worth_it
from state.selection import Choice

from sslviz.catalog import find_entry
from sslviz.figures import score_bars

PICTURES = 8  # the fewest of which an interval is given
PASSES = 6  # of the encoder that a picture costs: with the decoder, and untrained


def show(choice: Choice) -> None:
    """The question of the catalog, its pictures and its scores; nothing where no chosen run makes pictures."""
    able = {name: evidence for name, evidence in choice.evidence.items() if _makes_pictures(choice, name)}
    if not able:
        return
    st.subheader(find_entry("reconstruct").question, anchor=False)
    try:
        _reconstructions(replace(choice, evidence=able))
    except (ValueError, OSError) as error:  # this page is shown whether or not there are images to look at
        st.error(literal(str(error)), icon=":material/error:")


def _makes_pictures(choice: Choice, name: str) -> bool:
    head = choice.runs[name].last.head
    if head is None:
        return False
    from sslviz.explanations.reconstruction import methods_with_pictures

    return head["method"] in methods_with_pictures()


def _reconstructions(choice: Choice) -> None:
    from sslviz.explanations.reconstruction import reconstruct

    with st.container(horizontal=True, vertical_alignment="bottom"):
        subjects = pick(choice, PICTURES)
        choice, picked = checkpoint_picker.checkpoints(choice)
    checkpoint_picker.earlier(choice, picked)
    checkpoints, images = readable(picked), images_of(choice, subjects.rows)
    missing = [one for name, one in checkpoints.items() if not is_made(choice.runs[name], reconstruct, one, images)]
    if missing and not worth_it(seconds(missing, PASSES * len(images)), "Make the pictures", "make_pictures"):
        return
    results: dict[str, Any] = {}
    for name, checkpoint in checkpoints.items():
        try:
            text = f"Making pictures with {literal(name)}"
            results[name] = made(choice.runs[name], reconstruct, checkpoint, images, text=text)
        except ValueError as error:
            st.caption(f":material/block: {literal(name)}: {literal(str(error))}")
    if results:
        entry = find_entry("reconstruct")
        chart(entry.figure(results, colors=choice.colors), choice, "reconstruction", caveat=entry.caveat)
        scores = {name: result.scores() for name, result in results.items()}
        chart(score_bars(scores, colors=choice.colors), choice, "reconstruction_scores")
