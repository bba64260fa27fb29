"""Tasks: the classes of a label, divided into groups that are learnt one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslviz.data import Images
from sslviz.features.columns import coded_values

MOST_TASKS = 3  # unless more are asked for: each costs one training of every kind


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pictures of all tasks, and which head says what of each.

    - images: n pictures, of classes that some task has
    - task: the task of each, (n,)
    - code: its class among those of its task, (n,)
    """

    images: Images
    task: np.ndarray
    code: np.ndarray

    def of_task(self, task: int) -> np.ndarray:
        """The rows of one task."""
        return np.flatnonzero(self.task == task)


def divided(classes: Sequence[str], tasks: int | Sequence[Sequence[str]] | None, label: str) -> list[list[str]]:
    """The classes of each task, by default of three tasks, or two where there are fewer than six classes.

    - tasks: how many, of classes in their order; or the classes of each by name

    ValueError for fewer than two tasks, fewer than two classes in one of them, and unknown or repeated names.
    """
    if tasks is None:
        tasks = max(2, min(MOST_TASKS, len(classes) // 2))
    if isinstance(tasks, int):
        if tasks < 2 or len(classes) < 2 * tasks:
            raise ValueError(
                f"Tasks are two or more, of two classes or more each; {label!r} has {len(classes)} classes, which do not "
                f"make {tasks} tasks. Choose another column or fewer tasks."
            )
        return [[str(name) for name in part] for part in np.array_split(np.array(classes, dtype=object), tasks)]
    named = [[str(name) for name in task] for task in tasks]
    every = [name for task in named for name in task]
    if len(named) < 2 or min(map(len, named)) < 2 or len(set(every)) < len(every):
        raise ValueError(f"Tasks are two or more, of two classes or more each, none of them twice; got {named}.")
    if unknown := sorted(set(every) - set(map(str, classes))):
        raise ValueError(
            f"The column {label!r} shows no {', '.join(map(repr, unknown))}; its classes are: {', '.join(classes)}."
        )
    return named


def classes_of(images: Images, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The classes of a column, and of each picture: names (c,) and codes (n,); ValueError as `coded`."""
    if label not in images.table:
        raise ValueError(f"The table has no column {label!r}; its columns are: {', '.join(map(str, images.table))}.")
    return coded_values(images.table[label], label)


def lesson(images: Images, label: str, tasks: list[list[str]]) -> Lesson:
    """The pictures of these tasks, those of other classes left out; ValueError where a class shows fewer than two."""
    names, codes = classes_of(images, label)
    place = {name: (t, i) for t, task in enumerate(tasks) for i, name in enumerate(task)}
    counts = dict(zip(names, np.bincount(codes), strict=True))
    if few := [name for name in place if counts.get(name, 0) < 2]:
        raise ValueError(
            f"Each class of a task needs two pictures to fit on and two to score; {label!r} shows fewer of "
            f"{', '.join(map(repr, few[:5]))}. Leave them out of `tasks` or pass more images."
        )
    keep = pd.Index(names[codes]).isin(place)
    at = np.array([place[name] for name in names[codes][keep]])
    return Lesson(images.rows(keep), at[:, 0], at[:, 1])
