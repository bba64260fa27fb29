"""What is explained?  The number that a page asks about, made of the features in the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.features import Features

KINDS = {
    "contrast": "why near these and not those",
    "group": "what it shares with its group",
    "image": "why near one picture",
    "decision": "what a decision is based on",
    "itself": "what makes it what it is",
    "component": "what a main direction answers to",
    "unit": "what one dimension answers to",
}


@dataclass(frozen=True)
class Asked:
    """One of KINDS, and what it needs to be known: groups of rows, a picture's row, a column, a number.

    `near` and `far` have one tuple of rows for each image that is explained; `words` say it in a title."""

    kind: str
    words: str = ""
    rows: tuple[int, ...] = ()
    near: tuple[tuple[int, ...], ...] = ()
    far: tuple[tuple[int, ...], ...] = ()
    column: str = ""
    classes: tuple[str, ...] = ()
    number: int = 0


def target_of(asked: Asked, rows: np.ndarray, features: Features, fit: Features | None) -> Any:
    """The number meant at the images in these rows, of one encoder's `features`; None for what a method explains by itself."""
    import torch
    import torch.nn.functional as F

    from sslviz.explanations.targets import targets

    if asked.kind == "itself":
        return None
    if asked.kind == "unit":
        return targets.unit(asked.number)
    if asked.kind == "component":
        return targets.component(features, asked.number)
    if asked.kind == "decision":
        return targets.readout(features if fit is None else fit, asked.column, asked.classes)
    x = torch.from_numpy(np.array(features.x))
    if asked.kind == "image":
        return targets.similarity(x[list(asked.rows)].expand(len(rows), -1), asked.words)
    if asked.kind == "group":
        return targets.similarity(_means(x, rows, asked.near), asked.words)
    x = F.normalize(x, dim=1)
    return targets.contrast(_means(x, rows, asked.near) - _means(x, rows, asked.far), asked.words)


def _means(x: Any, rows: np.ndarray, groups: tuple[tuple[int, ...], ...]) -> Any:
    """For each image the mean of its group without itself; (n, d)."""
    import torch

    sums: dict[tuple[int, ...], Any] = {}
    found = []
    for row, group in zip(rows, groups, strict=True):
        if group not in sums:
            sums[group] = x[list(group)].sum(0)
        inside = int(row) in set(group)
        if len(group) - inside < 1:
            raise ValueError("A group to compare with must hold more than the image itself; choose a larger one.")
        found.append((sums[group] - inside * x[int(row)]) / (len(group) - inside))
    return torch.stack(found)
