"""Questions: which entries of the catalog are asked of which columns, on which images; and what is not asked of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from sslviz.catalog import Entry, diagnostics, find_entry
from sslviz.data import Images
from sslviz.data.sources.split_names import split_of
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import GROUP, Columns, rows_asked
from sslviz.evaluation.column_checks import usable_class_counts
from sslviz.features.column_kinds import Column, asked_columns, describe_columns


def scored_and_fit(images: Images) -> tuple[Images, Images | None]:
    """The images that are scored and those that probes are fitted on, by the table's `split` column, if there is one.

    test (or validation) images are scored; probes are fitted on probe (or train) images.  Without such a column all are
    scored, and a probe is fitted on one half to be scored on the other.
    """
    score, fit = scored_and_fit_splits(images.table)
    if score is None:
        return images, None
    return images.split(score), images.split(fit) if fit else None


def scored_and_fit_splits(table: pd.DataFrame) -> tuple[str | None, str | None]:
    """The names of the split that is scored and of that fitted on; None where there is none such."""
    splits = set(table["split"].dropna().astype(str)) if "split" in table else set()
    score = _first_meant(splits, ("test", "val"))
    return score, _first_meant(splits, ("probe", "train")) if score else None


def _first_meant(splits: Collection[str], meant: Sequence[str]) -> str | None:
    """The first of these splits that is there, as the table calls it: test may be Test or testing."""
    words = {split_of(name): name for name in sorted(splits, reverse=True)} | {name: name for name in splits}
    return next((words[one] for one in meant if one in words), None)


def trained_and_watched(images: Images) -> tuple[Images, Images | None, str]:
    """The images to train on, those to watch the training by (None: some of the same), and a sentence that says so.

    Where there is a split `train`, nothing else is trained on.
    """
    splits = images.table["split"].dropna().astype(str).value_counts() if "split" in images.table else pd.Series()
    train = _first_meant(list(splits.index), ("train",))
    if train is None or len(splits) < 2:
        there = f" (but {', '.join(splits.index)})" if len(splits) else ""
        why = "" if train else f"The images have no `train` split{there}. "
        said = f"{why}Trained on all {len(images):,} images; a tenth of them at most is kept to watch the training by."
        return images, None, said
    watched = _first_meant(list(splits.index), ("probe", "val", "test"))
    rest = [f"{n:,} of split {name}" for name, n in splits.items() if name not in (train, watched)]
    rest += [f"{gaps:,} without a split"] if (gaps := len(images) - int(splits.sum())) else []
    said = f"Trained on {splits[train]:,} of split {train}"
    said += f", watched on {splits[watched]:,} of split {watched}" if watched else ""
    said += f"; not used: {', '.join(rest)}." if rest else "."
    return images.split(train), images.split(watched) if watched else None, said


@dataclass(frozen=True)
class Questions:
    """What is asked of every checkpoint.

    - entries: of the catalog
    - labels: columns that a readout is asked for
    - attributes: columns that should not matter
    - pairs: (label, attribute) that are asked about together
    - class_counts: {column: how many classes it has}; of too many, not every entry is asked
    - target: the table of images of another domain, where some were named
    - group: the column whose images belong together, empty where each stands for itself
    """

    entries: Sequence[Entry]
    labels: Sequence[str]
    attributes: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    class_counts: Mapping[str, int] = field(default_factory=dict)
    target: pd.DataFrame | None = None
    group: str = ""

    @property
    def of_checkpoints(self) -> list[tuple[Entry, Columns]]:
        """(entry, columns) of all that are asked of one checkpoint."""
        return [
            (entry, columns)
            for entry, columns in self._all()
            if not self._too_many(entry, columns) and not self._not_in_target(entry, columns)
        ]

    @property
    def of_pairs(self) -> list[Entry]:
        """The entries that compare two checkpoints."""
        return [entry for entry in self.entries if entry.scope == "pair"]

    @property
    def split(self) -> bool:
        """Whether anything is asked for which images are split into some to fit on and others to score."""
        return any(GROUP in entry.options for entry, _ in self.of_checkpoints)

    def left_out(self, table: pd.DataFrame, fit: pd.DataFrame | None) -> dict[str, list[str]]:
        """{reason: what it holds for}: questions that are not asked, and images that a question leaves out."""
        reasons: dict[str, list[str]] = {}
        for entry, columns in self._all():
            if too_many := self._too_many(entry, columns):
                why = f"{too_many} has {self.class_counts[too_many]} classes; it is asked of up to {entry.most_classes}"
                reasons.setdefault(f"Not asked: {why}.", []).append(str(ResultKey(entry.name, columns)))
            elif why := self._not_in_target(entry, columns):
                reasons.setdefault(f"Not asked: {why}.", []).append(str(ResultKey(entry.name, columns)))
            elif columns and "features" in entry.inputs:
                for sentence in rows_asked(entry, table, fit, columns, self.group).sentences():
                    reasons.setdefault(sentence, []).append(str(ResultKey(entry.name, columns)))
        if self.attributes and not any(entry.scope in ("attribute", "columns") for entry in self.entries):
            unasked = f"Nothing is asked about {', '.join(self.attributes)}: none of these asks about an attribute."
            reasons[unasked] = [entry.name for entry in self.entries]
        return reasons

    def _not_in_target(self, entry: Entry, columns: Columns) -> str:
        """Which column the images of the other domain lack that the entry asks them for; empty where none is wanting."""
        if not entry.needs_target or self.target is None:
            return ""
        return next((f"the target has no column {name!r}" for name in columns if name not in self.target), "")

    def _all(self) -> Iterator[tuple[Entry, Columns]]:
        for entry in self.entries:
            if entry.needs_target and self.target is None:
                continue
            columns: dict[str, list[Columns]] = {
                "checkpoint": [()],
                "label": [(label,) for label in self.labels],
                "attribute": [(attribute,) for attribute in self.attributes],
                "columns": [*self.pairs],
            }
            yield from ((entry, asked) for asked in columns.get(entry.scope, []))

    def _too_many(self, entry: Entry, columns: Columns) -> str:
        """The column with more classes than the entry is asked of; empty where there is none."""
        return next((name for name in columns if self.class_counts.get(name, 0) > entry.most_classes), "")


def named_entries(only: str | Sequence[str] | None) -> list[Entry]:
    """The diagnostics of these names (one, or several), or all that take no package of their own."""
    only = [only] if isinstance(only, str) else only
    if not only:
        return [entry for entry in diagnostics() if not entry.opt_in]
    entries = [find_entry(name) for name in only]
    for entry in entries:
        if entry.scope == "pictures":
            raise ValueError(f"{entry.name} asks about pictures that somebody chose: see `sslviz explain --help`.")
        if entry.scope == "images":
            raise ValueError(f"{entry.name} is asked of images, not of features: see `sslviz transfer --help`.")
    return entries


def make_questions(
    entries: Sequence[Entry],
    images: Images,
    fit: Images | None,
    *,
    label: str | None = None,
    attributes: Sequence[str] = (),
    target: Images | None = None,
) -> Questions:
    """What is asked where nothing but these is named: of every column with classes, unless a label is.

    ValueError where that is nothing at all, with what is in the way.
    """
    columns = describe_columns(images.table, None if fit is None else fit.table, images.group)
    labels = asked_columns(columns) if label is None else [label]
    pairs = [(one, other) for one in labels for other in attributes if one != other]
    counts = usable_class_counts(images, fit, [*labels, *attributes])
    target_table = None if target is None else target.table
    questions = Questions(entries, labels, attributes, pairs, counts, target_table, images.group)
    if not questions.of_checkpoints and not questions.of_pairs:
        raise ValueError(_nothing_asked(questions, images, fit, columns))
    return questions


def _nothing_asked(questions: Questions, images: Images, fit: Images | None, columns: Sequence[Column]) -> str:
    names = ", ".join(dict.fromkeys(entry.name for entry in questions.entries))
    reasons = questions.left_out(images.table, None if fit is None else fit.table) if questions.labels else {}
    why = [*reasons, *(f"{column.name}: {column.left_out}." for column in columns if column.kind != "split")]
    said = (
        " ".join(why)
        or "The table has no columns: put the pictures into class folders, or name them in a metadata.csv."
    )
    return f"Nothing can be asked of these images by {names}, for want of a column with classes. {said}"
