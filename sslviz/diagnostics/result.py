"""Result: what every diagnostic returns, and the keys under which results are found.

A result is a small frozen dataclass that holds the arrays its figure needs.  What else it offers is asked by protocol:
`compare` pairs two results image by image where they are `PerImage`, and replicate by replicate where `Replicated`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from sslviz.statistics import Score

if TYPE_CHECKING:
    from sslviz.features import Features

FIRST_COLUMN = "label"  # the column that a key leaves out: "linear_probe" is "linear_probe:label"


@runtime_checkable
class Result(Protocol):
    """What every result offers: its numbers, each beside its controls."""

    def scores(self) -> dict[str, Score]:
        """{name: Score}; the first is the one that a table shows where there is room for one."""
        ...


@runtime_checkable
class PerImage(Result, Protocol):
    """A result whose scores are means over images, so that two of them can be paired image by image."""

    ids: np.ndarray  # (n,)

    def per_image(self) -> dict[str, np.ndarray]:
        """{score: what each image adds to the mean, (n,)}."""
        ...


@runtime_checkable
class Stratified(PerImage, Protocol):
    """A result whose means weigh each class the same, so that images are drawn again within their class."""

    def groups(self) -> np.ndarray:
        """The class of each image, (n,)."""
        ...


@runtime_checkable
class Replicated(Result, Protocol):
    """A result whose scores were computed again without one group of images at a time.

    Of the same images and seed the same groups are left out, so that two results can be paired group by group.
    """

    def paired_replicates(self) -> dict[str, np.ndarray]:
        """{score: the score without each group, (groups,)}."""
        ...


@runtime_checkable
class Sampled(Result, Protocol):
    """A result of a sample of pictures, which may be larger for one checkpoint than for another."""

    ids: np.ndarray

    def of_pictures(self, ids: np.ndarray) -> Sampled:
        """The same of some of its pictures, in this order."""
        ...


@runtime_checkable
class Partial(Result, Protocol):
    """A result that could be had only without some of the images."""

    left_out: dict[str, int]  # {reason: images}; empty where all were looked at


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A result of a readout, which knows its images: two readouts compare only if they were fitted on the same ones.

    - scored_on, fitted_on: `Features.pictures` of the images; empty in results of an older sslviz
    - group_column: the column whose images stayed on one side and are drawn again together, empty where there was none
    - units: which of those each scored image is of, (n,); None where each stands for itself
    """

    scored_on: str = ""
    fitted_on: str = ""
    group_column: str = ""
    units: np.ndarray | None = None


class OfRun:
    """A result of a checkpoint and its pictures, not of features: it is called by the run of the checkpoint."""

    run: str

    @property
    def name(self) -> str:
        """How figures call it: the run it comes from."""
        return self.run


def pictures_of(scored: Features, fitted: Features) -> dict[str, Any]:
    """The fields of `Fitted`; ValueError where images on both sides belong together."""
    from sslviz.features.columns import apart

    apart(scored, fitted)
    return {"scored_on": scored.pictures, "fitted_on": fitted.pictures} | units_of(scored)


def units_of(scored: Features) -> dict[str, Any]:
    """The fields that say which scored images belong together."""
    return {"group_column": scored.group, "units": scored.units}


def caution(results: Mapping[str, Any]) -> str:
    """Why results {name: result} must not be compared, in a sentence: their images differ; empty where that is not known."""
    for what, done in (("fitted_on", "fitted"), ("scored_on", "scored")):
        known = {name: getattr(result, what, "") for name, result in results.items()}
        known = {name: pictures for name, pictures in known.items() if pictures}
        if are_others(known.values()):
            names = ", ".join(known) if all(map(str.strip, known)) else "These two"
            return (
                f"{names} were {done} on different images, so that a difference between them may come from those alone."
            )
    return ""


def are_others(pictures: Iterable[str]) -> bool:
    """Whether some of these `Features.pictures` stand for other images than the rest: other ids, or other pixels."""
    parts = [one.partition(":") for one in pictures if one]
    return any(len({part[i] for part in parts} - {""}) > 1 for i in (0, 2))


@dataclass(frozen=True)
class ResultKey:
    """What a result is called among those of a checkpoint: "spectrum", "linear_probe:color", "reliance:shape~color".

    - name: of the catalog's entry
    - columns: of the table, in the order in which they were given; or the checkpoint that a pair is compared with
    """

    name: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.columns in ((), (FIRST_COLUMN,)):
            return self.name
        columns = "~".join(column.replace("~", r"\~") for column in self.columns)
        return f"{self.name}:{columns}"

    @classmethod
    def parse(cls, text: str) -> ResultKey:
        """The key that is written as this text."""
        name, _, columns = text.partition(":")
        found = re.split(r"(?<!\\)~", columns) if columns else []
        return cls(name, tuple(column.replace(r"\~", "~") for column in found))


@dataclass(frozen=True)
class CheckpointKey:
    """What a checkpoint is called among those of several runs: "simclr" for the last of a run, "simclr @ 400" before it.

    - run: name of the run
    - step: None for the last checkpoint
    """

    run: str
    step: int | None = None

    def __str__(self) -> str:
        return self.run if self.step is None else f"{self.run} @ {self.step}"

    @classmethod
    def parse(cls, text: str) -> CheckpointKey:
        """The key that is written as this text."""
        run, separator, step = text.rpartition(" @ ")
        return cls(run, int(step)) if separator and step.isdecimal() else cls(text)
