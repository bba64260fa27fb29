"""Inspection: what a source of images was taken for, in a few lines, before anything is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sslviz.data import Images
from sslviz.data.duplicates import Duplicates, duplicates
from sslviz.data.reading import Reading
from sslviz.evaluation.grouping import group_sentence
from sslviz.evaluation.questions import scored_and_fit, scored_and_fit_splits
from sslviz.features.class_names import class_counts
from sslviz.features.column_kinds import Column, describe_columns, left_out_lines

NAMED = 6  # classes that a line names


@dataclass(frozen=True)
class Inspection:
    """What a source of images was taken for.

    - spec: the text that makes the images again
    - n, size: how many pictures, and their height and width
    - splits: {name: pictures}; empty without a column `split`
    - scored: a sentence that says which are scored, which are fitted on, and which are not used
    - columns: of the table of those that are scored, the label first
    - classes: {column: its classes, the most frequent first}, of those that are asked about
    - reading: how the source was read; None for images that were drawn
    - duplicates: how many pictures have a copy on the other side of a split
    - together: a sentence that says which images stay on one side of every split; empty where each stands for itself
    """

    spec: str
    n: int
    size: tuple[int, int]
    splits: Mapping[str, int]
    scored: str
    columns: Sequence[Column]
    classes: Mapping[str, Sequence[str]]
    reading: Reading | None
    duplicates: Duplicates
    together: str = ""

    @property
    def split_lines(self) -> list[str]:
        """What stays on one side of every split, and what does not although it should."""
        return [line for line in (self.together, self.duplicates.line) if line]

    @property
    def source_lines(self) -> list[str]:
        """The pictures, how they were found, which are scored, and what stays on one side of a split."""
        height, width = self.size
        first = f"{self.n:,} pictures of {width} x {height} pixels: {self.spec or 'given as an array'}."
        return [first, *(self.reading.lines if self.reading else []), self.scored, *self.split_lines]

    @property
    def lines(self) -> list[str]:
        """All of it, a few lines: what is asked about stands in one, what is left out in one for each reason."""
        asked = [f"{c.name} ({c.text})" for c in self.columns if c.asked]
        said = f"Asked about: {'; '.join(asked)}." if asked else "There is no column with classes to ask about."
        return [*self.source_lines, said, *left_out_lines(self.columns)]

    @property
    def column_rows(self) -> list[tuple[str, str, str]]:
        """(column, kind, what is known of its classes) of every column that is asked about."""
        return [(c.name, c.kind, self._about(c)) for c in self.columns if c.asked]

    def _about(self, column: Column) -> str:
        named = self.classes[column.name]
        return column.about([*named[:NAMED], *["..."] * (len(named) > NAMED)])

    def to_dict(self) -> dict[str, Any]:
        """As it is written to JSON."""
        return {
            "spec": self.spec,
            "n": self.n,
            "size": list(self.size),
            "splits": dict(self.splits),
            "scored": self.scored,
            "columns": [column.to_dict() for column in self.columns],
            "reading": self.reading.to_dict() if self.reading else None,
            "together": self.together,
            "duplicates": self.duplicates.to_dict(),
        }


def inspect_images(images: Images, fit: Images | None = None, *, scored: Images | None = None) -> Inspection:
    """What are these images taken for?  Their size, splits and columns, and what can be asked about each.

    - fit: other images that probes are fitted on; by default those that the column `split` names
    - scored: those of the images that are scored; by default those that the column `split` names, with `fit` all

    Where the images belong together (`images.grouped_by("author")`), it says how many groups these are.

    Example:
        >>> import sslviz
        >>> inspection = sslviz.inspect_images(sslviz.load_images("digits"))
        >>> inspection.columns[0].name, inspection.columns[0].classes
        ('label', 10)
    """
    named, own_fit = scored_and_fit(images) if fit is None else (images, fit)
    scored = named if scored is None else scored
    columns = describe_columns(scored.table, None if own_fit is None else own_fit.table, images.group)
    classes = {c.name: class_counts(scored.table[c.name]).drop(list(c.small)) for c in columns if c.asked}
    return Inspection(
        spec=images.spec,
        n=len(images),
        size=images.size,
        splits=_splits(images.table),
        scored=_scored(images, scored, own_fit, of_their_own=fit is not None),
        columns=columns,
        classes={name: [str(value) for value in counts.index] for name, counts in classes.items()},
        reading=images.reading,
        duplicates=duplicates(scored, own_fit),
        together=group_sentence(scored, own_fit),
    )


def _splits(table: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(n) for name, n in table["split"].value_counts().items()} if "split" in table else {}


def _scored(images: Images, scored: Images, fit: Images | None, *, of_their_own: bool) -> str:
    """Which pictures are scored, fitted on and not used; the images fitted on are `of_their_own` or a split of these."""
    splits = _splits(images.table)
    score, fitted = scored_and_fit_splits(images.table)
    all_scored = score is None or len(scored) == len(images)
    said = f"All {len(images):,} are scored" if all_scored else f"Scored: {len(scored):,} of split {score}"
    if fit is None:
        said += "; a probe is fitted on one half and scored on the other"
    elif of_their_own:
        said += f"; probes are fitted on {len(fit):,} others ({fit.spec or 'an array'})"
    else:
        said += f"; probes are fitted on {len(fit):,} of split {fitted}"
    if all_scored:
        return f"{said}." + (
            f" Of its splits ({', '.join(splits)}) none is called test or val." if splits and not score else ""
        )
    used = {score, None if of_their_own else fitted}
    rest = [f"{n:,} of split {name}" for name, n in splits.items() if name not in used]
    gaps = len(images) - sum(splits.values())
    rest += [f"{gaps:,} without a split"] if gaps else []
    return f"{said}; not used: {', '.join(rest)}." if rest else f"{said}."
