"""The kinds of numbers that can be explained, the question that picks one, and the target that it means.

Torch is loaded by `target_of` only, so that the app can draw its boxes without it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features import Features

if TYPE_CHECKING:
    from torch import Tensor

    from sslviz.explanations.targets.targets import Target

Rows = tuple[int, ...]

GROUP = 200  # images that stand for a value of a column
TEXT_KINDS = ("self", "self_cosine", "loss")  # the words of the command line that need nothing else
SYNTAX = (
    "self, self_cosine, loss, unit:N, component:N, similarity:ID (an image) or COLUMN=VALUE (near those images, not the "
    "others)"
)


@dataclass(frozen=True)
class TargetKind:
    """One kind of number that can be explained.

    - needs: the fields of a `TargetQuestion` that must be filled
    - app_words: how the app offers it; empty where it does not
    - python_words: what `attribute` says of its `target` of this name; empty where it has none
    """

    needs: tuple[str, ...] = ()
    app_words: str = ""
    python_words: str = ""


# In the order in which the app offers them; the first that is possible is asked unless another is chosen.
TARGET_KINDS = {
    "contrast": TargetKind(
        ("near", "far"),
        "why near these and not those",
        "reference: two groups of images, near the first and not the second",
    ),
    "similarity": TargetKind(
        ("near",), "what it shares with its group", "reference: the images whose mean it is compared with"
    ),
    "image": TargetKind(("near",), "why near one picture"),
    "paired_reference": TargetKind(("near",), "", "reference: one image for each"),
    "readout": TargetKind(("column", "classes"), "what a decision is based on"),
    "itself": TargetKind((), "what makes it what it is"),
    "self": TargetKind((), "", "the image itself, by dot product"),
    "self_cosine": TargetKind((), "", "the image itself, by cosine"),
    "component": TargetKind(("number",), "what a main direction answers to"),
    "unit": TargetKind(("number",), "what one dimension answers to"),
    "loss": TargetKind((), "", "its own views, against those of the others"),
}


@dataclass(frozen=True)
class TargetQuestion:
    """Which number is explained: one of TARGET_KINDS and what it needs.

    - kind: a key of TARGET_KINDS; "itself" leaves the choice to the attribution method
    - words: the number in a title; empty where the target has words of its own
    - near: for each image explained, the rows of the images that it is compared with; one entry serves all images
    - far: for each image explained, the rows of the images that it is set against
    - column: the label whose readout is explained
    - classes: for each image explained, the class whose logit is meant
    - number: of the unit or of the principal component
    """

    kind: str
    words: str = ""
    near: tuple[Rows, ...] = ()
    far: tuple[Rows, ...] = ()
    column: str = ""
    classes: tuple[str, ...] = ()
    number: int = 0


def target_of(
    question: TargetQuestion, rows: np.ndarray, features: Features | None, fit: Features | None = None
) -> Target | None:
    """The target that a question means, of one encoder; None for "itself", which a method explains unless told otherwise.

    `rows` (n,) are the images explained among those of `features`, which `near` and `far` count too; a unit needs no
    features.  `fit` holds the features that a readout is fitted to (default: `features`).  An image is left out of
    its own groups.  ValueError for a group of the image alone, and for what the targets themselves refuse.
    """
    import torch
    import torch.nn.functional as F

    from sslviz.explanations.targets import targets

    if question.kind == "itself":
        return None
    if question.kind == "unit":
        return targets.unit(question.number)
    if features is None or question.kind not in TARGET_KINDS or question.kind == "loss":
        raise ValueError(f"No target of the kind {question.kind!r} is made of {'no ' * (features is None)}features.")
    if question.kind == "component":
        return targets.component(features, question.number)
    if question.kind == "readout":
        return targets.readout(features if fit is None else fit, question.column, question.classes)
    x = torch.from_numpy(np.array(features.x))
    if question.kind in ("self", "self_cosine"):
        return (targets.own if question.kind == "self" else targets.own_cosine)(x[rows])
    if question.kind in ("image", "paired_reference"):
        return targets.similarity(x[[group[0] for group in question.near]].expand(len(rows), -1), question.words)
    if question.kind == "similarity":
        return targets.similarity(_group_means(x, rows, question.near), question.words)
    x = F.normalize(x, dim=1)
    return targets.contrast(_group_means(x, rows, question.near) - _group_means(x, rows, question.far), question.words)


def _group_means(x: Tensor, rows: np.ndarray, groups: tuple[Rows, ...]) -> Tensor:
    """For each image the mean of its group without itself; (n, d)."""
    import torch

    sums: dict[Rows, Tensor] = {}
    means = []
    for row, group in zip(rows, groups, strict=True):
        if group not in sums:
            sums[group] = x[list(group)].sum(0)
        inside = int(row) in set(group)
        if len(group) - inside < 1:
            raise ValueError("A group to compare with must hold more than the image itself; choose a larger one.")
        means.append((sums[group] - inside * x[int(row)]) / (len(group) - inside))
    return torch.stack(means)


def question_in_text(text: str, among: Images) -> TargetQuestion:
    """The question that a text of the command line asks; SYNTAX says how such texts are written.

    `near` and `far` count the rows of `among`, and hold one entry for all images explained.  ValueError for any other
    text, for an image or a column that is not there, and for a value that all images have or none.
    """
    kind, colon, rest = text.partition(":")
    column, equals, value = text.partition("=")
    if text in TEXT_KINDS:
        return TargetQuestion(text)
    if kind in ("unit", "component") and rest.isdigit():
        return TargetQuestion(kind, number=int(rest))
    if colon and kind == "similarity":
        return TargetQuestion("image", f"similarity to image {rest}", near=((row_of(among, rest),),))
    if not equals:
        raise ValueError(f"The target is one of {SYNTAX}; got {text!r}.")
    near, far = _rows_by_value(among, column, value)
    return TargetQuestion("contrast", f"being near {column}={value}, not the others", near=(near,), far=(far,))


def row_of(images: Images, id_: str) -> int:
    """The row of the image with this id; ValueError where there is none."""
    found = np.flatnonzero(images.ids == id_)
    if len(found):
        return int(found[0])
    close = difflib.get_close_matches(id_, list(images.ids), n=1)
    known = f"did you mean {close[0]}?" if close else f"they begin with {', '.join(images.ids[:3])}."
    raise ValueError(f"There is no image {id_!r} among these {len(images):,}; {known}")


def _rows_by_value(images: Images, column: str, value: str) -> tuple[Rows, Rows]:
    """Rows of images with this value of a column, and of others; a sample of each."""
    if column not in images.table:
        have = ", ".join(map(str, images.table.columns)) or "none"
        raise ValueError(f"The table has no column {column!r}; its columns are: {have}.")
    values = images.table[column].astype(str).to_numpy()
    here = values == value
    if here.all() or not here.any():
        have = ", ".join(sorted(set(values))[:12])
        raise ValueError(f"To be near {column}={value} and not the others, there must be both; {column} is: {have}.")
    near, far = (tuple(map(int, _sample(np.flatnonzero(group)))) for group in (here, ~here))
    return near, far


def _sample(rows: np.ndarray) -> np.ndarray:
    return rows[sample_rows(len(rows), GROUP)]
