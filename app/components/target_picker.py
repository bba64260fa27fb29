"""What can be asked of these images?  The boxes in which it is said."""

from __future__ import annotations

import numpy as np
import streamlit as st
from components.image_picker import OTHERS, Subjects, groups_of
from state.explanation_target import KINDS, Asked
from state.selection import Choice, labels

from sslviz.features import Features
from sslviz.features.evidence import UNTRAINED

COMPONENTS = 16  # principal components one can ask about


def kinds(choice: Choice, subjects: Subjects) -> list[str]:
    """What can be asked of these images; first what is asked of them unless something else is wanted."""
    grouped = len(subjects.pools) > 1
    possible = {"contrast": grouped, "group": any(map(len, subjects.pools.values())), "decision": bool(labels(choice))}
    return [kind for kind in KINDS if possible.get(kind, True)]


def details(choice: Choice, subjects: Subjects, kind: str) -> tuple[Asked, Subjects]:
    """Draws the box for what is still open, and returns what is asked, of which images."""
    features = next(iter(choice.evidence.values())).features
    if kind in ("contrast", "group"):
        return _of_groups(choice, subjects, kind), subjects
    if kind == "image":
        row = list(features.ids).index(st.selectbox("Near which picture", features.ids, key="near_image"))
        left = subjects.without(row)
        return Asked(kind, f"near {features.ids[row]}", rows=(row,)), left
    if kind == "decision":
        column = st.segmented_control("Decision about", labels(choice), default=labels(choice)[0], required=True,
                                      key="decision", bind="query-params")  # fmt: skip
        values = features.table[column].astype(str).to_numpy()
        own = f"its own {column}"
        said = st.selectbox(f"That it is {column}", [own, *np.unique(values)], key="decided", bind="query-params")
        classes = tuple(values[subjects.rows]) if said == own else (said,) * len(subjects.rows)
        return Asked(kind, column=column, classes=classes), subjects
    if kind in ("component", "unit"):
        dimensions = min(one.features.x.shape[1] for one in choice.evidence.values())
        most = min(COMPONENTS, dimensions, len(features) - 1) if kind == "component" else dimensions
        return Asked(kind, number=int(st.number_input("Number", 0, most - 1, key=f"{kind}_number"))), subjects
    return Asked(kind), subjects


def _of_groups(choice: Choice, subjects: Subjects, kind: str) -> Asked:
    """Near its own group; and if it is to be a contrast, not the others, or not one of them that was chosen."""
    pools = {name: tuple(map(int, rows)) for name, rows in subjects.pools.items()}
    near = tuple(pools[group] for group in subjects.groups)
    single = set(subjects.groups)
    own = next(iter(single)) if len(single) == 1 else f"its own {subjects.of}"
    if kind == "group":
        return Asked(kind, f"similarity to the mean of {own or 'all'}", near=near)
    groups = {name: rows for name, rows in groups_of(choice).items() if name not in single}
    against = st.selectbox("And not near", [OTHERS, *groups], key="against", bind="query-params")
    if against != OTHERS:
        far = tuple(tuple(sorted(set(map(int, groups[against])) - set(mine))) for mine in near)
    else:
        rest = {name: sum((rows for other, rows in pools.items() if other != name), ()) for name in single}
        far = tuple(rest[group] for group in subjects.groups)
    return Asked(kind, f"near {own} and not {against}", near=near, far=far)


def evidence_of(choice: Choice, name: str, *, untrained: bool) -> tuple[Features, Features | None]:
    """The features of all images by one run's encoder, and those to fit readouts on; or those of it untrained."""
    evidence = choice.evidence[name]
    return evidence.control_features()[UNTRAINED] if untrained else (evidence.features, evidence.fit)
