"""Questions: which entries of the catalog are asked of which columns, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslviz.catalog import Entry
from sslviz.data import Images
from sslviz.evaluation.answers import Columns
from sslviz.runs import Run


def scored_and_fit(images: Images) -> tuple[Images, Images | None]:
    """The images that are scored and those that probes are fitted on, by the table's `split` column, if there is one.

    test (or validation) images are scored; probes are fitted on probe (or train) images.  Without such a column all are
    scored, and a probe is fitted on one half to be scored on the other.
    """
    splits = set(images.table["split"]) if "split" in images.table else set()
    score = next((s for s in ("test", "val", "validation") if s in splits), None)
    fit = next((s for s in ("probe", "train") if s in splits), None)
    if score is None:
        return images, None
    return images.split(score), images.split(fit) if fit else None


@dataclass(frozen=True)
class Questions:
    """What is asked of every checkpoint.

    - entries: of the catalog
    - labels: columns that a readout is asked for
    - attributes: columns that should not matter
    - pairs: (label, attribute) that are asked about together
    """

    entries: Sequence[Entry]
    labels: Sequence[str]
    attributes: Sequence[str]
    pairs: Sequence[tuple[str, str]]

    @property
    def of_checkpoints(self) -> list[tuple[Entry, Columns]]:
        """(entry, columns) of all that are asked of one checkpoint."""
        return [(entry, columns) for entry in self.entries for columns in self._columns(entry)]

    @property
    def of_pairs(self) -> list[Entry]:
        """The entries that compare two checkpoints."""
        return [entry for entry in self.entries if entry.scope == "pair"]

    def _columns(self, entry: Entry) -> list[Columns]:
        columns: dict[str, list[Columns]] = {
            "checkpoint": [()],
            "label": [(label,) for label in self.labels],
            "attribute": [(attribute,) for attribute in self.attributes],
            "columns": [*self.pairs],
        }
        return columns.get(entry.scope, [])


def check_run_names(runs: Sequence[Run]) -> None:
    """ValueError where two runs are called the same: they are told apart by name."""
    if len({run.name for run in runs}) < len(runs):
        names = ", ".join(run.name for run in runs)
        raise ValueError(f"Runs are told apart by name, but two are called the same: {names}.")


def check_columns(images: Images, named: Sequence[Entry], label: str | None, attributes: Sequence[str]) -> None:
    """ValueError where a column is not there, where label and attribute are one, or where an attribute is wanting."""
    for column in [*([] if label is None else [label]), *attributes]:
        if column not in images.table:
            have = ", ".join(map(str, images.table.columns)) or "none"
            raise ValueError(f"The table has no column {column!r}; its columns are: {have}.")
    if label in attributes:
        raise ValueError(f"{label!r} is named as label and as attribute; what it does to itself is no question.")
    for entry in named:
        if entry.scope in ("attribute", "columns") and not attributes:
            raise ValueError(f"{entry.name} asks about an attribute; name a column, e.g. attribute='color'.")
