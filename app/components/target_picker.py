"""The boxes in which the number to explain is chosen."""

from __future__ import annotations

import numpy as np
import streamlit as st
from components.image_picker import OTHERS, Subjects, groups_of
from state.selection import Choice, labels

from sslviz.explanations.targets.question import TARGET_KINDS, TargetQuestion
from sslviz.features import Features
from sslviz.features.evidence import UNTRAINED

COMPONENTS = 16  # principal components on offer


def possible_kinds(choice: Choice, subjects: Subjects) -> list[str]:
    """The kinds of numbers that can be explained of these images, the one that is explained at first in front."""
    possible = {
        "contrast": len(subjects.pools) > 1,
        "similarity": any(map(len, subjects.pools.values())),
        "readout": bool(labels(choice)),
    }
    return [name for name, kind in TARGET_KINDS.items() if kind.app_words and possible.get(name, True)]


def kind_words(name: str) -> str:
    """What the box calls a kind."""
    return TARGET_KINDS[name].app_words


def question_in_box(choice: Choice, subjects: Subjects, kind: str) -> tuple[TargetQuestion, Subjects]:
    """Draws the boxes for what this kind still needs; returns the question, and the images that it is put to."""
    features = next(iter(choice.evidence.values())).features
    if kind in ("contrast", "similarity"):
        return _of_groups(choice, subjects, kind), subjects
    if kind == "image":
        row = list(features.ids).index(st.selectbox("Near which picture", features.ids, key="near_image"))
        return TargetQuestion(kind, f"near {features.ids[row]}", near=((row,),)), subjects.without(row)
    if kind == "readout":
        return _of_readout(choice, subjects, features), subjects
    if kind in ("component", "unit"):
        dimensions = min(evidence.features.x.shape[1] for evidence in choice.evidence.values())
        most = min(COMPONENTS, dimensions, len(features) - 1) if kind == "component" else dimensions
        return TargetQuestion(kind, number=int(st.number_input("Number", 0, most - 1, key=f"{kind}_number"))), subjects
    return TargetQuestion(kind), subjects


def _of_readout(choice: Choice, subjects: Subjects, features: Features) -> TargetQuestion:
    """The logit of each image's own class of a column, or that of one class for all images."""
    columns = labels(choice)
    column = st.segmented_control(
        "Decision about", columns, default=columns[0], required=True, key="decision", bind="query-params"
    )
    values = features.table[column].astype(str).to_numpy()
    own = f"its own {column}"
    answer = st.selectbox(f"That it is {column}", [own, *np.unique(values)], key="decided", bind="query-params")
    classes = tuple(values[subjects.rows]) if answer == own else (answer,) * len(subjects.rows)
    return TargetQuestion("readout", column=column, classes=classes)


def _of_groups(choice: Choice, subjects: Subjects, kind: str) -> TargetQuestion:
    """Near an image's own group; for a contrast also not near the others, or not near one group that is chosen."""
    pools = {name: tuple(map(int, rows)) for name, rows in subjects.pools.items()}
    near = tuple(pools[group] for group in subjects.groups)
    names = set(subjects.groups)
    own = next(iter(names)) if len(names) == 1 else f"its own {subjects.of}"
    if kind == "similarity":
        return TargetQuestion(kind, f"similarity to the mean of {own or 'all'}", near=near)
    groups = {name: rows for name, rows in groups_of(choice).items() if name not in names}
    against = st.selectbox("And not near", [OTHERS, *groups], key="against", bind="query-params")
    if against != OTHERS:
        far = tuple(tuple(sorted(set(map(int, groups[against])) - set(group))) for group in near)
    else:
        rest = {name: sum((rows for other, rows in pools.items() if other != name), ()) for name in names}
        far = tuple(rest[group] for group in subjects.groups)
    return TargetQuestion(kind, f"near {own} and not {against}", near=near, far=far)


def features_of(choice: Choice, name: str, *, untrained: bool) -> tuple[Features, Features | None]:
    """The features of all images by one run's encoder, and those to fit readouts on; or those of it untrained."""
    evidence = choice.evidence[name]
    return evidence.control_features()[UNTRAINED] if untrained else (evidence.features, evidence.fit)
